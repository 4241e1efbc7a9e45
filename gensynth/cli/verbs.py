"""The verbs: from the composed configuration to the walk, and what is printed at its end.

Each imports what it needs when it is called: a look at the data loads no network.
"""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gensynth.cli.config import amount, job_of, merge_job, model_class, refuse_inside, whole_seed
from gensynth.cli.overrides import COMMANDS, conf_dir, resume_command
from gensynth.errors import UsageError
from gensynth.steps.component import SAMPLER_PATHS
from gensynth.steps.job import read_job

if TYPE_CHECKING:
    from gensynth.samplers.sampler import Sampler

Config = dict[str, Any]
Choices = Mapping[str, str]


def _explore(config: Config, typed: list[str], choices: Choices) -> None:
    from gensynth.steps.read import explore

    job = job_of("explore", config, typed, choices)
    explore(job)
    print(job.out / "explore.json")


def _train(config: Config, typed: list[str], choices: Choices) -> None:
    from gensynth import pipeline

    print(pipeline.train(job_of("train", config, typed, choices)))


def _balance(config: Config, typed: list[str], choices: Choices) -> None:
    from gensynth import pipeline
    from gensynth.cli.output import print_run

    job = job_of(typed[0], config, typed, choices)
    print_run(pipeline.balance(job), job.out)


def _merge(config: Config, typed: list[str], choices: Choices) -> None:
    from gensynth import pipeline
    from gensynth.cli.output import print_run

    config["out"] = config["out"] or config["run"]
    finished = Path(config["run"])
    job = merge_job(finished, config, typed, choices)
    print_run(pipeline.merge(job, finished, model_class(config)), job.out)


def _sample(config: Config, typed: list[str], choices: Choices) -> None:
    from gensynth import pipeline
    from gensynth.run_folder import RunFolder

    out = Path(config["out"])
    print(
        pipeline.sample(
            Path(config["generator"]),
            amount(config["counts"]),
            whole_seed(config["seed"]),
            config["format"],
            lambda: RunFolder(out, "sample", bool(config["resume"]), resume_command(typed)),
            model_class(config),
        )
    )


def _evaluate(config: Config, typed: list[str], choices: Choices) -> None:
    from gensynth import pipeline
    from gensynth.cli.output import print_ranking
    from gensynth.steps.reopen import Columns

    sets = config["synthetic"] if isinstance(config["synthetic"], list) else [config["synthetic"]]
    refuse_inside(config["out"], config["real"], config["test"], *sets)
    job = job_of("evaluate", config, typed, choices)
    test = Path(config["test"]) if config["test"] else None
    data = config["data"]
    form = {key: data[key] for key in ("encoding", "delimiter", "header") if data[key] not in ("", None)}
    columns = Columns(data["label"], data["text"], form, data["range"])
    facts = pipeline.evaluate(job, Path(config["real"]), test, [Path(s) for s in sets], columns)
    print_ranking(facts, job.out)


def _verify(config: Config, typed: list[str], choices: Choices) -> int:
    from gensynth.provenance.contents import is_mine
    from gensynth.steps.reopen import read_state
    from gensynth.verify import find_dataset, has_run, verify

    if not isinstance(config["n"], int) or config["n"] < 0:
        raise UsageError(f"n must be a whole number of at least 0, got {config['n']!r}")
    dataset = find_dataset(Path(config["dataset"]))
    if config["is_mine"]:
        state = read_state(dataset.parent) if has_run(dataset) else None
        matches = is_mine(Path(config["is_mine"]), dataset, state.schema.fields if state else {})
        print("\n".join(map(str, matches)))
        return 0 if all(match.line for match in matches) else 6
    generator = Path(config["generator"]) if config["generator"] else None
    build = functools.partial(_samplers_of, dataset, trust=config["trust"])
    verified = verify(dataset, generator, build, config["n"], whole_seed(config["seed"]), model_class(config))
    print("\n".join([*verified.findings, *verified.reported]))
    return 6 if verified.findings else 0


def _samplers_of(dataset: Path, trust: list[str]) -> tuple[list[Sampler], str]:
    """Sampler and fallback of the run beside a data set, and why one of them cannot be built."""
    from gensynth.verify import has_run

    samplers: list[Sampler] = []
    why_not = "no run beside the data set"
    job = read_job(dataset.parent, trust=trust) if has_run(dataset) else None
    for node in (job.sampler, job.fallback) if job else ():
        files = [key for key in SAMPLER_PATHS if node.params.get(key) not in (None, "", "class", "train")]
        if files:
            why_not = f"made with {files[0]}={node.params[files[0]]}, whose place is not kept"
        elif node:
            samplers.append(node.build())
    return samplers, why_not


def _forget(config: Config, typed: list[str], choices: Choices) -> int:
    from gensynth.provenance.forget import forget, forget_lines

    who, out = str(config["row"]), refuse_existing(config["out"])
    answer = forget(who, Path(config["runs"]))
    print("\n".join(forget_lines(who, answer)))
    if out:
        out.write_text(json.dumps({"row": who} | answer.to_json(), indent=1), encoding="utf-8")
    return 0 if answer.found else 6


def _diff(config: Config, typed: list[str], choices: Choices) -> None:
    from gensynth.cli.output import print_diff
    from gensynth.report.diff import check_same_data, diff, read_report

    out = refuse_existing(config["out"])
    margin = config["margin"]
    if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 <= margin < 1:
        raise UsageError(f"margin must be a number from 0 to below 1, got {margin!r}")
    before, after = (read_report(Path(config[key])) for key in ("before", "after"))
    if not config["any_data"]:
        check_same_data(before, after)
    found = diff(before, after, margin)
    print_diff(found)
    if out:
        out.write_text(json.dumps(found.to_json(), indent=1, ensure_ascii=False), encoding="utf-8")
        print(f"all numbers: {out}")


def refuse_existing(out: str) -> Path | None:
    """The file to write, None for no file; UsageError where it is there already."""
    if out and Path(out).exists():
        raise UsageError(f"out={out} is there already; nothing was touched, choose a new file")
    return Path(out) if out else None


def _compare(config: Config, typed: list[str], choices: Choices) -> None:
    from gensynth import compare
    from gensynth.cli.output import print_arms, print_beside, print_head, print_warnings

    job = job_of("compare", config, typed, choices)
    if not isinstance(job.generator_seeds, int) or not 1 <= job.generator_seeds <= job.utility.seeds:
        raise UsageError(
            f"generator_seeds must lie between 1 and utility.seeds={job.utility.seeds}, got {job.generator_seeds!r}"
        )
    names = sorted(path.stem for path in (conf_dir() / "sampler").glob("*.yaml"))
    facts = compare.compare(job, names)
    print_head(facts)
    print()
    print_warnings(facts)
    print_arms(facts["utility"])
    print_beside(facts["sets"])
    if choice := compare.choice_of(facts, job.models):
        print(f"what the verdict asks for: {balance_command(typed, choice)}")
    print(f"report: {job.out / 'report.html'}")


def balance_command(typed: list[str], choice: str) -> str:
    """The `balance` that makes what a `compare` chose, from the overrides of that `compare`."""
    own = ("out=", "resume=", "arms=", "generator_seeds=", "models.", "~models", "samplers.")
    mine = f"samplers.{choice.removeprefix('sampler=')}."
    settings = [f"sampler.{word.removeprefix(mine)}" for word in typed[1:] if word.startswith(mine)]
    kept = [word for word in typed[1:] if not word.startswith(own)]
    return shlex.join(["gensynth", "balance", *kept, choice, *settings])


def run_verb(verb: str, config: Config, typed: list[str], choices: Choices) -> int:
    """Do what a verb says and return the exit code; UsageError for a key that it cannot do without."""
    for key, text in COMMANDS["needs"].get(verb, {}).items():
        if config[key] in ("", None, []):
            raise UsageError(text)
    return ACTIONS[verb](config, typed, choices) or 0


ACTIONS: dict[str, Callable[[Config, list[str], Choices], int | None]] = {
    "demo": _balance,
    "explore": _explore,
    "train": _train,
    "sample": _sample,
    "balance": _balance,
    "merge": _merge,
    "evaluate": _evaluate,
    "compare": _compare,
    "verify": _verify,
    "forget": _forget,
    "diff": _diff,
}
