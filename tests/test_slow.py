"""Checks that take minutes: the wheel away from the checkout, the notebook, the demo's promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def test_the_wheel_finds_its_configuration_from_another_directory(tmp_path):
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("gensynth-*.whl")
    venv.create(tmp_path / "env", with_pip=False, system_site_packages=False)
    site = next((tmp_path / "env/lib").glob("python*/site-packages"))
    (site / "borrowed.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    subprocess.run([sys.executable, "-m", "pip", "install", "--no-deps", "-q", "--target", site, wheel], check=True)
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    script = (
        "import sys; from gensynth.cli import main; from gensynth.cli.overrides import conf_dir; "
        "print(conf_dir()); sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [tmp_path / "env/bin/python", "-c", script, "explore", "digits", "out=e"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    assert str(site) in done.stdout.splitlines()[0]
    assert (tmp_path / "e/explore.json").is_file()


def executed(name, folder):
    """The code cells of a notebook after they have run; outputs must be stripped in git."""
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    assert all(not cell.get("outputs") for cell in book.cells), "outputs are stripped in git"
    NotebookClient(book, timeout=400, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell for cell in book.cells if cell.cell_type == "code"]


def test_the_walk_in_a_notebook(tmp_path):
    assert "True" in str(executed("01_walkthrough.ipynb", tmp_path)[-1].outputs)


def test_reading_a_report_in_a_notebook(tmp_path):
    cells = executed("02_reading_a_report.ipynb", tmp_path)
    assert "'oracle', " in str(cells[1].outputs)
    faults = str(cells[2].outputs)
    for text in (
        "oracle: no fault found",
        "copies training rows",
        "misses half its variety",
        "look like",
        "no real row",
    ):
        assert text in faults
    assert "Balanced accuracy on" in str(cells[-2].outputs)


def test_the_demo_keeps_its_promises(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "gensynth", "demo", f"out={tmp_path}/d"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "d/report.json").read_text())
    assert report["verdict"]["sentence"] in done.stdout
    before = [c["before"] for c in report["data"]["classes"].values()]
    assert (max(before), min(before)) == (126, 20)
    assert {c["after"] for c in report["data"]["classes"].values()} == {126}
    assert str(tmp_path / "d/report.html") in done.stdout
