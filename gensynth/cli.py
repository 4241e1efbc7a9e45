"""Words on the command line -> Hydra -> plain objects -> pipeline. The only file that knows Hydra.

`--help`, an unknown verb and most typos are answered before torch is imported.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib
import json
import math
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gensynth.errors import GensynthError, Interrupted, UsageError, nearest
from gensynth.rundir import is_finished
from gensynth.words import HELP, LATER, SAMPLER_PATHS, VERBS, conf_dir, explain, flags_first, overrides, quoted

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from gensynth.job import Job

IN_PLACE = ("merge", "verify", "forget")  # verbs without a folder of their own where out is left out
MAY_BE_ZERO = ("patience", "fold")  # whole numbers of a model that switch something off; all others are sizes
MAY_BE_BELOW_ZERO = ("low", "high")  # ends of a range that values are drawn from
ANEW = {"filter": "; filter=[NAMES] names others", "fallback": "; sampler@fallback=NAME names another"}  # for merge
LISTS_OF_NAMES = ("data.groups", "data.ignore", "data.columns", "data.allow", "trust")
TRUSTED = ("gensynth.", "torch.", "lightning.", "torchmetrics.", "kornia.", "imblearn.", "sklearn.")
QUIET = (
    "hydra.run.dir=.",
    "hydra.sweep.subdir=.",
    "hydra.output_subdir=null",
    "hydra/job_logging=disabled",
    "hydra/hydra_logging=disabled",
)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if not words or "--help" in words or "-h" in words or words[0] == "help":
        print(HELP)
        return 0 if words else 2
    if words[0] == "--version":
        from gensynth import __version__

        print(__version__)
        return 0
    try:
        return _dispatch(words[0], words[1:])
    except BaseException as error:  # every way out of the program is decided here
        return report_error(error, words)


def report_error(error: BaseException, words: list[str]) -> int:
    """One clear line on stderr and the exit code; a traceback only for faults of the program itself."""
    if isinstance(error, KeyboardInterrupt):
        error = Interrupted("stopped by SIGINT", 2)
    if isinstance(error, GensynthError | Interrupted):
        print(f"gensynth: {error}", file=sys.stderr)
        if isinstance(error, Interrupted):
            print(f"continue with: {_resume_command(words)}", file=sys.stderr)
        return error.exit_code
    if lacking := _lacking(error):
        print(f"gensynth: out of {lacking}; free some and continue with: {_resume_command(words)}", file=sys.stderr)
        return 5
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 0 if error.code is None else 2
    if not isinstance(error, Exception):
        raise error
    traceback.print_exception(error)
    print("gensynth: internal error; please report the lines above", file=sys.stderr)
    return 1


def _lacking(error: BaseException) -> str:
    """Which resource ran out, if that is what the error says."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "disk space"
    torch_says = isinstance(error, RuntimeError) and re.search("out of memory|can't allocate memory", str(error))
    return "memory" if isinstance(error, MemoryError) or torch_says else ""


def _resume_command(words: list[str]) -> str:
    kept = [w for w in words if not w.startswith("resume=")]
    return shlex.join(["gensynth", *kept, "resume=true"])


def _dispatch(verb: str, words: list[str]) -> int:
    if verb in LATER:
        raise UsageError(f'the verb "{verb}" is planned and not part of this version')
    if verb not in VERBS:
        raise UsageError(f'unknown verb "{verb}"; {nearest(verb, VERBS)}')
    if verb == "doctor":
        from gensynth.doctor import doctor

        return doctor()
    if verb in ("dashboard", "review"):
        from gensynth.signals import SIGNALS

        serve = getattr(importlib.import_module(f"gensynth.{verb}"), verb)
        SIGNALS.install()
        with contextlib.suppress(Interrupted):  # the usual way to end it
            serve(words)
        return 0
    return run_hydra(verb, overrides(verb, words), [verb, *words])


def run_hydra(verb: str, words: list[str], typed: list[str]) -> int:
    """Compose the configuration of a verb and run it; several times with -m."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    codes: list[int] = []

    def task(config: DictConfig) -> None:
        codes.append(_run_task(verb, config, typed))

    os.environ["HYDRA_FULL_ERROR"] = "1"  # raise here instead of printing and leaving
    sweep = tempfile.mkdtemp(prefix="gensynth-sweep-")  # Hydra writes multirun.yaml, with absolute paths, somewhere
    flags, keys = flags_first(words)
    before, sys.argv = sys.argv, ["gensynth", *flags, *keys, *QUIET, f"hydra.sweep.dir={quoted(sweep)}"]
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=verb)(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(verb, error)) from None
    finally:
        sys.argv = before
        shutil.rmtree(sweep, ignore_errors=True)
    return max(codes, default=0)


def compose(verb: str, words: list[str]) -> Job:
    """The Job that a command line would run, for scripts and notebooks: compose("train", ["digits", "model=cgan"])."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="gensynth"):
            config = hydra.compose(verb, overrides(verb, words), return_hydra_config=True)
        plain = OmegaConf.to_container(config, resolve=False)
        plain.pop("hydra")
        plain = OmegaConf.to_container(_with_lists(OmegaConf.create(plain)), resolve=True)
        return _job(verb, plain, [verb, *words], config.hydra.runtime.choices)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(verb, error)) from None


def _run_task(verb: str, config: DictConfig, typed: list[str]) -> int:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from gensynth.signals import SIGNALS

    SIGNALS.install()
    try:
        plain = OmegaConf.to_container(_with_lists(config), resolve=True, throw_on_missing=True)
        base = str(plain["out"]) or ("" if verb in IN_PLACE else f"runs/{verb}-{_STARTED}")
        typed = [w for w in typed if not w.startswith("out=")] + ([f"out={base}"] if base else [])
        plain["out"] = _out_of_sweep(base)
        if plain["out"] != base and plain["resume"] and is_finished(Path(plain["out"])):
            return 0
        return ACTIONS[verb](plain, typed) or 0
    except Interrupted as error:  # leaves a sweep as a whole
        raise SystemExit(report_error(error, typed)) from None
    except OmegaConfBaseException as error:
        return report_error(UsageError(explain(verb, error)), typed)
    except Exception as error:
        return report_error(error, typed)


def _with_lists(config: DictConfig) -> DictConfig:
    """The same keys, changed in place: one name where a list of names belongs is a list of it, and names are text."""
    from omegaconf import ListConfig, OmegaConf

    for key in LISTS_OF_NAMES:
        value = OmegaConf.select(config, key)
        if value is not None:
            names = value if isinstance(value, ListConfig) else [value] if value != "" else []
            OmegaConf.update(config, key, [str(name) for name in names])
    return config


def _out_of_sweep(out: str) -> str:
    """Every job of a sweep gets its own sub-folder, numbered from 0."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    facts = HydraConfig.get()
    if facts.mode == RunMode.MULTIRUN:
        return str(Path(out) / str(facts.job.num))
    return out


_STARTED = time.strftime("%Y%m%d-%H%M%S")


# ---- configuration -> objects ---------------------------------------------------------------------


def target_of(node: Mapping, trust: list[str]) -> Any:
    """The class or function a `_target_` names; only below trusted packages, functions only from gensynth."""
    name = str(node["_target_"])
    allowed = (*TRUSTED, *(f"{package}." for package in trust))
    if not name.startswith(allowed):
        raise UsageError(
            f"_target_ {name} is not below {', '.join(p.rstrip('.') for p in allowed)}; use trust=[PACKAGE]"
        )
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"_target_ {name} cannot be imported ({error})") from None
    own = name.startswith(("gensynth.", *(f"{package}." for package in trust)))
    if not (isinstance(found, type) or (own and callable(found))):
        raise UsageError(f"_target_ {name} is not a class")
    return found


def _params(node: Mapping) -> dict:
    """All keys but `_target_`, at every level."""
    return {k: _params(v) if isinstance(v, Mapping) else v for k, v in node.items() if k != "_target_"}


def _make(node: Mapping, trust: list[str], what: str) -> Any:
    """Build the object of a config node and those inside it; a wrong key is a sentence."""
    made = target_of(node, trust)
    params = {k: v for k, v in node.items() if k != "_target_"}
    for key, value in params.items():
        if isinstance(value, Mapping) and "_target_" in value:
            params[key] = _make(value, trust, f"{what}.{key}")
    try:
        return made(**params)
    except TypeError as error:
        raise UsageError(f"{what}: {error}") from None


def _data_settings(config: dict, choice: str) -> Any:
    from functools import partial

    from gensynth.job import DataSettings

    node = config["data"]
    reader = _params(node["reader"])
    if "path" in reader and not reader["path"]:
        raise UsageError("DATA is missing: give a name or a path, for example: gensynth balance ./my_images")
    if "image_size" in reader:
        size = reader["image_size"]
        sides = [size, size] if isinstance(size, int) else size or []
        if not (isinstance(sides, list) and len(sides) in (0, 2) and all(isinstance(s, int) and s > 0 for s in sides)):
            raise UsageError(f"data.image_size takes N or [height, width] in pixels, got {size!r}")
        reader["image_size"] = tuple(sides) or None
    if "deidentify" in reader:
        from gensynth.data.deidentify import actions_of

        reader["deidentify"] = actions_of(_amount(reader["deidentify"]))
    if "kinds" in reader:
        reader["kinds"] = _amount(reader["kinds"])
        reader["subject"] = node["subject"]
    name = Path(reader["path"]).resolve().name if "path" in reader else choice
    tail, split = node["long_tail"], node["split"]
    if tail and not (isinstance(tail, list) and len(tail) == 2 and all(isinstance(n, int) and n > 0 for n in tail)):
        raise UsageError(f"data.long_tail takes two whole numbers, [first, last], got {tail!r}")
    if not (isinstance(split, list) and len(split) == 3 and all(isinstance(part, int | float) for part in split)):
        raise UsageError(f"data.split takes three numbers, [train, val, test], got {split!r}")
    _refuse_inside(config["out"], reader.get("path"), reader.get("test"))
    read = partial(target_of(node["reader"], config["trust"]), **reader)
    return DataSettings(
        name,
        read,
        tuple(split),
        (tail[0], tail[1]) if tail else None,
        node["subject"],
        groups=tuple(dict.fromkeys(node.get("groups") or [])),
        card=_source_card(node),
        allow_synthetic=bool(node.get("allow_synthetic", False)),
    )


def _source_card(node: Mapping) -> Any:
    """What a person says of the source: the file of data.card and the card that lies beside the data; of both, the
    stricter."""
    from gensynth.provenance.source_card import SourceCard, find_source_card, read_source_card, stricter

    given = read_source_card(Path(node["card"])) if node.get("card") else None
    found = find_source_card(Path(node["path"])) if node.get("path") else None
    return stricter(given, found) if given and found else given or found or SourceCard()


def _refuse_inside(out: str, *sources: str | None) -> None:
    """UsageError where out lies below a source: it would be read as a class the next time."""
    for source in sources:
        if out and source and Path(source).resolve() in Path(out).resolve().parents:
            raise UsageError(f"out={out} lies inside {source} and would be read as data; choose a folder beside it")


def _record(config: dict) -> dict:
    """The resolved configuration without paths of this machine."""
    kept = {
        k: v for k, v in config.items() if k not in ("out", "resume", "run", "real", "test", "synthetic", "generator")
    }
    for group in ("sampler", "fallback", "samplers"):
        if group in kept:
            kept[group] = _without_folders(kept[group])
    if "data" in kept:
        data = dict(kept["data"])
        for key in ("path", "test", "card"):
            if data.get(key):
                data[key] = Path(data[key]).name
        data["reader"] = {"_target_": data["reader"]["_target_"]} if "reader" in data else {}
        kept["data"] = data
    return kept


def _without_folders(node: Mapping) -> dict:
    """The same settings; of files and folders that samplers read only their names."""
    kept = {k: _without_folders(v) if isinstance(v, Mapping) else v for k, v in node.items()}
    return kept | {k: Path(kept[k]).name for k in SAMPLER_PATHS if kept.get(k)}


def _job(verb: str, config: dict, typed: list[str], choices: Mapping | None = None) -> Job:
    """Everything a run needs, built from the composed configuration; wrong values are a sentence."""
    try:
        return _build_job(verb, config, typed, choices)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{verb}: {error}") from None


def _build_job(verb: str, config: dict, typed: list[str], choices: Mapping | None) -> Job:
    from gensynth.job import DataSettings, Job, ModelSettings
    from gensynth.samplers.generator import GeneratorSampler
    from gensynth.samplers.image_transforms import ImageTransforms
    from gensynth.training.fit import TrainerSettings
    from gensynth.training.loggers import NAMES

    trust = config.get("trust", [])
    logger = config["logger"]["name"] if "logger" in config else "none"
    if logger not in NAMES:
        raise UsageError(f"logger={logger} is not known; {nearest(logger, NAMES)}")
    chosen = choices or _choices()
    _check_values(verb, config, chosen)
    utility = {"run": True, "seeds": 5, "steps": 0} | config.get("utility", {})
    if utility["seeds"] < 3:
        raise UsageError(f"utility.seeds must be at least 3, got {utility['seeds']}")
    fallback = config.get("fallback")
    return Job(
        verb=verb,
        data=_data_settings(config, chosen["data"])
        if "reader" in config.get("data", {})
        else DataSettings(
            "", _no_reader, tuple(config["data"]["split"]) if "data" in config else (0.7, 0.1, 0.2), None, ""
        ),
        model=_model_settings(config["model"], trust) if "model" in config else ModelSettings("", None, {}),
        trainer=_trainer_settings(config["trainer"])
        if "trainer" in config
        else TrainerSettings(0, 1, 1, 1, "cpu", 1, "32-true", 1, "last"),
        logger=logger,
        sampler=_make(config["sampler"], trust, "sampler") if "sampler" in config else GeneratorSampler(),
        fallback=_make(fallback, trust, "fallback") if fallback else ImageTransforms(10.0, 0.12, 0.1, False),
        filters=[_make(node, trust, name) for name, node in config.get("filter", {}).items()],
        export_original=bool(config.get("export", {}).get("original", False)),
        utility_run=bool(utility["run"]),
        utility_seeds=utility["seeds"],
        utility_steps=utility["steps"],
        inception=_inception(config.get("features", "own")),
        target=_amount(config.get("target", "max")),
        symmetric=bool(config.get("symmetric", False)),
        seed=_seed(config.get("seed", 0)),
        out=Path(config["out"] or f"runs/{verb}-{_STARTED}"),
        strict=bool(config.get("strict", False)),
        resume=bool(config["resume"]),
        resume_command=_resume_command(typed),
        trust=_trust_settings(config),
        config=_record(config) | ({"sampler_choice": chosen["sampler"]} if chosen.get("sampler") else {}),
    )


def _model_settings(node: Mapping, trust: list[str]) -> Any:
    from gensynth.job import ModelSettings

    make = target_of(node, trust)
    own = make.__module__.startswith("gensynth.models.")
    name = make.__module__.rsplit(".", 1)[-1] if own else make.__name__.lower()
    return ModelSettings(name, make, _params(node))


def _inception(features: object) -> bool:
    """Whether `features` asks for the literature's feature space beside the project's own ones."""
    if features not in ("own", "inception"):
        raise UsageError(f"features={features} is not known; own | inception")
    if features == "inception":
        from gensynth.evaluation.features import inception_space

        inception_space()  # refused before anything is trained
    return features == "inception"


def _check_values(verb: str, config: dict, choices: Mapping) -> None:
    """Every number of the packaged configuration must stay a number of its kind, and none is negative."""
    defaults = {"": conf_dir() / f"{verb}.yaml"}
    for choice, name in choices.items():
        group, _, package = choice.partition("@")
        if name and group in ("model", "trainer", "sampler", "data"):
            defaults[package or group] = conf_dir() / group / f"{name}.yaml"
    for group, path in defaults.items():
        if path.is_file():
            node = functools.reduce(lambda part, key: part.get(key, {}), group.split(".") if group else [], config)
            _compare(node, yaml.safe_load(path.read_text(encoding="utf-8")), group)
    if "model" in config and "vae" in config["model"]:
        beside = (conf_dir() / "model" / choices["model"]).with_name("cvae.yaml")
        _compare(config["model"]["vae"], yaml.safe_load(beside.read_text(encoding="utf-8")), "model.vae")
    for name, node in config.get("filter", {}).items():
        path = conf_dir() / "filter" / f"{name}.yaml"
        if path.is_file():
            _compare(node, yaml.safe_load(path.read_text(encoding="utf-8"))[name], f"filter.{name}")


def _compare(given: Mapping, default: Mapping, where: str) -> None:
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


def _trainer_settings(node: Mapping) -> Any:
    from gensynth.training.fit import CHOICES, TrainerSettings

    if not (node["max_minutes"] or node["max_samples"]):
        raise UsageError("trainer.max_minutes and trainer.max_samples are both 0: there is no budget to train with")
    for key in ("devices", "accumulate"):
        if node[key] < 1:
            raise UsageError(f"trainer.{key} must be at least 1, got {node[key]}")
    if node["choose"] not in CHOICES:
        raise UsageError(f"trainer.choose={node['choose']} is not known; {nearest(str(node['choose']), CHOICES)}")
    return TrainerSettings(**node)


def _trust_settings(config: Mapping) -> Any:
    from gensynth.job import TrustSettings

    bias, privacy, review = (config.get(key, {}) for key in ("bias", "privacy", "review"))
    shadows = privacy.get("shadows", 0)
    if shadows and (shadows < 4 or shadows % 2):
        raise UsageError(f"privacy.shadows must be 0 or an even number of at least 4, got {shadows}")
    return TrustSettings(
        max_drop=bias.get("max_drop", TrustSettings.max_drop),
        max_recall_drop=bias.get("max_recall_drop", TrustSettings.max_recall_drop),
        favourable=str(bias.get("favourable", "")),
        accept_bias=bool(bias.get("accept", False)),
        least_reviewed=review.get("min", 0),
        shadows=shadows,
    )


def _choices() -> Mapping:
    """Which file of every configuration group was chosen, group -> name."""
    from hydra.core.hydra_config import HydraConfig

    return HydraConfig.get().runtime.choices


def _no_reader() -> Any:
    raise AssertionError("this verb reads its own paths")


def _seed(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"seed must be a whole number, got {value!r}")
    return value


def _amount(value: Any) -> Any:
    """A number, a word or a mapping of class names, the last two as text."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        return json.loads(value)
    return value


def _explore(config: dict, typed: list[str]) -> None:
    from gensynth import pipeline

    job = _job("explore", config, typed)
    pipeline.explore(job)
    print(job.out / "explore.json")


def _train(config: dict, typed: list[str]) -> None:
    from gensynth import pipeline

    print(pipeline.train(_job("train", config, typed)))


def _balance(config: dict, typed: list[str]) -> None:
    from gensynth import pipeline

    job = _job(typed[0], config, typed)
    _tell(pipeline.balance(job), job.out)


def _merge(config: dict, typed: list[str]) -> None:
    from gensynth import pipeline

    if not config["run"]:
        raise UsageError("merge needs the folder of a finished run: gensynth merge RUN")
    config["out"] = config["out"] or config["run"]
    _as_in_the_run(config, Path(config["run"]), typed)
    job = _job("merge", config, typed)
    _tell(pipeline.merge(job, Path(config["run"])), job.out)


def _as_in_the_run(config: dict, run: Path, typed: list[str]) -> None:
    """Sampler, fallback, filters and limits of bias of the finished run, where the words do not say otherwise.

    What a person accepts holds for one merge and is not among them.
    filter=[near_copy] replaces what the run had, filter.near_copy.ratio=0.6 changes one key of it.
    """
    path = run / "run" / "config.json"
    if not path.is_file():
        return
    saved = {"filter": {}} | json.loads(path.read_text(encoding="utf-8"))  # a run without filters names none
    config.setdefault("filter", {})
    said = [*_words_on("bias", typed), ["accept"]]
    config["bias"] |= {key: value for key, value in saved.get("bias", {}).items() if [key] not in said}
    for group in ("sampler", "fallback", "filter", "export"):
        changes = _words_on(group, typed)
        if group in saved and [] not in changes:
            if isinstance(saved[group], dict):
                _refuse_foreign(saved[group], config["trust"])
            given, config[group] = config.get(group) or {}, saved[group]
            for keys in changes:
                config[group] = _changed(config[group], given, keys, group)
            if files := [key for key in SAMPLER_PATHS if isinstance(saved[group], dict) and saved[group].get(key)]:
                words = f"{group}.{files[0]}=PATH"
                name = saved.get("sampler_choice", "NAME") if group == "sampler" else "NAME"
                raise UsageError(
                    f"this run was made with {saved[group][files[0]]}, whose place is not kept; give it to merge "
                    f"again: {'sampler=' if group == 'sampler' else 'sampler@fallback='}{name} {words}"
                )


def _words_on(group: str, typed: list[str]) -> list[list[str]]:
    """The keys of a group that words change or take away (~); [] where a word chooses the whole group anew."""
    words = [word.lstrip("-~") for word in typed if "=" in word or word.startswith("~")]
    found = [re.match(rf"(?:sampler@)?{group}((?:\.[\w-]+)*)(?:=|$)", word) for word in words]
    return [match[1].split(".")[1:] for match in found if match]


def _changed(saved: Any, given: Mapping, keys: list[str], where: str) -> dict:
    """What a finished run had, but the value below `keys` as it is in `given`, or gone as there."""
    key, *rest = keys
    if not isinstance(saved, dict) or key not in saved:
        held = ", ".join(k for k in saved if not k.startswith("_")) if isinstance(saved, dict) else ""
        anew = ANEW.get(where.split(".")[0], "")
        raise UsageError(f"{where}.{key}: the finished run's {where} holds {held or 'nothing'}{anew}")
    if rest:
        return saved | {key: _changed(saved[key], given.get(key, {}), rest, f"{where}.{key}")}
    return saved | {key: given[key]} if key in given else {k: v for k, v in saved.items() if k != key}


def _sample(config: dict, typed: list[str]) -> None:
    from gensynth import pipeline
    from gensynth.rundir import RunFolder

    for key in ("generator", "counts"):
        if config[key] in ("", None):
            raise UsageError(f"sample needs {key}=; example: gensynth sample generator=OUT/generator counts=500 out=S")
    out = Path(config["out"])
    print(
        pipeline.sample(
            Path(config["generator"]),
            _amount(config["counts"]),
            _seed(config["seed"]),
            config["format"],
            lambda: RunFolder(out, "sample", bool(config["resume"]), _resume_command(typed)),
        )
    )


def _evaluate(config: dict, typed: list[str]) -> None:
    from gensynth import pipeline

    for key in ("real", "synthetic"):
        if not config[key]:
            raise UsageError(f"evaluate needs {key}=PATH; example: gensynth evaluate real=DIR test=DIR synthetic=DIR")
    sets = config["synthetic"] if isinstance(config["synthetic"], list) else [config["synthetic"]]
    _refuse_inside(config["out"], config["real"], config["test"], *sets)
    job = _job("evaluate", config, typed)
    test = Path(config["test"]) if config["test"] else None
    facts = pipeline.evaluate(
        job, Path(config["real"]), test, [Path(s) for s in sets], *(config["data"][k] for k in ("label", "text"))
    )
    for warning in facts["warnings"]:
        print(f"warning: {warning['text']}")
    for place, name in enumerate(facts["data"]["ranking"], 1):
        found = facts["sets"][name]
        faults = "; ".join(f"{fault['code']}: {fault['text']}" for fault in found["faults"]) or "no fault found"
        print(f"{place}. {name}: {faults}")
    print(facts["verdict"]["sentence"])
    print(f"report: {job.out / 'report.html'}")


def _verify(config: dict, typed: list[str]) -> int:
    from gensynth.provenance.contents import is_mine
    from gensynth.verify import find_dataset, verify

    if not config["dataset"]:
        raise UsageError("verify needs a data set: gensynth verify OUT/dataset")
    if not isinstance(config["n"], int) or config["n"] < 0:
        raise UsageError(f"n must be a whole number of at least 0, got {config['n']!r}")
    dataset = find_dataset(Path(config["dataset"]))
    if config["is_mine"]:
        matches = is_mine(Path(config["is_mine"]), dataset)
        print("\n".join(map(str, matches)))
        return 0 if all(match.line for match in matches) else 6
    generator = Path(config["generator"]) if config["generator"] else None
    build = functools.partial(_samplers_of, trust=config["trust"])
    verified = verify(dataset, generator, build, config["n"], _seed(config["seed"]))
    print("\n".join([*verified.findings, *verified.told]))
    return 6 if verified.findings else 0


def _samplers_of(saved: dict, trust: list[str]) -> tuple[list[Any], str]:
    """Sampler and fallback of a finished run, and why one of them cannot be built; of gensynth or trusted packages."""
    made, why_not = [], "no run beside the data set"
    for group in ("sampler", "fallback"):
        node = saved.get(group) or {}
        if files := [key for key in SAMPLER_PATHS if node.get(key) and node[key] not in ("class", "train")]:
            why_not = f"made with {files[0]}={node[files[0]]}, whose place is not kept"
        elif node:
            _refuse_foreign(node, trust)
            made.append(_make(node, trust, group))
    return made, why_not


def _refuse_foreign(node: Mapping, trust: list[str]) -> None:
    """UsageError where a run's own file names code that is no sampler or filter: a run may come from anybody."""
    allowed = ("gensynth.samplers.", "gensynth.balancing.filters.", *(f"{package}." for package in trust))
    for key, value in node.items():
        if isinstance(value, Mapping):
            _refuse_foreign(value, trust)
        if key == "_target_" and not str(value).startswith(allowed):
            raise UsageError(
                f"run/config.json names {value}, which is no sampler or filter of gensynth; use trust=[PACKAGE]"
            )


def _forget(config: dict, typed: list[str]) -> None:
    from gensynth.provenance.forget import forget, forget_lines

    if config["row"] in ("", None):
        raise UsageError("forget needs the name of a row, as in run/split.csv: gensynth forget ROW_ID runs=runs")
    row, out = str(config["row"]), Path(config["out"])
    if config["out"] and out.exists():
        raise UsageError(f"out={out} is there already; nothing was touched, choose a new file")
    found = forget(row, Path(config["runs"]))
    print("\n".join(forget_lines(row, found)))
    if config["out"]:
        out.write_text(json.dumps({"row": row, "runs": [one.to_json() for one in found]}, indent=1), encoding="utf-8")


def _compare_arms(config: dict, typed: list[str]) -> None:
    from gensynth import comparison

    job, trust = _job("compare", config, typed), config["trust"]
    models = {name: _model_settings(node, trust) for name, node in config["models"].items()}
    seeds = config["generator_seeds"]
    if not isinstance(seeds, int) or not 1 <= seeds <= job.utility_seeds:
        raise UsageError(f"generator_seeds must lie between 1 and utility.seeds={job.utility_seeds}, got {seeds!r}")
    samplers = {name: _make(node, trust, f"samplers.{name}") for name, node in config["samplers"].items()}
    names = sorted(path.stem for path in (conf_dir() / "sampler").glob("*.yaml"))
    facts = comparison.compare(job, models, samplers, [str(arm) for arm in config["arms"]], seeds, names)
    for warning in facts["warnings"]:
        print(f"warning: {warning['text']}")
    _tell_arms(facts["utility"])
    print(f"\nverdict: {facts['verdict']['answer']}\n{facts['verdict']['sentence']}")
    _tell_beside(facts["sets"])
    if choice := comparison.choice_of(facts, models):
        print(f"what the verdict asks for: {_balance_command(typed, choice)}")
    print(f"report: {job.out / 'report.html'}")


def _balance_command(typed: list[str], choice: str) -> str:
    """The `balance` that makes what a `compare` chose, from the words of that `compare`."""
    own = ("out=", "resume=", "arms=", "generator_seeds=", "models.", "~models", "samplers.")
    mine = f"samplers.{choice.removeprefix('sampler=')}."
    settings = [f"sampler.{word.removeprefix(mine)}" for word in typed[1:] if word.startswith(mine)]
    kept = [word for word in typed[1:] if not word.startswith(own)]
    return shlex.join(["gensynth", "balance", *kept, choice, *settings])


def _tell_arms(rows: list[dict]) -> None:
    """Balanced accuracy of every arm, strong learner, with its answer against doing nothing."""
    learner = rows[0]["learner"]
    print(f"\n{'arm':<36}{'balanced accuracy':>18}   {'95 % interval':<16}  against real rows only ({learner})")
    for row in rows:
        if row["learner"] == learner and row["metric"] == "balanced_accuracy":
            answer = row.get("answer", "").replace("_", " ")
            print(f"{row['arm']:<36}{row['mean']:>18.3f}   {row['low']:.3f} to {row['high']:.3f}    {answer}")


def _tell_beside(sets: dict[str, dict]) -> None:
    """How new the rows of every arm are, whether labels hold, what they cost."""
    print(f"\n{'arm':<36}{'novelty':>10}{'labels agree':>15}{'s per 1,000 rows':>19}")
    for name, facts in sets.items():
        new, agree = facts["novelty"]["value"], facts["label_agreement"]["value"]
        cells = [f"{value:.2f}" if value is not None else "-" for value in (new, agree)]
        print(f"{name:<36}{cells[0]:>10}{cells[1]:>15}{facts['seconds_per_1000']:>19.2f}")


def _tell(facts: dict, out: Path) -> None:
    """The end of the walk on stdout: verdict, counts before and after, where the report lies."""
    for warning in facts["warnings"]:
        print(f"warning: {warning['text']}")
    print(f"\n{'class':<24}{'before':>8}{'after':>8}   of which made")
    for name, row in facts["data"]["classes"].items():
        made = f"{row['synthetic']} synthetic" + (f", {row['augmented']} augmented" if row["augmented"] else "")
        print(f"{name:<24}{row['before']:>8}{row['after']:>8}   {made}")
    print(f"\nverdict: {facts['verdict']['answer']}\n{facts['verdict']['sentence']}")
    print(facts["how_much"]["sentence"])
    _tell_trust(facts)
    print(f"report: {out / 'report.html'}")


def _tell_trust(facts: dict) -> None:
    """What the trust part of the report says, a line an answer; of named groups a table."""
    from gensynth.report.content import Report
    from gensynth.report.numbers import between
    from gensynth.report.trust_view import cell_tables, trust_view

    report = Report.from_json(facts)
    if facts["bias"].get("groups"):
        print(f"\n{'recall by group':<36}{'test rows':>10}   {'real rows only':<22}{'with made rows':<22}difference")
        for table in cell_tables(report.assessment.best.bias):
            for row in table["groups"]:
                name = f"{table['name']}: {row['group']}"
                print(f"{name:<36}{row['n']:>10}   {row['without']:<22}{row['with']:<22}{row['difference']}")
        for name, table in facts["bias"]["after"]["tables"].items():
            before, after = (
                between(side["disparate_impact"]) for side in (facts["bias"]["before"]["tables"][name], table)
            )
            print(f"disparate impact, {name}: {before} before, {after} after")
    print()
    for part in trust_view(report):
        print(f"{part['question']:<28} {part['lines'][0]}")


ACTIONS: dict[str, Callable[[dict, list[str]], None]] = {
    "demo": _balance,
    "explore": _explore,
    "train": _train,
    "sample": _sample,
    "balance": _balance,
    "merge": _merge,
    "evaluate": _evaluate,
    "compare": _compare_arms,
    "verify": _verify,
    "forget": _forget,
}


def run() -> None:
    """Console script."""
    sys.exit(main())
