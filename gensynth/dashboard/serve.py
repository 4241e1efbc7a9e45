"""A local page over all runs: every metrics.csv and every sample grid below a folder, shown by TensorBoard.

Runs need no other logger than the CSV that is always there. Event files are made in a temporary folder and follow runs
that are still going; nothing is written into the runs.
"""

from __future__ import annotations

import contextlib
import csv
import socket
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gensynth.errors import UsageError
from gensynth.progress import say
from gensynth.run_folder import settings_of

SECONDS_BETWEEN_LOOKS = 5.0
SETTINGS = {"port": "6006", "open": "true"}


def dashboard(given: list[str]) -> None:
    """Serve the page until a signal comes: `dashboard [FOLDER] port=6006 open=true`."""
    named, settings = settings_of("dashboard", given, SETTINGS)
    folder = Path(named or "runs")
    if not folder.is_dir():
        raise UsageError(f"dashboard: there is no folder {folder.name!r}; name the one that holds your runs")
    if not runs_below(folder):
        raise UsageError(f"dashboard: no run below {folder.name!r} (looked for run/metrics.csv)")
    with serving(folder, int(settings["port"])) as url:
        count = len(runs_below(folder))
        say(f"{count} run{'s' if count > 1 else ''} below {folder.name or folder} at {url} (Ctrl-C ends)")
        if settings["open"] == "true":
            webbrowser.open(url)
        threading.Event().wait()


def runs_below(folder: Path) -> dict[str, Path]:
    """Folders that hold a metrics.csv of a run, by the name of their run relative to `folder`."""
    found = sorted(p.parent for p in folder.rglob("metrics.csv") if p.parent.name == "run" and p.parent != folder)
    return {_name(path, folder): path for path in found}


def _name(run: Path, folder: Path) -> str:
    return folder.resolve().name if run.parent == folder else run.parent.relative_to(folder).as_posix()


@contextlib.contextmanager
def serving(folder: Path, port: int) -> Iterator[str]:
    """TensorBoard on this machine alone, over the runs below a folder; gives its address. Port 0: any free one.

    UsageError where the extra is missing or the port is taken.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError('dashboard needs an extra: pip install "gensynth[dashboard]"') from None
    ended = threading.Event()
    with tempfile.TemporaryDirectory(prefix="gensynth-dashboard-") as logs:
        mirror = Mirror(folder, Path(logs), SummaryWriter)
        mirror.update()
        follower = threading.Thread(target=mirror.follow, args=(ended,), daemon=True)
        follower.start()
        try:
            with _server(logs, _free_port(port)) as url:
                yield url
        finally:
            ended.set()
            follower.join()
            mirror.close()


def _free_port(requested: int) -> int:
    """The port itself, or any free one for 0; UsageError where it is taken."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", requested))
        except OSError as error:
            raise UsageError(
                f"dashboard: port {requested} cannot be used ({error.strerror}); choose another: port=N"
            ) from None
        return probe.getsockname()[1]


@contextlib.contextmanager
def _server(logs: str, port: int) -> Iterator[str]:
    """TensorBoard in a process of its own, until the block is left."""
    flags = {"logdir": logs, "host": "127.0.0.1", "port": port, "reload_interval": 5, "load_fast": "false"}
    command = [sys.executable, "-m", "tensorboard.main", *(f"--{key}={value}" for key, value in flags.items())]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(server, port)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait()


def _wait_for(server: subprocess.Popen, port: int) -> None:
    for _ in range(600):
        if server.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise UsageError("dashboard: TensorBoard did not start; `python -m tensorboard.main --logdir runs` says why")


class Mirror:
    """Event files that repeat what the runs below a folder have logged; `update` adds what is new."""

    def __init__(self, folder: Path, logs: Path, make_writer: Any) -> None:
        self.folder, self.logs, self.make_writer = folder, logs, make_writer
        self._writers: dict[str, Any] = {}
        self._seen: dict[str, set] = {}

    def follow(self, ended: threading.Event) -> None:
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            with contextlib.suppress(OSError):  # a run that is deleted or written anew: what is there the next time
                self.update()

    def update(self) -> None:
        for name, run in runs_below(self.folder).items():
            seen = self._seen.setdefault(name, set())
            if name not in self._writers:
                self._writers[name] = self.make_writer(str(self.logs / name))
            for key, step, value in _values(run / "metrics.csv"):
                if (key, step) not in seen:
                    seen.add((key, step))
                    self._writers[name].add_scalar(key, value, step)
            for picture in sorted((run / "samples").glob("*.png")):
                if picture.stem.isdigit() and picture not in seen:
                    seen.add(picture)
                    self._writers[name].add_image("samples/all", _pixels(picture), int(picture.stem), dataformats="HWC")
            self._writers[name].flush()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


def _values(path: Path) -> Iterator[tuple[str, int, float]]:
    """Name, samples seen and value of every cell that holds one; a line that is being written is left for later."""
    text = path.read_text(encoding="utf-8")
    for row in csv.DictReader(text[: text.rfind("\n") + 1].splitlines()):
        for key, cell in row.items():
            if key and key != "step" and cell:
                with contextlib.suppress(ValueError, KeyError):
                    yield key, int(row["step"]), float(cell)


def _pixels(path: Path) -> Any:
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
