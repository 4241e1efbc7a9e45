"""Croissant 1.1 description of a balanced data set: files with hashes, records, limits, where it came from.

Vocabulary: http://mlcommons.org/croissant/1.1 with its responsible-AI terms (rai:) and W3C PROV-O (prov:).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from gensynth.errors import UsageError

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
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
    "source": "Where the row comes from: real, augmented or synthetic.",
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
    facts    the facts of the data card; `label_column` names the label of a table (default "label")

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
        ],
        **_responsible_ai(facts),
        **_provenance(facts),
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
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "description": "Splits and their rows; only train holds rows that are not real.",
        "key": {"@id": "splits/name"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": "splits/name",
                "name": "name",
                "dataType": "sc:Text",
                "description": "Name of the split.",
            },
            {
                "@type": "cr:Field",
                "@id": "splits/rows",
                "name": "rows",
                "dataType": "sc:Integer",
                "description": "Number of rows.",
            },
        ],
        "data": [{"splits/name": split, "splits/rows": int(rows)} for split, rows in splits.items()],
    }


def _row_records(table: str, splits: Mapping[str, int], facts: Mapping[str, Any]) -> dict[str, Any]:
    split = _split_of(table, splits)
    columns = {"file_name": "file_name", "label": "label", "source": "source"}
    if PurePosixPath(table).name != "metadata.csv":
        columns = {"label": str(facts.get("label_column", "label")), "source": "gensynth_source"}
    return {
        "@type": "cr:RecordSet",
        "@id": f"{split}-rows",
        "name": f"{split}-rows",
        "description": f"Rows of the {split} split.",
        "field": [_field(f"{split}-rows", name, table, column) for name, column in columns.items()],
    }


def _field(record_set: str, name: str, table: str, column: str) -> dict[str, Any]:
    field = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "description": FIELD_TEXTS[name],
        "dataType": "sc:Text",
        "source": {"fileObject": {"@id": table}, "extract": {"column": column}},
    }
    return field | {"references": {"field": {"@id": "classes/name"}}} if name == "label" else field


def _description(splits: Mapping[str, int], classes: tuple[str, ...], facts: Mapping[str, Any]) -> str:
    rows = ", ".join(f"{split} {int(count)}" for split, count in splits.items())
    sentence = str(facts.get("verdict", {}).get("sentence") or "Whether the added rows help was not measured.")
    return (
        f"A labelled data set of {len(classes)} classes whose training split was balanced by gensynth with marked "
        f"synthetic or augmented rows. Rows: {rows}. {sentence}"
    )


def _added(facts: Mapping[str, Any], origin: str) -> dict[str, int]:
    counts = {name: int(counts.get(origin, 0)) for name, counts in facts.get("classes", {}).items()}
    return {name: count for name, count in counts.items() if count}


def _responsible_ai(facts: Mapping[str, Any]) -> dict[str, Any]:
    synthetic, augmented = _added(facts, "synthetic"), _added(facts, "augmented")
    per_class = ", ".join(f"{name} {count}" for name, count in synthetic.items()) or "none"
    return {
        "rai:dataLimitations": (
            "Synthetic rows repeat what a generator learned from the real training rows and are no new observations. "
            "Use them for training only; validation and test are real. Synthetic does not mean anonymous: no "
            "differential privacy was used."
        ),
        "rai:dataBiases": (
            "Class frequencies of the training split are set by request and are not those of the source. Gaps and bias "
            "of the source are carried over, and rare classes show less variety than real rows would."
        ),
        "rai:hasSyntheticData": bool(synthetic),
        "rai:syntheticDataExplanation": (
            f"{sum(synthetic.values())} synthetic and {sum(augmented.values())} augmented training rows, marked in the "
            f"source column and in ledger.csv. Model: {facts.get('model', 'not recorded')}. Synthetic rows per class: "
            f"{per_class}."
        ),
    }


def _provenance(facts: Mapping[str, Any]) -> dict[str, Any]:
    source = {"@type": "prov:Entity", "prov:label": "source data", "sha256": facts.get("source_sha256", "not recorded")}
    generator = {
        "@type": "prov:Entity",
        "prov:label": f"generator {facts.get('model', 'not recorded')}",
        "sha256": facts.get("generator_sha256", "not recorded"),
    }
    software = f"gensynth {facts.get('version', 'of unknown version')}"
    return {
        "prov:wasDerivedFrom": source,
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": f"balanced by {software}, seed {facts.get('seed', 'not recorded')}",
            "prov:used": [source, generator],
            "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "prov:label": software},
        },
    }
