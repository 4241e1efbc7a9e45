"""The configuration folder is the registry: everything in it composes, imports and builds."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gensynth.cli import compose
from gensynth.cli.overrides import conf_dir, known_keys
from gensynth.errors import UsageError
from gensynth.steps.component import TRUSTED, target_of

FILES = sorted(conf_dir().rglob("*.yaml"))
GROUPS = {
    folder: sorted(p.stem for p in (conf_dir() / folder).glob("*.yaml"))
    for folder in ("data", "model", "trainer", "logger", "sampler", "filter", "metric", "experiment")
}
NEED_A_PATH = [("data", "auto"), ("data", "table"), ("data", "text"), ("data", "audio")]
CHOICES = [(group, name) for group, names in GROUPS.items() for name in names if (group, name) not in NEED_A_PATH]


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_every_choice_builds_a_job(group, name, tmp_path):
    data = [] if group == "data" else ["digits"]
    job = compose(
        "balance",
        [*data, f"{group}=[{name}]" if group in ("filter", "metric") else f"{group}={name}", f"out={tmp_path}/x"],
    )
    assert job.model.name == (name if group == "model" else "cvae") or group == "experiment"


@pytest.mark.parametrize("name", sorted(p.stem for p in (conf_dir() / "model/table").glob("*.yaml")))
def test_every_model_for_tables_builds_a_job_with_networks_for_tables(name):
    params = compose("balance", ["breast_cancer", f"model={name}"]).model.params
    assert params.get("vae", params)["nets"] == "columns"


@pytest.mark.parametrize("name", GROUPS["experiment"])
@pytest.mark.parametrize("verb", ["train", "balance"])
def test_experiments_serve_every_verb_that_trains(verb, name):
    data = "breast_cancer" if name in ("census", "fraud_table") else "digits"
    assert compose(verb, [data, f"experiment={name}"]).utility.seeds >= 3


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(conf_dir())))
def test_every_file_says_what_it_is_and_names_trusted_targets(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# "), "the first line says what the file is for"
    for target in targets(yaml.safe_load(text)):
        assert target.startswith(TRUSTED)
        target_of(target)


def targets(node: object) -> list[str]:
    if not isinstance(node, dict):
        return []
    return [v for k, v in node.items() if k == "_target_"] + [t for v in node.values() for t in targets(v)]


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "subprocess.run", "mine.Model"])
def test_targets_outside_the_trusted_packages_are_refused(name):
    with pytest.raises(UsageError, match="is not below"):
        target_of(name)


@pytest.mark.parametrize("name", ["gensynth.samplers.style.Path", "gensynth.steps.job.Any"])
def test_what_a_trusted_module_only_imports_is_refused(name):
    with pytest.raises(UsageError, match="it comes from"):
        target_of(name)


@pytest.mark.parametrize("name", ["torch.load", "torch.hub.load", "torch.serialization.load"])
def test_functions_of_other_packages_are_refused(name):
    with pytest.raises(UsageError, match="is not a class"):
        target_of(name)


def test_a_package_can_be_trusted_by_name():
    assert target_of("json.dumps", ("json.",)).__name__ == "dumps"


def test_a_wrong_model_key_is_refused():
    with pytest.raises(UsageError, match="model.wdth"):
        compose("train", ["digits", "model.wdth=3"])


def test_known_keys_cover_what_the_help_names():
    assert {
        "out",
        "model",
        "seed",
        "target",
        "trainer.max_minutes",
        "logger",
        "data.label",
        "filter.near_copy.ratio",
    } <= known_keys()


def test_the_makefile_and_ci_run_the_same_tests():
    root = Path(__file__).parents[1]
    assert {"make lint", "make test"} <= set((root / ".ci" / "run").read_text().splitlines())
