"""Starting and ending the processes that share the batches of one training run.

The first process is the one that runs everything else; the others are its children and end with it. They meet
through a file in a temporary folder, and on a CPU they talk over the loopback interface alone.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from lightning import Callback, LightningModule, Trainer
from torch import distributed, multiprocessing

from gensynth.errors import DivergedError

PATIENCE = timedelta(minutes=5)  # how long a process waits for the others


Start = Callable[[Callable[..., None], tuple, str], None]


@contextmanager
def leader(count: int) -> Iterator[Start]:
    """Starts follow(rank, *arguments) in the other of `count` processes and meets them; device: cpu | cuda.

    On the way out they are ended, at once where this process did not finish; on a CPU they share its threads.
    """
    threads, children, finished = torch.get_num_threads(), list[BaseProcess](), False
    with tempfile.TemporaryDirectory() as folder:
        meeting = str(Path(folder) / "meeting")

        def start(follow: Callable[..., None], arguments: tuple, device: str) -> None:
            args = (count, meeting, device, torch.get_num_threads(), follow, arguments)
            children.extend(multiprocessing.spawn(_run, args, count - 1, join=False, daemon=True).processes)
            _meet(0, count, meeting, device)

        try:
            torch.set_num_threads(max(1, threads // count))
            yield start
            finished = True
        finally:
            for child in children:
                if finished:
                    child.join(60)
                child.kill()
                child.join()
            if children and distributed.is_initialized():
                distributed.destroy_process_group()
            torch.set_num_threads(threads)


def ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


class IgnoreSignals(Callback):
    """In every process but the first: that one saves, and ends this one."""

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        ignore_signals()  # Lightning has put its own handlers in place by now


def _run(
    index: int, count: int, meeting: str, device: str, threads: int, follow: Callable[..., None], arguments: tuple
) -> None:
    rank = index + 1
    ignore_signals()
    torch.set_num_threads(threads)
    try:
        _meet(rank, count, meeting, device)
        follow(rank, *arguments)
        distributed.destroy_process_group()
    except DivergedError:
        sys.exit(4)  # the first process says so
    except Exception as error:
        print(f"gensynth: process {rank} stopped: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)


def _meet(rank: int, count: int, meeting: str, device: str) -> None:
    backend = "nccl" if device == "cuda" else "gloo"
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    if backend == "nccl":
        torch.cuda.set_device(rank)
    distributed.init_process_group(
        backend, init_method=f"file://{meeting}", rank=rank, world_size=count, timeout=PATIENCE
    )
