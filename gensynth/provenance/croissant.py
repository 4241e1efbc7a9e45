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

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "annotation": "cr:annotation",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
ENCODINGS = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".md": "text/markdown",
    ".parquet": "application/x-parquet",
    ".txt": "text/plain",
    ".tsv": "text/tab-separated-values",
}
MEDIA = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
FIELD_TEXTS = {
    "file_name": "Path of the file, relative to the folder of its metadata.csv.",
    "label": "Class of the row; the truth, where a folder name differs.",
    "source": "How the row came about: real (of the source), augmented (a real row altered) or synthetic (generated).",
}
SPLIT_TERMS = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}
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
    tables = [file["name"] for file in files if _split_of(file["name"], splits)]
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
            *(_row_records(table, splits, facts) for table in tables),
            *([_ledger_records()] if any(file["name"] == "ledger.csv" for file in files) else []),
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


def _split_of(name: str, splits: Mapping[str, int]) -> str | None:
    """The split whose rows a file lists (train/metadata.csv, train.csv), if it lists any."""
    path = PurePosixPath(name)
    if path.name == "metadata.csv" and len(path.parts) == 2 and path.parts[0] in splits:
        return path.parts[0]
    is_table = len(path.parts) == 1 and path.suffix in (".csv", ".tsv", ".parquet")
    return path.stem if is_table and path.stem in splits else None


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


def _class_records(classes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "dataType": "sc:Enumeration",
        "description": "The classes in index order.",
        "key": {"@id": "classes/name"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": "classes/name",
                "name": "name",
                "dataType": "sc:Text",
                "description": "Class name.",
            }
        ],
        "data": [{"classes/name": label} for label in classes],
    }


def _split_records(splits: Mapping[str, int]) -> dict[str, Any]:
    fields = {
        "name": ("sc:Text", "Name of the split."),
        "url": ("sc:URL", "What the split is for."),
        "rows": ("sc:Integer", "Number of rows."),
    }
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "description": "Splits and their rows; only train holds rows that are not real.",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": f"splits/{name}", "name": name, "dataType": kind, "description": text}
            for name, (kind, text) in fields.items()
        ],
        "data": [
            {"splits/name": split, "splits/url": SPLIT_TERMS.get(split, ""), "splits/rows": int(rows)}
            for split, rows in splits.items()
        ],
    }


def _row_records(table: str, splits: Mapping[str, int], facts: Mapping[str, Any]) -> dict[str, Any]:
    split = _split_of(table, splits)
    columns = {"file_name": "file_name", "label": "label", "source": "source"}
    others: Sequence[Mapping[str, Any]] = ()
    if PurePosixPath(table).name != "metadata.csv":
        columns = {"label": str(facts.get("label_column", "label")), "source": "gensynth_source"}
        others = facts.get("columns", ())
    return {
        "@type": "cr:RecordSet",
        "@id": f"{split}-rows",
        "name": f"{split}-rows",
        "description": f"Rows of the {split} split.",
        "field": [
            *(_field(f"{split}-rows", name, table, column) for name, column in columns.items()),
            *(_column(f"{split}-rows", i, table, column) for i, column in enumerate(others)),
        ],
    }


def _field(record_set: str, name: str, table: str, column: str) -> dict[str, Any]:
    kinds = {"label": ["sc:Text", "cr:Label"]}
    field = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "description": FIELD_TEXTS[name],
        "dataType": kinds.get(name, "sc:Text"),
        "source": {"fileObject": {"@id": table}, "extract": {"column": column}},
    }
    if name == "label":
        field["references"] = {"field": {"@id": "classes/name"}}
    return field | ({"equivalentProperty": "prov:wasGeneratedBy"} if name == "source" else {})


def _column(record_set: str, number: int, table: str, column: Mapping[str, Any]) -> dict[str, Any]:
    """A column of the source; its @id is a number, since a name may hold anything."""
    # Missing cells of some tables are spelled out ("NA", "?"), which no reader takes for a number.
    numeric = column.get("kind") == "numeric" and not column.get("missing")
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/column-{number}",
        "name": str(column["name"]),
        "description": f"Column of the source, {column.get('kind', 'of unknown kind')}.",
        "dataType": "sc:Float" if numeric else "sc:Text",
        "source": {"fileObject": {"@id": table}, "extract": {"column": str(column["name"])}},
    }


def _ledger_records() -> dict[str, Any]:
    """Row-level provenance: what each training row is and how it can be made again."""
    return {
        "@type": "cr:RecordSet",
        "@id": "ledger",
        "name": "ledger",
        "description": "Provenance of every training row, in row order.",
        "key": {"@id": "ledger/row_id"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"ledger/{name}",
                "name": name,
                "description": text,
                "dataType": "sc:Text",
                "source": {"fileObject": {"@id": "ledger.csv"}, "extract": {"column": name}},
            }
            | ({"equivalentProperty": prov} if prov else {})
            for name, (text, prov) in LEDGER_FIELDS.items()
        ],
    }


def _description(splits: Mapping[str, int], classes: tuple[str, ...], facts: Mapping[str, Any]) -> str:
    rows = ", ".join(f"{split} {int(count)}" for split, count in splits.items())
    sentence = str(facts.get("verdict", {}).get("sentence") or "Whether the added rows help was not measured.")
    return (
        f"A labelled data set of {len(classes)} classes whose training split was balanced by gensynth with marked "
        f"synthetic or augmented rows. Rows: {rows}. {sentence}"
    )
