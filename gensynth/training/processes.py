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
from multiprocessing.context import SpawnProcess
from pathlib import Path

import torch
from lightning import Callback, LightningModule, Trainer
from torch import distributed, multiprocessing

from gensynth.errors import DivergedError

PATIENCE = timedelta(minutes=5)  # how long a process waits for the others


class Followers:
    """The processes beside the first one; none where one is enough."""

    def __init__(self, count: int, meeting: Path) -> None:
        self.count, self.meeting = count, meeting
        self._children: list[SpawnProcess] = []

    def start(self, follow: Callable[..., None], arguments: tuple, device: str) -> None:
        """Start follow(rank, *arguments) in every other process and meet them; device: cpu | cuda."""
        context = multiprocessing.get_context("spawn")
        for rank in range(1, self.count):
            child = context.Process(
                target=_run,
                args=(rank, self.count, str(self.meeting), device, torch.get_num_threads(), follow, arguments),
                daemon=True,
            )
            child.start()
            self._children.append(child)
        _meet(0, self.count, str(self.meeting), device)

    def end(self, *, finished: bool) -> None:
        """Part from the others; those of a run that did not finish are stopped."""
        for child in self._children:
            if finished:
                child.join(60)
            child.kill()
            child.join()
        if self._children and distributed.is_initialized():
            distributed.destroy_process_group()


@contextmanager
def leader(count: int) -> Iterator[Followers]:
    """Followers for `count` processes in all, ended on the way out; on a CPU they share its threads."""
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        others, finished = Followers(count, Path(folder) / "meeting"), False
        try:
            torch.set_num_threads(max(1, threads // count))
            yield others
            finished = True
        finally:
            others.end(finished=finished)
            torch.set_num_threads(threads)


class IgnoreSignals(Callback):
    """In every process but the first: that one saves, and ends this one."""

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # Lightning has put its own handlers in place by now


def _run(
    rank: int, count: int, meeting: str, device: str, threads: int, follow: Callable[..., None], arguments: tuple
) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
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
