"""The composed configuration of a verb -> a `Job`; wrong values are one sentence with their key."""

from __future__ import annotations

import functools
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from gensynth.cli.overrides import conf_dir, experiment_of, flat_keys, resume_command
from gensynth.data.deidentify import actions_of
from gensynth.errors import UsageError, nearest
from gensynth.provenance.source_card import SourceCard, find_source_card, read_source_card, stricter
from gensynth.steps.component import SAMPLER_PATHS, TARGET, allowed_below, target_of
from gensynth.steps.job import FILE, REMOVED, Job, read_job, recorded
from gensynth.steps.reopen import finished_state
from gensynth.training.settings import CHOICES, LOGGERS

STARTED = time.strftime("%Y%m%d-%H%M%S")
MAY_BE_ZERO = ("patience", "fold")  # whole numbers of a model that switch something off; all others are sizes
MAY_BE_BELOW_ZERO = ("low", "high")  # ends of a range that values are drawn from
# Keys that mean the same in a configuration and in a job.
SAME = {field.name for field in fields(Job) if field.compare} - {"data", "logger", "sampler_choice"}


def job_of(verb: str, config: dict[str, Any], typed: list[str], choices: Mapping[str, str]) -> Job:
    """Everything a run needs; of an unfinished run that is resumed, what it was begun with and what `typed` changes.

    typed    verb and overrides, as they were given
    choices  which file of every configuration group was chosen
    """
    try:
        given = _given(verb, config, typed, choices)
        if not (given.resume and (given.out / FILE).is_file()):
            return given
        begun = read_job(given.out, given, trust=given.trust, **given.call())
        changes = changes_of(given, typed)
        if given.data.name != begun.data.name:  # another source, which is refused where its rows are known
            changes["data"] = given.tree()["data"]
        return begun.with_overrides(changes)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{verb}: {error}") from None


def merge_job(finished: Path, config: dict[str, Any], typed: list[str], choices: Mapping[str, str]) -> Job:
    """The job of a finished run, and what the overrides of a merge change in it."""
    given = _given("merge", config, typed, choices)
    finished_state(finished)
    before = read_job(finished, trust=given.trust, **given.call())
    changes = {key: value for key, value in changes_of(given, typed).items() if key.split(".")[0] != "model"}
    job = before.with_overrides(changes)  # model=NAME names the class of the bundle: nothing is trained
    _check_same_sampler(before, job)
    for group in ("sampler", "fallback"):
        params = getattr(before, group).params
        files = [key for key in SAMPLER_PATHS if params.get(key) not in (None, "", "class", "train")]
        if files and not {group, f"{group}.{files[0]}"} & set(changes):
            chosen = f"sampler={job.sampler_choice or 'NAME'}" if group == "sampler" else "sampler@fallback=NAME"
            raise UsageError(
                f"this run was made with {params[files[0]]}, whose place is not kept; give it to merge again: "
                f"{chosen} {group}.{files[0]}=PATH"
            )
    return job


def _check_same_sampler(before: Job, now: Job) -> None:
    """UsageError unless rows are made as they were: their names, by which a review knows them, would stay the same."""
    was, is_now = (recorded(job.sampler.to_json()) if job.sampler else {} for job in (before, now))
    if was == is_now:
        return
    name = before.sampler_choice or str(was[TARGET]).split(".")[-2]
    differing = [f"sampler={name}"] if was[TARGET] != is_now.get(TARGET) else []
    differing += [f"sampler.{k}={v}" for k, v in was.items() if k != TARGET and is_now.get(k) != v]
    raise UsageError(f"this run was made with other settings; give them to merge as well: {' '.join(differing)}")


def changes_of(given: Job, typed: list[str]) -> dict[str, Any]:
    """{dotted key: value} of every setting that the overrides name, with the value it has in `given`; REMOVED for ~."""
    tree, found = given.tree(), {}
    keys = [key for word in typed if (key := _key_of(word))]
    keys += [key for key in flat_keys(experiment_of(typed)) if key.split(".")[0] in tree]
    for key in keys:
        name = key.lstrip("~")
        if name.split(".")[0] in SAME:
            found[name] = REMOVED if key.startswith("~") else _at(tree, name)
        if name.startswith("data."):
            places = (name, name.replace("data.", "data.reader.", 1))
            found |= {place: value for place in places if (value := _at(tree, place)) is not None}
    return {k: v for k, v in found.items() if v is not None}


def _at(tree: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key; None where there is none."""
    node: Any = tree
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _key_of(word: str) -> str:
    """The dotted key that an override is about, with ~ where it takes it away; empty for other words."""
    word = word.removeprefix("--")
    found = re.match(r"(~?)(?:[\w/]+@)?([\w.-]+)(?:=|$)", word)
    return f"{found[1]}{found[2]}" if found and ("=" in word or found[1]) else ""


def _given(verb: str, config: dict[str, Any], typed: list[str], choices: Mapping[str, str]) -> Job:
    """The job that the overrides of this call alone give."""
    _check_values(verb, config, choices)
    trust = tuple(config.get("trust", ()))
    tree = {key: config[key] for key in SAME if config.get(key) is not None}
    tree |= {"target": amount(tree["target"])} if "target" in tree else {}
    tree |= {"arms": [str(arm) for arm in tree["arms"]]} if "arms" in tree else {}
    tree |= {"logger": _one_of("logger", config["logger"]["name"], LOGGERS)} if "logger" in config else {}
    tree |= {"sampler_choice": choices["sampler"]} if choices.get("sampler") else {}
    if "trainer" in tree:
        _check_trainer(tree["trainer"])
    _check_features(tree.get("features", "own"))
    if "data" in config:
        tree["data"] = _data(config["data"], choices.get("data", ""))
        refuse_inside(config["out"], *(config["data"].get(key) for key in ("path", "test")))
    out = Path(config["out"] or f"runs/{verb}-{STARTED}")
    again = {"resume": bool(config["resume"]), "resume_command": resume_command(typed)}
    job = Job.from_json(tree, verb=verb, trust=trust, out=out, **again)
    if job.evaluate.folds > 1 and verb in ("compare", "evaluate"):
        raise UsageError(f"{verb} takes no evaluate.folds: it scores one split; balance trains one for each fold")
    for one in (job.sampler, job.fallback, *job.samplers.values(), *job.filter.values(), *job.metric.values()):
        if one:
            one.build()  # wrong settings show before anything is read
    for model in (job.model, *job.models.values()):
        if model:
            _ = model.make
    return job


def _data(node: Mapping[str, Any], choice: str) -> dict[str, Any]:
    """The `data` group as a job holds it."""
    if "reader" not in node:  # the verb reads its own paths
        return dict(node)
    reader = dict(node["reader"])
    if "path" in reader and not reader["path"]:
        raise UsageError("DATA is missing: give a name or a path, for example: gensynth balance ./my_images")
    if "image_size" in reader:
        reader["image_size"] = _image_size(reader["image_size"])
    if "deidentify" in reader:
        reader["deidentify"] = actions_of(amount(reader["deidentify"]))
    if "kinds" in reader:
        reader |= {key: amount(reader[key]) for key in ("kinds", "formats")} | {"subject": node["subject"]}
    name = Path(reader["path"]).resolve().name if "path" in reader else choice
    groups = list(dict.fromkeys(node.get("groups") or []))
    facts = {"name": name, "groups": groups, "source_card": _source_card(node).to_json(), "reader": reader}
    return dict(node) | facts | {"long_tail": node["long_tail"] or None}


def _image_size(size: Any) -> list[int] | None:
    sides = [size, size] if isinstance(size, int) else size or []
    if not (isinstance(sides, list) and len(sides) in (0, 2) and all(isinstance(s, int) and s > 0 for s in sides)):
        raise UsageError(f"data.image_size takes N or [height, width] in pixels, got {size!r}")
    return sides or None


def _source_card(node: Mapping[str, Any]) -> SourceCard:
    """What a person says of the source: the file of data.card and the card that lies beside the data; of both, the
    stricter."""
    given = read_source_card(Path(node["card"])) if node.get("card") else None
    found = find_source_card(Path(node["path"])) if node.get("path") else None
    return stricter(given, found) if given and found else given or found or SourceCard()


def refuse_inside(out: str, *sources: str | None) -> None:
    """UsageError where out lies below a source: it would be read as a class the next time."""
    for source in sources:
        if out and source and Path(source).resolve() in Path(out).resolve().parents:
            raise UsageError(f"out={out} lies inside {source} and would be read as data; choose a folder beside it")


def _check_features(features: object) -> None:
    """UsageError for a feature space that is not known, or cannot be had here, before anything is trained."""
    if features not in ("own", "inception"):
        raise UsageError(f"features={features} is not known; own | inception")
    if features == "inception":
        from gensynth.evaluation.fidelity.features import inception_space

        inception_space()


def _one_of(key: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise UsageError(f"{key}={value} is not known; {nearest(str(value), known)}")
    return value


def _check_trainer(node: Mapping[str, Any]) -> None:
    if not (node["max_minutes"] or node["max_samples"]):
        raise UsageError("trainer.max_minutes and trainer.max_samples are both 0: there is no budget to train with")
    for key in ("devices", "accumulate"):
        if node[key] < 1:
            raise UsageError(f"trainer.{key} must be at least 1, got {node[key]}")
    _one_of("trainer.choose", node["choose"], CHOICES)


def amount(value: Any) -> Any:
    """A number, a word or a mapping of class names, the last two as text."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        return json.loads(value)
    return value


def whole_seed(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"seed must be a whole number, got {value!r}")
    return value


def _check_values(verb: str, config: Mapping[str, Any], choices: Mapping[str, str]) -> None:
    """Every number of the packaged configuration must stay a number of its kind, and none is negative.

    The defaults in conf/ are the schema: a new model, sampler or filter declares its keys once, in its own file.
    """
    defaults = {"": conf_dir() / f"{verb}.yaml"}
    for choice, name in choices.items():
        group, _, package = choice.partition("@")
        if name and group in ("model", "trainer", "sampler", "data"):
            defaults[package or group] = conf_dir() / group / f"{name}.yaml"
    for group, path in defaults.items():
        if path.is_file():
            node = functools.reduce(lambda part, key: part.get(key, {}), group.split(".") if group else [], config)
            _compare(node, yaml.safe_load(path.read_text(encoding="utf-8")), group)
    if "vae" in (config.get("model") or {}):
        beside = (conf_dir() / "model" / choices["model"]).with_name("cvae.yaml")
        _compare(config["model"]["vae"], yaml.safe_load(beside.read_text(encoding="utf-8")), "model.vae")
    for name, node in config.get("filter", {}).items():
        path = conf_dir() / "filter" / f"{name}.yaml"
        if path.is_file():
            _compare(node, yaml.safe_load(path.read_text(encoding="utf-8"))[name], f"filter.{name}")


def _compare(given: Mapping[str, Any], default: Mapping[str, Any], where: str) -> None:
    for key, value in default.items():
        name = f"{where}.{key}".lstrip(".")
        if isinstance(value, Mapping) and isinstance(given.get(key), Mapping):
            _compare(given[key], value, name)
        if type(value) not in (int, float) or key not in given or key == "seed":
            continue
        got, kind = given[key], "a whole number" if isinstance(value, int) else "a number"
        number = isinstance(got, int | float) and not isinstance(got, bool) and math.isfinite(got)
        sized = isinstance(value, int) and where.startswith("model") and key not in MAY_BE_ZERO
        lowest = 1 if sized else 0
        below = key not in MAY_BE_BELOW_ZERO and number and got < lowest
        if not number or below or (isinstance(value, int) and got != int(got)):
            raise UsageError(f"{name} must be {kind} of at least {lowest}, got {got!r}")


def model_class(config: Mapping[str, Any]) -> Any:
    """The class of the model that is named for a bundle, model=NAME; None: the one in gensynth/models/."""
    node = config.get("model")
    return target_of(node[TARGET], allowed_below(config["trust"])) if node else None
