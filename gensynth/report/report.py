"""The report: the same facts as report.json for programs and as report.html for people."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gensynth.report.content import Report
from gensynth.report.figures import Pictures
from gensynth.report.numbers import templates
from gensynth.report.page import page_view


def write_report(folder: Path, report: Report, pictures: Pictures) -> Path:
    """Writes folder/report.json and folder/report.html, both complete or neither; returns the path of the page.

    Raises ValueError where a number is not finite, TypeError where a value is not plain data.
    """
    text = json.dumps(report.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    page = render_html(report, pictures)
    replace_files({folder / "report.json": text, folder / "report.html": page})
    return folder / "report.html"


def render_html(report: Report, pictures: Pictures) -> str:
    """The page as text, one file that fetches nothing; equal facts and pictures give equal bytes."""
    return templates().get_template("report.html.j2").render(page_view(report, pictures))


def replace_files(texts: Mapping[Path, str]) -> None:
    """Writes all texts to temporary files beside their targets, then moves each into place."""
    waiting: dict[Path, str] = {}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, waiting[path] = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                # mkstemp makes files that only the owner may read; a report is passed around.
                os.chmod(waiting[path], 0o644)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for path in texts:
            os.replace(waiting[path], path)
            del waiting[path]
    finally:
        for left_over in waiting.values():
            os.unlink(left_over)
