"""Words on the command line -> Hydra -> plain objects -> pipeline. The only file that knows Hydra.

`--help`, an unknown verb and most typos are answered before torch is imported.
"""

from __future__ import annotations

import errno
import importlib
import json
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

from gensynth.errors import GensynthError, Interrupted, UsageError, nearest

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from gensynth.pipeline import Job

VERBS = ("demo", "explore", "train", "sample", "balance", "merge", "evaluate", "doctor")
LATER = ("compare", "review", "verify", "forget", "dashboard", "tune")
POSITIONAL = {"explore": "data", "train": "data", "balance": "data", "demo": "data", "merge": "run"}
PATH_KEYS = ("out", "generator", "real", "test", "synthetic", "run", "data.path", "data.test")
TEXT_KEYS = ("data.label", "data.subject")
FLAGS_WITH_VALUE = (
    "--config-dir",
    "-cd",
    "--config-name",
    "-cn",
    "--config-path",
    "-cp",
    "--cfg",
    "-c",
    "--package",
    "-p",
)
MAPPING_KEYS = ("counts", "target")
TRUSTED = ("gensynth.", "torch.", "lightning.", "torchmetrics.", "kornia.", "imblearn.", "sklearn.")
SECRET = re.compile(r"key|token|secret|passw|auth", re.IGNORECASE)
QUIET = (
    "hydra.run.dir=.",
    "hydra.sweep.subdir=.",
    "hydra.output_subdir=null",
    "hydra/job_logging=disabled",
    "hydra/hydra_logging=disabled",
)

HELP = """gensynth: from an imbalanced labelled data set to a balanced one, with proof of what it is worth

usage: gensynth VERB [DATA] [key=value ...]

  demo               the whole walk on embedded digits, offline, in minutes
  explore DATA       look first: counts, sizes, duplicates, what to fix
  balance DATA       the main job: explore, split, train, sample, filter, merge, evaluate, report
  train DATA         one generator; writes a bundle
  sample             draw from a bundle: generator=PATH counts=500 | counts='{rare: 500}'
  merge RUN          filter, merge and evaluate a finished run again, honouring its review.csv
  evaluate           score any synthetic set: real=DIR test=DIR synthetic=DIR
  doctor             what is installed and what is wrong

DATA is a name (digits, digits_longtail) or a path: a folder of class folders (also train/val/test),
a folder with metadata.csv, an IDX pair, an .npz.

  out=DIR                 where to write              default runs/<verb>-<time>
  model=cvae|cgan         which generator             default cvae
  target=max|median|N|'{class: N}'   final rows a class   default max
  trainer.max_minutes=5   training budget             default 5 (demo: 1)
  seed=0                  one seed for everything     default 0
  logger=auto|csv|wandb|tensorboard|none              default auto (W&B offline without a key, and CSV)
  trainer=auto|cpu|gpu    experiment=NAME    resume=true    strict=true    -m for sweeps
  --cfg job shows all keys; --config-dir DIR adds your own configuration groups

examples:
  gensynth demo
  gensynth balance ./my_images out=./my_images_balanced
  gensynth sample generator=./my_images_balanced/generator counts='{rare: 500}' out=./more
"""


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
    return run_hydra(verb, overrides(verb, words), [verb, *words])


def conf_dir() -> Path:
    """The configuration folder: inside the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    for folder in (here / "conf", here.parent / "conf"):
        if (folder / "balance.yaml").is_file():
            return folder
    raise UsageError("the configuration folder conf/ is missing from this installation; install gensynth again")


# ---- words ----------------------------------------------------------------------------------------


def overrides(verb: str, words: list[str]) -> list[str]:
    """Turn what a person types into Hydra overrides: bare DATA, paths with any characters, mappings."""
    out, rest = [], list(words)
    position = next((i for i, word in enumerate(rest) if _is_bare(word, rest[i - 1] if i else "")), None)
    if position is not None:
        out.extend(_positional(verb, rest.pop(position), rest))
    for word in rest:
        if (
            word.startswith("--")
            and "=" in word
            and not re.match(r"--(config|cfg|package|hydra|info|experimental)", word)
        ):
            word = word[2:]
        out.append(_one(word))
    return out


def _is_bare(word: str, before: str) -> bool:
    if word.startswith("-") or before in FLAGS_WITH_VALUE:
        return False
    return "=" not in word or (Path(word).exists() and word.split("=", 1)[0] not in known_keys())


def _positional(verb: str, word: str, rest: list[str]) -> list[str]:
    if verb not in POSITIONAL:
        raise UsageError(f'{verb} takes key=value words only, got "{word}"')
    if POSITIONAL[verb] == "run":
        return [f"run={_quoted(word)}"]
    folders = [conf_dir() / "data", *(Path(d) / "data" for d in _config_dirs(rest))]
    names = {p.stem for folder in folders if folder.is_dir() for p in folder.glob("*.yaml")} - {"auto"}
    if word in names:
        return [f"data={word}"]
    path = _expanded(word)
    if not os.path.lexists(path):
        beside = [p.name for p in Path(path).parent.glob("*")] if Path(path).parent.is_dir() else []
        raise UsageError(
            f'DATA "{word}" is neither a known name nor a path; {nearest(Path(path).name, [*names, *beside])}'
        )
    return ["data=auto", f"data.path={_quoted(path)}"]


def _config_dirs(words: list[str]) -> list[str]:
    pairs = [b for a, b in zip(words, words[1:], strict=False) if a in ("--config-dir", "-cd")]
    return pairs + [w.split("=", 1)[1] for w in words if w.startswith("--config-dir=")]


def _one(word: str) -> str:
    key, equals, value = word.partition("=")
    if not equals or key.startswith("-"):
        return word
    if SECRET.search(key):
        raise UsageError(f"{key}: secrets are never configuration keys; use the environment (WANDB_API_KEY)")
    if key.startswith("+"):
        raise UsageError(f'there is no key to add: "{key}"; {nearest(key.lstrip("+"), known_keys())}')
    if key in PATH_KEYS:
        if value.startswith("[") and key == "synthetic":
            return f"{key}=[{','.join(_quoted(v) for v in _yaml(value, key))}]"
        return f"{key}={_quoted(_expanded(value))}"
    if key in TEXT_KEYS:
        return f"{key}={_quoted(value)}"
    if key in MAPPING_KEYS and value.lstrip().startswith("{"):
        return f"{key}={_quoted(json.dumps(_yaml(value, key), ensure_ascii=False))}"
    return word


def _expanded(path: str) -> str:
    """~ is the home folder, unless something of that very name lies here."""
    return path if os.path.lexists(path) else os.path.expanduser(path)


def _yaml(text: str, key: str) -> Any:
    """YAML with every scalar as text, so that 007, 3 and "3" stay what was typed."""
    import yaml

    try:
        return yaml.load(text, yaml.BaseLoader)  # noqa: S506  (the loader that builds text only)
    except yaml.YAMLError as error:
        raise UsageError(f"{key}: cannot be read as a mapping or list: {text}") from error


def _quoted(text: str) -> str:
    """A Hydra string literal, whatever the text holds."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    escaped = re.sub(r"(\\*)\$\{", lambda m: m.group(1) * 2 + "\\${", text)
    escaped = re.sub(r"(\\*)(?='|$)", lambda m: m.group(1) * 2, escaped).replace("'", "\\'")
    return f"'{escaped}'"


# ---- Hydra ----------------------------------------------------------------------------------------


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
    flags, keys = _flags_first(words)
    before, sys.argv = sys.argv, ["gensynth", *flags, *keys, *QUIET, f"hydra.sweep.dir={_quoted(sweep)}"]
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=verb)(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(verb, error)) from None
    finally:
        sys.argv = before
        shutil.rmtree(sweep, ignore_errors=True)
    return max(codes, default=0)


def _flags_first(words: list[str]) -> tuple[list[str], list[str]]:
    """Hydra's parser takes one run of key=value words only: flags and their values go in front."""
    flags, keys = [], []
    for word, before in zip(words, ["", *words], strict=False):
        (flags if word.startswith("-") or before in FLAGS_WITH_VALUE else keys).append(word)
    return flags, keys


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
        plain = OmegaConf.to_container(OmegaConf.create(plain), resolve=True)
        return _job(verb, plain, [verb, *words], config.hydra.runtime.choices)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(verb, error)) from None


def _run_task(verb: str, config: DictConfig, typed: list[str]) -> int:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from gensynth.signals import SIGNALS

    SIGNALS.install()
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        base = str(plain["out"]) or ("" if verb == "merge" else f"runs/{verb}-{_STARTED}")
        typed = [w for w in typed if not w.startswith("out=")] + ([f"out={base}"] if base else [])
        plain["out"] = _out_of_sweep(base)
        return ACTIONS[verb](plain, typed) or 0
    except Interrupted as error:  # leaves a sweep as a whole
        raise SystemExit(report_error(error, typed)) from None
    except OmegaConfBaseException as error:
        return report_error(UsageError(explain(verb, error)), typed)
    except Exception as error:
        return report_error(error, typed)


def _out_of_sweep(out: str) -> str:
    """Every job of a sweep gets its own sub-folder, numbered from 0."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    facts = HydraConfig.get()
    if facts.mode == RunMode.MULTIRUN:
        return str(Path(out) / str(facts.job.num))
    return out


_STARTED = time.strftime("%Y%m%d-%H%M%S")


def known_keys() -> set[str]:
    """Every key and group of every verb, for hints."""
    import yaml

    keys: set[str] = set()
    for path in conf_dir().rglob("*.yaml"):
        inside = path.relative_to(conf_dir()).parent.as_posix()
        prefix = "" if inside in (".", "experiment") else f"{inside}."
        keys |= {inside} - {"."}
        keys |= {f"{prefix}{key}" for key in _flat(yaml.safe_load(path.read_text(encoding="utf-8")) or {})}
    return keys


def _flat(node: Mapping, prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for key, value in node.items():
        if key == "defaults" or str(key).startswith("_"):
            continue
        keys.add(f"{prefix}{key}")
        if isinstance(value, Mapping):
            keys |= _flat(value, f"{prefix}{key}.")
    return keys


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
            return f'{verb}: unknown key "{key}"; {nearest(key, known_keys())}'
    first = text.splitlines()[0] if text else type(error).__name__
    return f"{verb}: cannot understand the words given: {first}"


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
    """Build the object of a config node; a wrong key is a sentence."""
    made = target_of(node, trust)
    try:
        return made(**_params(node))
    except TypeError as error:
        raise UsageError(f"{what}: {error}") from None


def _data_settings(config: dict, choice: str) -> Any:
    from functools import partial

    from gensynth.pipeline import DataSettings

    node = config["data"]
    reader = _params(node["reader"])
    if "path" in reader and not reader["path"]:
        raise UsageError("DATA is missing: give a name or a path, for example: gensynth balance ./my_images")
    if "image_size" in reader:
        size = reader["image_size"]
        reader["image_size"] = (size, size) if isinstance(size, int) else tuple(size) if size else None
    name = Path(reader["path"]).resolve().name if "path" in reader else choice
    tail, split = node["long_tail"], node["split"]
    if tail and not (isinstance(tail, list) and len(tail) == 2 and all(isinstance(n, int) for n in tail)):
        raise UsageError(f"data.long_tail takes two whole numbers, [first, last], got {tail!r}")
    if not (isinstance(split, list) and len(split) == 3 and all(isinstance(part, int | float) for part in split)):
        raise UsageError(f"data.split takes three numbers, [train, val, test], got {split!r}")
    if "path" in reader and config["out"] and _inside(config["out"], reader["path"]):
        raise UsageError(
            f"out={config['out']} lies inside DATA and would be read as a class; choose a folder beside it"
        )
    read = partial(target_of(node["reader"], config["trust"]), **reader)
    return DataSettings(name, read, tuple(split), (tail[0], tail[1]) if tail else None, node["subject"])


def _inside(out: str, data: str) -> bool:
    """Whether out lies below DATA."""
    return Path(data).resolve() in Path(out).resolve().parents


def _record(config: dict) -> dict:
    """The resolved configuration without paths of this machine."""
    kept = {
        k: v for k, v in config.items() if k not in ("out", "resume", "run", "real", "test", "synthetic", "generator")
    }
    if "data" in kept:
        data = dict(kept["data"])
        for key in ("path", "test"):
            if data.get(key):
                data[key] = Path(data[key]).name
        data["reader"] = {"_target_": data["reader"]["_target_"]} if "reader" in data else {}
        kept["data"] = data
    return kept


def _job(verb: str, config: dict, typed: list[str], choices: Mapping | None = None) -> Job:
    """Everything a run needs, built from the composed configuration; wrong values are a sentence."""
    try:
        return _build_job(verb, config, typed, choices)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{verb}: {error}") from None


def _build_job(verb: str, config: dict, typed: list[str], choices: Mapping | None) -> Job:
    from gensynth.pipeline import DataSettings, Job, ModelSettings
    from gensynth.samplers.generator import GeneratorSampler
    from gensynth.samplers.image_transforms import ImageTransforms
    from gensynth.training.fit import TrainerSettings
    from gensynth.training.loggers import NAMES

    trust = config.get("trust", [])
    model = target_of(config["model"], trust) if "model" in config else None
    sampler = target_of(config["sampler"], trust) if "sampler" in config else GeneratorSampler
    logger = config["logger"]["name"] if "logger" in config else "none"
    if logger not in NAMES:
        raise UsageError(f"logger={logger} is not known; {nearest(logger, NAMES)}")
    utility = config.get("utility", {"seeds": 3, "steps": 0})
    if not isinstance(utility["seeds"], int) or utility["seeds"] < 3:
        raise UsageError(f"utility.seeds must be a whole number of at least 3, got {utility['seeds']!r}")
    fallback = config.get("fallback")
    return Job(
        verb=verb,
        data=_data_settings(config, (choices or _choices())["data"])
        if "reader" in config.get("data", {})
        else DataSettings(
            "", _no_reader, tuple(config["data"]["split"]) if "data" in config else (0.7, 0.1, 0.2), None, ""
        ),
        model=ModelSettings(model.__name__.lower(), model, _params(config["model"]))
        if model
        else ModelSettings("", None, {}),
        trainer=_trainer_settings(config["trainer"])
        if "trainer" in config
        else TrainerSettings(0, 1, 1, 1, "cpu", 1, "32-true"),
        logger=logger,
        sampler=None if sampler is GeneratorSampler else _make(config["sampler"], trust, "sampler"),
        fallback=_make(fallback, trust, "fallback") if fallback else ImageTransforms(10.0, 0.12, 0.1, False),
        filters=[_make(node, trust, name) for name, node in config.get("filter", {}).items()],
        utility_seeds=utility["seeds"],
        utility_steps=utility["steps"],
        target=_amount(config.get("target", "max")),
        seed=_seed(config.get("seed", 0)),
        out=Path(config["out"] or f"runs/{verb}-{_STARTED}"),
        strict=bool(config.get("strict", False)),
        resume=bool(config["resume"]),
        resume_command=_resume_command(typed),
        config=_record(config),
    )


def _trainer_settings(node: Mapping) -> Any:
    from dataclasses import fields

    from gensynth.training.fit import TrainerSettings

    for field in fields(TrainerSettings):
        value, number = node[field.name], field.type in ("float", "int")
        if number and (not isinstance(value, int | float) or isinstance(value, bool) or value < 0):
            raise UsageError(f"trainer.{field.name} must be a number of at least 0, got {value!r}")
    return TrainerSettings(**node)


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
    if isinstance(value, str) and value.startswith("{"):
        return json.loads(value)
    return value


# ---- verbs ----------------------------------------------------------------------------------------


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
    """Sampler, fallback and filters of the finished run, where the words do not say otherwise."""
    path = run / "run" / "config.json"
    if not path.is_file():
        return
    saved = json.loads(path.read_text(encoding="utf-8"))
    for group in ("sampler", "fallback", "filter"):
        if group in saved and not any(re.match(rf"~?(sampler@)?{group}\b", word) for word in typed):
            config[group] = saved[group]


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
    job = _job("evaluate", config, typed)
    test = Path(config["test"]) if config["test"] else None
    facts = pipeline.evaluate(job, Path(config["real"]), test, [Path(s) for s in sets], config["data"]["label"])
    print(facts["verdict"]["sentence"])
    print(f"report: {job.out / 'report.html'}")


def _tell(facts: dict, out: Path) -> None:
    """The end of the walk on stdout: verdict, counts before and after, where the report lies."""
    for warning in facts["warnings"]:
        print(f"warning: {warning['text']}")
    print(f"\n{'class':<24}{'before':>8}{'after':>8}   of which made")
    for name, row in facts["data"]["classes"].items():
        made = f"{row['synthetic']} synthetic" + (f", {row['augmented']} augmented" if row["augmented"] else "")
        print(f"{name:<24}{row['before']:>8}{row['after']:>8}   {made}")
    print(f"\nverdict: {facts['verdict']['answer']}\n{facts['verdict']['sentence']}")
    print(f"report: {out / 'report.html'}")


ACTIONS: dict[str, Callable[[dict, list[str]], None]] = {
    "demo": _balance,
    "explore": _explore,
    "train": _train,
    "sample": _sample,
    "balance": _balance,
    "merge": _merge,
    "evaluate": _evaluate,
}


def run() -> None:
    """Console script."""
    sys.exit(main())
