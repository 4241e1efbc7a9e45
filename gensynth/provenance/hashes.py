"""Whether files are what they were: manifests of dataset, generator and run against what lies on the disk.

A manifest is written in one way only, so that it can be compared byte for byte with the one that the files ask for:
a bit that flipped in the manifest itself is found as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gensynth.balancing.ledger import read_ledger
from gensynth.files import file_sha256, manifest_of, write_atomically

MANIFEST = "manifest.json"
SEAL = f"run/{MANIFEST}"
OWN_MANIFEST = ("dataset", "generator")
_OPEN = (SEAL, ".unfinished.json", "review", "run/review")  # beginnings of what goes on changing in a finished run


def seal_run(out: Path) -> None:
    """Write OUT/run/manifest.json: sha256 and size of every file of a finished run that no other manifest covers."""
    text = _seal_text({name: facts for name, facts in manifest_of(out).items() if _is_sealed(name)})
    (out / SEAL).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out / SEAL, lambda file: file.write(text.encode()))


def _is_sealed(name: str) -> bool:
    room, _, inside = name.partition("/")
    return not name.startswith(_OPEN) and (room not in OWN_MANIFEST or inside == MANIFEST)


def _seal_text(files: Mapping[str, Any]) -> str:
    return json.dumps({"format": 1, "files": files}, indent=1, ensure_ascii=False) + "\n"


def check_dataset(folder: Path) -> list[str]:
    """Findings on every file below a dataset folder: missing, added or changed, its manifest among them."""
    return _check_folder(folder, _seal_text)


def check_generator(folder: Path) -> list[str]:
    """The same for the folder of a bundle, whose manifest repeats the format of its config.json."""
    version = _facts(folder / "config.json").get("format")
    return _check_folder(folder, lambda files: json.dumps({"format": version, "files": files}, indent=2) + "\n")


def check_run(out: Path) -> list[str]:
    """Findings on the files that `seal_run` noted: missing or changed; what was added since is nobody's business."""
    listed = _listed(out / SEAL)
    if listed is None:
        return [f"changed: {SEAL} (cannot be read)"]
    found = {name: facts for name, facts in manifest_of(out).items() if name in listed}
    findings = _compare(listed, found, "")
    if not findings and _text(out / SEAL) != _seal_text({name: found[name] for name in listed}):
        findings.append(f"changed: {SEAL}")
    return findings


def check_links(out: Path, dataset: Path) -> list[str]:
    """Findings where report.json or the ledger name another dataset or generator than the one that lies there."""
    findings = []
    generator = out / "generator" / MANIFEST
    report = _facts(out / "report.json").get("provenance", {})
    if "dataset_sha256" in report and report["dataset_sha256"] != file_sha256(dataset / MANIFEST):
        findings.append(f"changed: dataset/{MANIFEST} (report.json names another)")
    if generator.is_file():
        named = {line["generator_sha256"] for line in read_ledger(dataset / "ledger.csv")} - {""}
        named |= {report["generator_sha256"]} if report.get("generator_sha256") else set()
        if named and named != {file_sha256(generator)}:
            findings.append(f"changed: generator/{MANIFEST} (ledger or report name another)")
    return findings


def _check_folder(folder: Path, expected: Callable[[Mapping[str, Any]], str]) -> list[str]:
    listed = _listed(folder / MANIFEST)
    if listed is None:
        return [f"changed: {folder.name}/{MANIFEST} (missing or cannot be read)"]
    found = manifest_of(folder)
    findings = _compare(listed, found, f"{folder.name}/")
    findings += [f"added: {folder.name}/{name}" for name in sorted(set(found) - set(listed))]
    if not findings and _text(folder / MANIFEST) != expected(found):
        findings.append(f"changed: {folder.name}/{MANIFEST}")
    return findings


def _compare(listed: Mapping[str, Any], found: Mapping[str, Any], before: str) -> list[str]:
    missing = [f"missing: {before}{name}" for name in listed if name not in found]
    return missing + [f"changed: {before}{name}" for name in listed if name in found and listed[name] != found[name]]


def _listed(path: Path) -> dict[str, Any] | None:
    files = _facts(path).get("files")
    return files if isinstance(files, dict) else None


def _facts(path: Path) -> dict[str, Any]:
    """A JSON object, empty where the file is missing or damaged."""
    try:
        facts = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")
