"""Words a person types: verbs, DATA, paths with any characters, mappings; turned into Hydra overrides.

Nothing here imports Hydra or torch, so help and most mistakes are answered at once.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gensynth.errors import UsageError, nearest
from gensynth.steps.component import SAMPLER_PATHS


def read_yaml(path: Path) -> Any:
    """A file of the configuration; by libyaml where PyYAML has it, since hints read all of them."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506  (a safe loader)


COMMANDS: dict[str, Any] = read_yaml(Path(__file__).parent / "commands.yaml")
EXPANDED = ("dataset", "before", "after")  # bare words in which ~ is the home folder
SECRET = re.compile(r"key|token|secret|passw|auth", re.IGNORECASE)


def help_page() -> str:
    """What `--help` prints."""
    return (Path(__file__).parent / "help.txt").read_text(encoding="utf-8")


def conf_dir() -> Path:
    """The configuration folder: inside the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "conf", here.parent / "conf"):
        if (folder / "balance.yaml").is_file():
            return folder
    raise UsageError("the configuration folder conf/ is missing from this installation; install gensynth again")


def overrides(verb: str, given: list[str]) -> list[str]:
    """Turn what a person types into Hydra overrides: bare DATA, paths with any characters, mappings."""
    out, rest = [], list(given)
    keys = COMMANDS["positional"].get(verb)
    for key in keys if isinstance(keys, list) else [keys]:
        position = next((i for i, word in enumerate(rest) if _is_bare(verb, word, rest[i - 1] if i else "")), None)
        if position is not None:
            out.extend(_positional(verb, key, rest.pop(position), rest))
    for word in rest:
        is_key = "=" in word and not re.match(r"--(config|cfg|package|hydra|info|experimental)", word)
        out.append(_one(word.removeprefix("--") if is_key else word))
    modality = _modality(out)
    if verb == "compare":
        out = _arms(out, modality)
    return _for_modality(verb, out, modality)


def _arms(given: list[str], modality: str) -> list[str]:
    """The same given, and a sampler for every arm that names a file of conf/sampler, with or without +online."""
    requested: Any = next((_yaml(w.split("=", 1)[1], "arms") for w in reversed(given) if w.startswith("arms=")), [])
    requested = requested or COMMANDS["arms"].get(modality, [])
    requested = requested if isinstance(requested, list) else [requested]
    names = [COMMANDS["other_names"].get(name, name) for name in requested]
    kept = [w for w in given if not w.startswith("arms=")]
    if not names:
        return kept
    known = {p.stem for folder in [conf_dir(), *map(Path, _config_dirs(given))] for p in (folder / "sampler").glob("*")}
    plain = dict.fromkeys(name.removesuffix("+online") for name in names)
    files = [name for name in plain if name in known and name != "generator"]
    quoted_names = ",".join(quoted(name) for name in names)
    return [*(f"+sampler@samplers.{name}={name}" for name in files), *kept, f"arms=[{quoted_names}]"]


def _modality(given: list[str]) -> str:
    """What kind of rows the given choose: what the file in conf/data says, images where it says nothing."""
    name = next((w.split("=", 1)[1] for w in reversed(given) if w.startswith("data=")), "")
    for folder in (conf_dir() / "data", *(Path(d) / "data" for d in _config_dirs(given))):
        if name and (folder / f"{name}.yaml").is_file():
            facts = read_yaml(folder / f"{name}.yaml") or {}
            return str(facts.get("modality", "image"))
    return "image"


def _for_modality(verb: str, given: list[str], modality: str) -> list[str]:
    """The same overrides with what rows of this kind need of the other groups; for tables the model's own file."""
    primary = (conf_dir() / f"{verb}.yaml").read_text(encoding="utf-8")
    typed = {word.split("=", 1)[0].lstrip("~+") for word in given}
    choices = COMMANDS["choices"].get(modality, COMMANDS["other_choices"])
    added = [
        f"{group}={choice}" for group, choice in choices.items() if f"- {group}:" in primary and group not in typed
    ]
    if "model@models.cvae" not in choices:
        return [*added, *given]
    if "- model:" in primary and "model" not in typed:
        added.append("model=cvae")
    return [_table_model(word) for word in [*added, *given]]


def _table_model(word: str) -> str:
    """model=NAME as model=table/NAME, each of a sweep's names, where there is such a file."""
    key, _, value = word.partition("=")
    if key != "model":
        return word
    known = {path.stem for path in (conf_dir() / "model/table").glob("*.yaml")}
    return f"model={','.join(f'table/{n}' if n in known else n for n in value.split(','))}"


def _is_bare(verb: str, word: str, before: str) -> bool:
    if word.startswith("-") or before in COMMANDS["flags_with_value"]:
        return False
    if verb == "forget":  # a row's name may hold any sign, and need not lie anywhere
        return "=" not in word or word.split("=", 1)[0] not in known_keys(verb)
    return "=" not in word or (os.path.lexists(word) and word.split("=", 1)[0] not in known_keys())


def _positional(verb: str, key: str | None, word: str, rest: list[str]) -> list[str]:
    if key is None:
        raise UsageError(f'{verb} takes key=value words only, got "{word}"')
    if key != "data":
        return [f"{key}={quoted(_expanded(word) if key in EXPANDED else word)}"]
    folders = [conf_dir() / "data", *(Path(d) / "data" for d in _config_dirs(rest))]
    names = {p.stem for folder in folders for p in folder.glob("*.yaml")} - {"auto", *COMMANDS["choices"]}
    if word in names:
        return [f"data={word}"]
    path = _expanded(word)
    if not os.path.lexists(path):
        beside = [p.name for p in Path(path).parent.glob("*")] if Path(path).parent.is_dir() else []
        raise UsageError(
            f'DATA "{word}" is neither a known name nor a path; {nearest(Path(path).name, [*names, *beside])}'
        )
    return [f"data={_kind_of(Path(path), rest)}", f"data.path={quoted(path)}"]


def _kind_of(path: Path, given: list[str]) -> str:
    """The file in conf/data that reads a path: texts where their column is named, else by what lies there."""
    from gensynth.data.table_names import is_table

    if any(word.startswith("data.text=") for word in given) or experiment_of(given).get("data", {}).get("text"):
        return "text"
    if is_table(path):
        return "table"
    return "audio" if path.is_dir() and _holds_sounds(path) else "auto"


def experiment_of(given: list[str]) -> dict[str, Any]:
    """The settings of the experiment that the given name; empty without one."""
    name = next((word.split("=", 1)[1] for word in given if word.startswith("experiment=")), "")
    for folder in (conf_dir(), *map(Path, _config_dirs(given))):
        if name and (folder / "experiment" / f"{name}.yaml").is_file():
            return read_yaml(folder / "experiment" / f"{name}.yaml") or {}
    return {}


def _holds_sounds(folder: Path) -> bool:
    """Whether more recordings than images lie below a folder."""
    from gensynth.data.suffixes import IMAGES, SOUNDS

    counts = {IMAGES: 0, SOUNDS: 0}
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for kind in counts:
            counts[kind] += sum(name.lower().endswith(kind) and not name.startswith(".") for name in names)
    return counts[SOUNDS] > counts[IMAGES]


def _config_dirs(given: list[str]) -> list[str]:
    pairs = [b for a, b in zip(given, given[1:], strict=False) if a in ("--config-dir", "-cd")]
    return pairs + [w.split("=", 1)[1] for w in given if w.startswith("--config-dir=")]


def _one(word: str) -> str:
    key, equals, value = word.partition("=")
    if not equals or key.startswith("-"):
        return word
    if SECRET.search(key):
        raise UsageError(f"{key}: secrets are never configuration keys; use the environment (WANDB_API_KEY)")
    if key == "given":
        raise UsageError(
            "given= is not part of this version: rows are drawn for a class, not for other columns; "
            "draw more with counts= and keep the ones that fit"
        )
    if key.startswith("+"):
        raise UsageError(f'there is no key to add: "{key}"; {nearest(key.lstrip("+"), known_keys())}')
    if key in COMMANDS["path_keys"]:
        if value.startswith("[") and key == "synthetic":
            return f"{key}=[{','.join(quoted(v) for v in _yaml(value, key))}]"
        return f"{key}={quoted(_expanded(value))}"
    if key.startswith("sampler") and key.rsplit(".", 1)[-1] in SAMPLER_PATHS:
        return f"{key}={quoted(_expanded(value))}"
    if key in COMMANDS["text_keys"]:
        return f"{key}={quoted(value)}"
    if key in COMMANDS["mapping_keys"] and value.lstrip().startswith(("{", "[") if key == "data.deidentify" else "{"):
        return f"{key}={quoted(json.dumps(_yaml(value, key), ensure_ascii=False))}"
    return word


def _expanded(path: str) -> str:
    """~ is the home folder, unless something of that very name lies here."""
    return path if os.path.lexists(path) else os.path.expanduser(path)


def _yaml(text: str, key: str) -> Any:
    """YAML with every scalar as text, so that 007, 3 and "3" stay what was typed."""
    try:
        return yaml.load(text, yaml.BaseLoader)  # noqa: S506  (the loader that builds text only)
    except yaml.YAMLError as error:
        raise UsageError(f"{key}: cannot be read as a mapping or list: {text}") from error


def quoted(text: str) -> str:
    """A Hydra string literal, whatever the text holds."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    escaped = re.sub(r"(\\*)\$\{", lambda m: m.group(1) * 2 + "\\${", text)
    escaped = re.sub(r"(\\*)(?='|$)", lambda m: m.group(1) * 2, escaped).replace("'", "\\'")
    return f"'{escaped}'"


def flags_first(given: list[str]) -> tuple[list[str], list[str]]:
    """Hydra's parser takes one run of key=value words only: flags and their values go in front."""
    flags: list[str] = []
    keys: list[str] = []
    for word, before in zip(given, ["", *given], strict=False):
        (flags if word.startswith("-") or before in COMMANDS["flags_with_value"] else keys).append(word)
    return flags, keys


def known_keys(verb: str = "") -> set[str]:
    """Every key and group of a verb (of all verbs without one), for hints."""
    keys: set[str] = set()
    primary = conf_dir() / f"{verb}.yaml"
    groups = set(re.findall(r"^  - (\w+)", primary.read_text(encoding="utf-8"), re.MULTILINE)) if verb else set()
    for path in conf_dir().rglob("*.yaml"):
        inside = path.relative_to(conf_dir()).parent.as_posix()
        if verb and path != primary and inside not in groups:
            continue
        prefix = "" if inside in (".", "experiment") else f"{inside}."
        keys |= {inside} - {"."}
        keys |= {f"{prefix}{key}" for key in flat_keys(read_yaml(path) or {})}
    return keys


def flat_keys(node: Mapping, prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for key, value in node.items():
        if key == "defaults" or str(key).startswith("_"):
            continue
        keys.add(f"{prefix}{key}")
        if isinstance(value, Mapping):
            keys |= flat_keys(value, f"{prefix}{key}.")
    return keys


def _other_kind(verb: str, key: str) -> str:
    """A sentence where a key of data is one of other kinds of data; else empty."""
    inner = key.removeprefix("data.")
    files = {name: conf_dir() / "data" / f"{name}.yaml" for name in COMMANDS["kinds_of_data"] if inner != key}
    kinds = [COMMANDS["kinds_of_data"][name] for name, path in files.items() if inner in flat_keys(read_yaml(path))]
    return f"{verb}: {key} is for {' and '.join(kinds)}, and these data are none" if kinds else ""


def explain(verb: str, error: Exception) -> str:
    """One line out of Hydra's several: what was not understood, and the nearest valid word."""
    text = str(error)
    if match := re.search(r"Could not find '([\w/@]+)/([^']*)'", text):
        group, name = match.groups()
        folder = conf_dir() / group.split("@")[0]
        return f"{group}={name} is not known; {nearest(name, [p.stem for p in folder.glob('*.yaml')])}"
    for pattern in (
        r"Could not override '([^']+)'",
        r"Key '([^']+)' is not in struct",
        r"Could not delete from config. '([^']+)'",
    ):
        if match := re.search(pattern, text):
            full = re.search(r"full_key: (\S+)", text)
            key = full.group(1) if full and pattern.startswith("Key") else match.group(1)
            return _other_kind(verb, key) or f'{verb}: unknown key "{key}"; {nearest(key, known_keys(verb))}'
    first = text.splitlines()[0] if text else type(error).__name__
    return f"{verb}: cannot understand the words given: {first}"


def resume_command(given: list[str]) -> str:
    """The command line that continues the run of these overrides."""
    return shlex.join(["gensynth", *(w for w in given if not w.startswith("resume=")), "resume=true"])
