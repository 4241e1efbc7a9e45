"""Croissant 1.1 description of a balanced data set: files with hashes, records, limits, where it came from.

Vocabulary: http://mlcommons.org/croissant/1.1; responsible-AI terms (rai:) and W3C PROV-O (prov:) are written by
croissant_rai.py. Fields that say where a row came from are mapped to PROV by `equivalentProperty` ("Data-level
provenance" of the specification).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from gensynth.errors import UsageError
from gensynth.provenance.croissant_rai import provenance, responsible_ai, terms

Facts = Mapping[str, Any]
_KNOWN = yaml.safe_load(Path(__file__).with_name("croissant.yaml").read_text(encoding="utf-8"))
_MEDIA: Mapping[str, str] = _KNOWN["media"]


def croissant(
    name: str,
    files: Sequence[Facts],
    splits: Mapping[str, int],
    classes: tuple[str, ...],
    facts: Facts,
) -> dict[str, Any]:
    """JSON-LD of the data set, in a fixed order of keys.

    files    {"name": path relative to the data set, "sha256": hex, "bytes": size}, one per file
    splits   rows per split
    facts    the facts of the data card; `label_column` names the label of a table (default "label"), `columns`
             lists its other columns as the schema does

    Raises UsageError for a file whose name is absolute or leaves the folder.
    """
    files = sorted(files, key=lambda file: file["name"])
    for file in files:
        _refuse_outside(file["name"])
    names = [file["name"] for file in files]
    return {
        "@context": _KNOWN["context"],
        "@type": "sc:Dataset",
        "name": name,
        "description": _description(splits, classes, facts),
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "version": "1.0.0",
        "keywords": ["synthetic", "gensynth", "class imbalance"],
        "isLiveDataset": False,
        "distribution": [*_file_objects(files), *_file_sets(files)],
        "recordSet": [
            _records("classes", data=[{"classes/name": label} for label in classes]),
            _records("splits", data=[_split(name, rows) for name, rows in splits.items()]),
            *(_row_records(table, split, facts) for table in names if (split := _split_of(table, splits))),
            *(_records("ledger", file) for file in names if file == "ledger.csv"),
        ],
        **terms(facts),
        **responsible_ai(facts),
        **provenance(facts),
    }


def _refuse_outside(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or path.parts[:1] and path.parts[0].endswith(":"):
        raise UsageError(
            f"file name {path.name!r} of the data set must be relative to its folder, with forward slashes"
        )


def _split(name: str, rows: int) -> dict[str, Any]:
    return {"splits/name": name, "splits/url": _KNOWN["split_terms"].get(name, ""), "splits/rows": int(rows)}


def _split_of(name: str, splits: Mapping[str, int]) -> str:
    """The split whose rows a file lists (train/metadata.csv, train.csv), "" for other files."""
    path = PurePosixPath(name)
    if path.name == "metadata.csv" and len(path.parts) == 2 and path.parts[0] in splits:
        return path.parts[0]
    is_table = len(path.parts) == 1 and path.suffix in (".csv", ".tsv", ".jsonl", ".parquet")
    return path.stem if is_table and path.stem in splits else ""


def _file_objects(files: Sequence[Facts]) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": file["name"],
            "name": file["name"],
            "contentUrl": file["name"],
            "contentSize": f"{int(file['bytes'])} B",
            "sha256": file["sha256"],
            "encodingFormat": _KNOWN["encodings"].get(
                PurePosixPath(file["name"]).suffix.lower(), "application/octet-stream"
            ),
        }
        for file in files
        if PurePosixPath(file["name"]).suffix.lower() not in _MEDIA
    ]


def _file_sets(files: Sequence[Facts]) -> list[dict[str, Any]]:
    """One set per folder of a split and image format; the hash of each image stands in manifest.json."""
    paths = [PurePosixPath(file["name"]) for file in files]
    groups = sorted(
        {(path.parts[0], path.suffix) for path in paths if path.suffix.lower() in _MEDIA and path.parts[1:]}
    )
    return [
        {
            "@type": "cr:FileSet",
            "@id": f"{top}-images-{suffix[1:]}",
            "name": f"{top}-images-{suffix[1:]}",
            "description": "Images, one folder a class. The sha256 of each stands in manifest.json.",
            "encodingFormat": _MEDIA[suffix.lower()],
            "includes": f"{top}/*/*{suffix}",
        }
        for top, suffix in groups
    ]


def _records(name: str, file: str = "", **more: Any) -> dict[str, Any]:
    """One of the record sets whose fields are always the same."""
    known = _KNOWN["records"][name]
    kind = {"dataType": known["dataType"]} if "dataType" in known else {}
    return _record_set(name, known["description"], known["fields"], file, known["key"], **kind, **more)


def _record_set(
    name: str, text: str, fields: Mapping[str, Facts], file: str, key: str = "", **more: Any
) -> dict[str, Any]:
    """A set of records; `key` is the field that tells one from the others.

    fields  name -> description and dataType; `column` of `file` that it is read from, where it is called otherwise
    """
    keyed = {"key": {"@id": f"{name}/{key}"}} if key else {}
    described = [
        {"@type": "cr:Field", "@id": f"{name}/{field}", "name": facts.get("name", field)}
        | {part: facts[part] for part in ("description", "dataType")}
        | ({"source": {"fileObject": {"@id": file}, "extract": {"column": facts.get("column", field)}}} if file else {})
        | {part: facts[part] for part in ("references", "equivalentProperty") if part in facts}
        for field, facts in fields.items()
    ]
    whole = {"@type": "cr:RecordSet", "@id": name, "name": name, "description": text}
    return {**whole, **keyed, "field": described, **more}


def _row_records(table: str, split: str, facts: Facts) -> dict[str, Any]:
    """Rows of a split: where each comes from and, of a table, the columns of the source."""
    fields: dict[str, Facts] = dict(_KNOWN["row_fields"])
    if PurePosixPath(table).name != "metadata.csv":
        columns = {"label": str(facts.get("label_column", "label")), "source": "gensynth_source"}
        fields = {name: {**fields[name], "column": column} for name, column in columns.items()}
        # The @id of a column of the source is a number, since a name may hold anything.
        fields |= {f"column-{i}": _column(column) for i, column in enumerate(facts.get("columns", ()))}
    return _record_set(f"{split}-rows", f"Rows of the {split} split.", fields, table)


def _column(column: Facts) -> Facts:
    # Missing cells may be spelled out ("NA", "?"), and numbers as "$1,234": no reader takes that for a number.
    spelled = column.get("missing") or column.get("spelling") or column.get("misfits")
    numeric = column.get("kind") == "numeric" and not spelled
    text, name = f"Column of the source, {column.get('kind', 'of unknown kind')}.", str(column["name"])
    return {"name": name, "column": name, "description": text, "dataType": "sc:Float" if numeric else "sc:Text"}


def _description(splits: Mapping[str, int], classes: tuple[str, ...], facts: Facts) -> str:
    rows = ", ".join(f"{split} {int(count)}" for split, count in splits.items())
    sentence = str(facts.get("verdict", {}).get("sentence") or "Whether the added rows help was not measured.")
    return (
        f"A labelled data set of {len(classes)} classes whose training split was balanced by gensynth with marked "
        f"synthetic or augmented rows. Rows: {rows}. {sentence}"
    )
