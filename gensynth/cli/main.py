"""What a person typed -> Hydra -> the function of a verb; exit codes.

`--help`, an unknown verb and most typos are answered before torch is imported.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import re
import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gensynth.cli.overrides import (
    COMMANDS,
    conf_dir,
    explain,
    flags_first,
    help_page,
    overrides,
    quoted,
    resume_command,
)
from gensynth.errors import GensynthError, Interrupted, UsageError, nearest
from gensynth.run_folder import is_finished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omegaconf import DictConfig

    from gensynth.steps.job import Job

IN_PLACE = ("merge", "verify", "forget", "diff")  # verbs without a folder of their own where out is left out
LISTS_OF_NAMES = ("data.groups", "data.ignore", "data.columns", "data.allow", "trust")
QUIET = (
    "hydra.run.dir=.",
    "hydra.sweep.subdir=.",
    "hydra.output_subdir=null",
    "hydra/job_logging=disabled",
    "hydra/hydra_logging=disabled",
)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    given = sys.argv[1:] if argv is None else argv
    if not given or "--help" in given or "-h" in given or given[0] == "help":
        print(help_page())
        return 0 if given else 2
    if given[0] == "--version":
        from gensynth import __version__

        print(__version__)
        return 0
    try:
        return _dispatch(given[0], given[1:])
    except BaseException as error:  # every way out of the program is decided here
        return report_error(error, given)


def report_error(error: BaseException, given: list[str]) -> int:
    """One clear line on stderr and the exit code; a traceback only for faults of the program itself."""
    if isinstance(error, KeyboardInterrupt):
        error = Interrupted("stopped by SIGINT", 2)
    if isinstance(error, GensynthError | Interrupted):
        print(f"gensynth: {error}", file=sys.stderr)
        if isinstance(error, Interrupted):
            print(f"continue with: {resume_command(given)}", file=sys.stderr)
        return error.exit_code
    if lacking := _lacking(error):
        print(f"gensynth: out of {lacking}; free some and continue with: {resume_command(given)}", file=sys.stderr)
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


def _dispatch(verb: str, given: list[str]) -> int:
    if verb in COMMANDS["later"]:
        raise UsageError(f'the verb "{verb}" is planned and not part of this version')
    if verb not in COMMANDS["verbs"]:
        raise UsageError(f'unknown verb "{verb}"; {nearest(verb, COMMANDS["verbs"])}')
    if verb == "doctor":
        from gensynth.cli.doctor import doctor

        return doctor()
    if verb in ("dashboard", "review"):
        from gensynth.signals import SIGNALS

        serve = getattr(importlib.import_module(f"gensynth.{verb}"), verb)
        SIGNALS.install()
        with contextlib.suppress(Interrupted):  # the usual way to end it
            serve(given)
        return 0
    return run_hydra(verb, overrides(verb, given), [verb, *given])


def run_hydra(verb: str, given: list[str], typed: list[str]) -> int:
    """Compose the configuration of a verb and run it; several times with -m."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    codes: list[int] = []

    def task(config: DictConfig) -> None:
        codes.append(_run_task(verb, config, typed))

    os.environ["HYDRA_FULL_ERROR"] = "1"  # raise here instead of printing and leaving
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # gives back the texts of a column when they are read
    flags, keys = flags_first(given)
    if not flags and not any(key.lstrip("+~").startswith("hydra") for key in keys):
        with _composed(verb, keys) as config:
            task(config)
        return max(codes)
    sweep = tempfile.mkdtemp(prefix="gensynth-sweep-")  # Hydra writes multirun.yaml, with absolute paths, somewhere
    before, sys.argv = sys.argv, ["gensynth", *flags, *keys, *QUIET, f"hydra.sweep.dir={quoted(sweep)}"]
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=verb)(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(verb, error)) from None
    finally:
        sys.argv = before
        shutil.rmtree(sweep, ignore_errors=True)
    return max(codes, default=0)


@contextlib.contextmanager
def _composed(verb: str, keys: list[str]) -> Iterator[DictConfig]:
    """The configuration of one run, composed once: `hydra.main` does it a second time, to find out that it is one."""
    import logging.config

    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf import open_dict
    from omegaconf.errors import OmegaConfBaseException

    try:
        with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="gensynth"):
            config = hydra.compose(verb, keys, return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(verb, error)) from None
    logging.config.dictConfig({"version": 1, "root": {"level": "ERROR"}})  # as Hydra's own entry with QUIET
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    try:
        yield config
    finally:
        HydraConfig.instance().cfg = before


def compose(verb: str, given: list[str]) -> Job:
    """The Job that a command line would run, for scripts and notebooks: compose("train", ["digits", "model=cgan"])."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from gensynth.cli.config import job_of

    try:
        with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="gensynth"):
            config = hydra.compose(verb, overrides(verb, given), return_hydra_config=True)
        unresolved: Any = OmegaConf.to_container(config, resolve=False)
        own = OmegaConf.create({key: node for key, node in unresolved.items() if key != "hydra"})
        plain: Any = OmegaConf.to_container(_with_lists(own), resolve=True)
        return job_of(verb, plain, [verb, *given], config.hydra.runtime.choices)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(verb, error)) from None


def _run_task(verb: str, config: DictConfig, typed: list[str]) -> int:
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from gensynth.cli.config import STARTED
    from gensynth.cli.verbs import run_verb
    from gensynth.signals import SIGNALS
    from gensynth.steps.component import import_trusted

    SIGNALS.install()
    try:
        plain: Any = OmegaConf.to_container(_with_lists(config), resolve=True, throw_on_missing=True)
        base = str(plain["out"]) or ("" if verb in IN_PLACE else f"runs/{verb}-{STARTED}")
        typed = [w for w in typed if not w.startswith("out=")] + ([f"out={base}"] if base else [])
        plain["out"] = _out_of_sweep(base)
        if plain["out"] != base and plain["resume"] and is_finished(Path(plain["out"])):
            return 0
        import_trusted(plain.get("trust", ()))
        return run_verb(verb, plain, typed, HydraConfig.get().runtime.choices)
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


def run() -> None:
    """Console script."""
    sys.exit(main())
