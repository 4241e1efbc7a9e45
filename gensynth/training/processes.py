"""Starting and ending the processes that share the batches of one training run.

The first process is the one that runs everything else; the others are its children and end with it. They meet
through a file in a temporary folder: no port is opened to the network.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed, multiprocessing

PATIENCE = timedelta(minutes=10)  # how long a process waits for the others


class Followers:
    """The processes beside the first one; none where one is enough."""

    def __init__(self, count: int, meeting: Path) -> None:
        self.count, self.meeting = count, meeting
        self._children: list[multiprocessing.Process] = []

    def start(self, follow: Callable[..., None], arguments: tuple) -> None:
        """Start follow(rank, *arguments) in every other process and meet them."""
        context = multiprocessing.get_context("spawn")
        for rank in range(1, self.count):
            child = context.Process(
                target=_run, args=(rank, self.count, str(self.meeting), follow, arguments), daemon=True
            )
            child.start()
            self._children.append(child)
        _meet(0, self.count, str(self.meeting))

    def end(self, *, finished: bool) -> None:
        """Part from the others; those of a run that did not finish are stopped."""
        if distributed.is_initialized() and self._children:
            distributed.destroy_process_group()
        for child in self._children:
            if finished:
                child.join(60)
            child.terminate()
            child.join()


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


def _run(rank: int, count: int, meeting: str, follow: Callable[..., None], arguments: tuple) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process saves, and ends this one
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))
    _meet(rank, count, meeting)
    follow(rank, *arguments)
    distributed.destroy_process_group()


def _meet(rank: int, count: int, meeting: str) -> None:
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    if backend == "nccl":
        torch.cuda.set_device(rank)
    distributed.init_process_group(
        backend, init_method=f"file://{meeting}", rank=rank, world_size=count, timeout=PATIENCE
    )
