"""Croissant 1.1 description of a balanced data set: files with hashes, records, limits, where it came from.

Vocabulary: http://mlcommons.org/croissant/1.1; responsible-AI terms (rai:) and W3C PROV-O (prov:) are written by
croissant_rai.py. Fields that say where a row came from are mapped to PROV by `equivalentProperty` ("Data-level
provenance" of the specification).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from gensynth.errors import UsageError
from gensynth.provenance.croissant_rai import provenance, responsible_ai, terms

_TERMS = (
    *("annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field"),
    *("fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key"),
    *("md5", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
    *("separator", "source", "subField", "transform"),
)
_OTHER_TERMS: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}
CONTEXT = dict(sorted({**{name: f"cr:{name}" for name in _TERMS}, **_OTHER_TERMS}.items()))
MEDIA = {
    **{f".{kind}": f"audio/{kind}" for kind in ("wav", "flac")},
    **{f".{kind}": f"image/{kind}" for kind in ("png", "jpeg", "bmp", "gif", "tiff", "webp")},
    **{".jpg": "image/jpeg", ".tif": "image/tiff"},
}
ENCODINGS = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".md": "text/markdown",
    ".parquet": "application/x-parquet",
    ".txt": "text/plain",
    ".tsv": "text/tab-separated-values",
}
FIELD_TEXTS = {
    "file_name": "Path of the file, relative to the folder of its metadata.csv.",
    "label": "Class of the row; the truth, where a folder name differs.",
    "source": "How the row came about: real (of the source), augmented (a real row altered) or synthetic (generated).",
}
SPLIT_TERMS = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}
SPLIT_FIELDS = {
    "name": ("sc:Text", "Name of the split."),
    "url": ("sc:URL", "What the split is for."),
    "rows": ("sc:Integer", "Number of rows."),
}
# Column of ledger.csv: (what it says, the property of PROV-O or schema.org that it stands for).
LEDGER_FIELDS = {
    "row_id": ("File name, or row number from 0.", "sc:identifier"),
    "source": (FIELD_TEXTS["source"], "prov:wasGeneratedBy"),
    "label": (FIELD_TEXTS["label"], ""),
    "sampler": ("What made the row; empty for a real one.", "prov:wasAttributedTo"),
    "generator_sha256": ("Bundle that made the row; empty without one.", "prov:used"),
    "parent": ("Row of the source that the row is, or was made from.", "prov:wasDerivedFrom"),
    "content_sha256": ("Hash of the row's file, or of its cells.", "sc:sha256"),
}


def croissant(
    name: str,
    files: Sequence[Mapping[str, Any]],
    splits: Mapping[str, int],
    classes: tuple[str, ...],
    facts: Mapping[str, Any],
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
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": _description(splits, classes, facts),
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "version": "1.0.0",
        "keywords": ["synthetic", "gensynth", "class imbalance"],
        "isLiveDataset": False,
        "distribution": [*_file_objects(files), *_file_sets(files)],
        "recordSet": [
            _class_records(classes),
            _split_records(splits),
            *(_row_records(table, split, facts) for table in names if (split := _split_of(table, splits))),
            *(_ledger_records(file) for file in names if file == "ledger.csv"),
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


def _split_of(name: str, splits: Mapping[str, int]) -> str:
    """The split whose rows a file lists (train/metadata.csv, train.csv), "" for other files."""
    path = PurePosixPath(name)
    if path.name == "metadata.csv" and len(path.parts) == 2 and path.parts[0] in splits:
        return path.parts[0]
    is_table = len(path.parts) == 1 and path.suffix in (".csv", ".tsv", ".parquet")
    return path.stem if is_table and path.stem in splits else ""


def _file_objects(files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": file["name"],
            "name": file["name"],
            "contentUrl": file["name"],
            "contentSize": f"{int(file['bytes'])} B",
            "sha256": file["sha256"],
            "encodingFormat": ENCODINGS.get(PurePosixPath(file["name"]).suffix.lower(), "application/octet-stream"),
        }
        for file in files
        if PurePosixPath(file["name"]).suffix.lower() not in MEDIA
    ]


def _file_sets(files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One set per folder of a split and image format; the hash of each image stands in manifest.json."""
    paths = [PurePosixPath(file["name"]) for file in files]
    groups = sorted({(path.parts[0], path.suffix) for path in paths if path.suffix.lower() in MEDIA and path.parts[1:]})
    return [
        {
            "@type": "cr:FileSet",
            "@id": f"{top}-images-{suffix[1:]}",
            "name": f"{top}-images-{suffix[1:]}",
            "description": "Images, one folder a class. The sha256 of each stands in manifest.json.",
            "encodingFormat": MEDIA[suffix.lower()],
            "includes": f"{top}/*/*{suffix}",
        }
        for top, suffix in groups
    ]


def _record_set(name: str, text: str, fields: Sequence[dict[str, Any]], key: str = "", **more: Any) -> dict[str, Any]:
    """A set of records; `key` is the field that tells one from the others."""
    keyed = {"key": {"@id": f"{name}/{key}"}} if key else {}
    return {
        **{"@type": "cr:RecordSet", "@id": name, "name": name, "description": text},
        **{**keyed, "field": [{**field, "@id": f"{name}/{field['@id']}"} for field in fields], **more},
    }


def _field(name: str, kind: object, text: str, file: str = "", column: str = "", **more: Any) -> dict[str, Any]:
    """A field, and the column of a file that it is read from, if any; `_record_set` completes its @id."""
    source = {"source": {"fileObject": {"@id": file}, "extract": {"column": column}}} if file else {}
    facts = {"@type": "cr:Field", "@id": name, "name": name, "description": text, "dataType": kind}
    return {**facts, **source, **{key: value for key, value in more.items() if value}}


def _class_records(classes: tuple[str, ...]) -> dict[str, Any]:
    data = [{"classes/name": label} for label in classes]
    fields = [_field("name", "sc:Text", "Class name.")]
    return _record_set("classes", "The classes in index order.", fields, "name", dataType="sc:Enumeration", data=data)


def _split_records(splits: Mapping[str, int]) -> dict[str, Any]:
    fields = [_field(name, kind, text) for name, (kind, text) in SPLIT_FIELDS.items()]
    data = [
        {"splits/name": split, "splits/url": SPLIT_TERMS.get(split, ""), "splits/rows": int(rows)}
        for split, rows in splits.items()
    ]
    text = "Splits and their rows; only train holds rows that are not real."
    return _record_set("splits", text, fields, "name", dataType="cr:Split", data=data)


def _row_records(table: str, split: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Rows of a split: where each comes from and, of a table, the columns of the source."""
    columns = {"file_name": "file_name", "label": "label", "source": "source"}
    others: Sequence[Mapping[str, Any]] = ()
    if PurePosixPath(table).name != "metadata.csv":
        columns = {"label": str(facts.get("label_column", "label")), "source": "gensynth_source"}
        others = facts.get("columns", ())
    more: dict[str, dict[str, Any]] = {
        "label": {"kind": ["sc:Text", "cr:Label"], "references": {"field": {"@id": "classes/name"}}},
        "source": {"kind": "sc:Text", "equivalentProperty": "prov:wasGeneratedBy"},
    }
    fields = [
        _field(name, text=FIELD_TEXTS[name], file=table, column=column, **more.get(name, {"kind": "sc:Text"}))
        for name, column in columns.items()
    ]
    fields += [_column(i, table, column) for i, column in enumerate(others)]
    return _record_set(f"{split}-rows", f"Rows of the {split} split.", fields)


def _column(number: int, table: str, column: Mapping[str, Any]) -> dict[str, Any]:
    """A column of the source; its @id is a number, since a name may hold anything."""
    # Missing cells of some tables are spelled out ("NA", "?"), which no reader takes for a number.
    numeric = column.get("kind") == "numeric" and not column.get("missing")
    text, name = f"Column of the source, {column.get('kind', 'of unknown kind')}.", str(column["name"])
    return _field(f"column-{number}", "sc:Float" if numeric else "sc:Text", text, table, name) | {"name": name}


def _ledger_records(file: str) -> dict[str, Any]:
    """Row-level provenance: what each training row is and how it can be made again."""
    fields = [
        _field(name, "sc:Text", text, file, name, equivalentProperty=prov)
        for name, (text, prov) in LEDGER_FIELDS.items()
    ]
    return _record_set("ledger", "Provenance of every training row, in row order.", fields, "row_id")


def _description(splits: Mapping[str, int], classes: tuple[str, ...], facts: Mapping[str, Any]) -> str:
    rows = ", ".join(f"{split} {int(count)}" for split, count in splits.items())
    sentence = str(facts.get("verdict", {}).get("sentence") or "Whether the added rows help was not measured.")
    return (
        f"A labelled data set of {len(classes)} classes whose training split was balanced by gensynth with marked "
        f"synthetic or augmented rows. Rows: {rows}. {sentence}"
    )
