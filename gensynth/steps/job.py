"""What one run was asked for: a frozen tree of plain values, written once to run/job.json and read back from there.

The tree has the keys of the configuration files, so what a command line changes in a finished run is one
`with_overrides`. Paths, trusted packages and the call itself (out, resume) are not written.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args, get_type_hints

from gensynth.balancing.plan import Amount
from gensynth.errors import DataError, UsageError, nearest
from gensynth.evaluation.assessment import BiasLimits
from gensynth.files import write_json
from gensynth.provenance.source_card import SourceCard
from gensynth.run_folder import RunFolder
from gensynth.steps.component import NOTHING, SAMPLER_PATHS, Component, allowed_below
from gensynth.training.settings import TrainerSettings

if TYPE_CHECKING:
    from gensynth.balancing.filters import Filter
    from gensynth.evaluation.metrics.metric import Metric

VERSION = 1
GIVEN = "given"  # the field of a part that holds the keys which are no fields of it
FILE = "run/job.json"
EFFORTS = ("quick", "full")
REMOVED = object()  # the value of a key that an override takes away
SAMPLERS = ("gensynth.samplers.",)
ROOMS = {  # where what a run's file names must lie
    **dict.fromkeys(("sampler", "fallback", "samplers"), SAMPLERS),
    **dict.fromkeys(("model", "models"), ("gensynth.models.",)),
    "filter": ("gensynth.balancing.",),
    "metric": ("gensynth.evaluation.", "gensynth.metrics."),
    "data": ("gensynth.data.",),
}
PATH_KEYS = ("path", "test", "card", *SAMPLER_PATHS)
CHOSEN_ANEW = {"filter": "; filter=[NAMES] names others", "fallback": "; sampler@fallback=NAME names another"}


def _is_count(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and (value >= least or least == 0)


@dataclass(frozen=True)
class DataSettings:
    """Where the rows come from and how they are split.

    name         what reports call the data
    long_tail    (first, last) cuts train for experiments
    id           column that says who or what a row is about, by which `forget` finds it
    groups       columns by which bias is looked at
    allow_lost   classes that may lose all or more than half of their files
    allow_synthetic  whether rows that are marked as synthetic may be trained on
    source_card  what a person says of the source: licence, consent, intended use
    reader       called without arguments it gives the `Source`
    given        the other keys of the `data` group, which the reader takes
    """

    name: str = ""
    split: tuple[float, float, float] = (0.7, 0.1, 0.2)
    long_tail: tuple[int, int] | None = None
    subject: str = ""
    id: str = ""
    groups: tuple[str, ...] = ()
    allow_lost: tuple[str, ...] = ()
    allow_synthetic: bool = False
    source_card: SourceCard = SourceCard()
    reader: Component = NOTHING
    given: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.long_tail and not (len(self.long_tail) == 2 and all(_is_count(n) for n in self.long_tail)):
            raise UsageError(f"data.long_tail takes two whole numbers, [first, last], got {list(self.long_tail)!r}")
        if len(self.split) != 3 or not all(isinstance(part, int | float) for part in self.split):
            raise UsageError(f"data.split takes three numbers, [train, val, test], got {list(self.split)!r}")


@dataclass(frozen=True)
class ExportSettings:
    """original: real files leave unchanged, also those of another size."""

    original: bool = False


@dataclass(frozen=True)
class UtilitySettings:
    """run: whether arms are trained; seeds: of every classifier; steps: of the network, 0: by the number of rows."""

    run: bool = True
    seeds: int = 5
    steps: int = 0

    def __post_init__(self) -> None:
        if self.seeds < 3:
            raise UsageError(f"utility.seeds must be at least 3, got {self.seeds}")


@dataclass(frozen=True)
class EvaluateSettings:
    """The `evaluate` group: quick leaves out what the verdict can do without; full adds stronger arms and classifiers.

    folds  1: the run's own test rows; more: a generator is trained anew for each, and every row is a test row once
    """

    effort: str = "quick"
    folds: int = 1

    def __post_init__(self) -> None:
        if self.effort not in EFFORTS:
            raise UsageError(f"evaluate={self.effort} is not known; {nearest(str(self.effort), EFFORTS)}")
        if not _is_count(self.folds) or self.folds == 2:
            raise UsageError(f"evaluate.folds must be 1, or 3 and more, got {self.folds}")


@dataclass(frozen=True)
class VerdictSettings:
    """margin: gains and losses of balanced accuracy within it make no difference."""

    margin: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.margin < 1:
            raise UsageError(f"verdict.margin must lie between 0 and 1, got {self.margin}")


@dataclass(frozen=True)
class PrivacySettings:
    """shadows: generators that are trained anew for the likelihood-ratio attack; 0: none."""

    shadows: int = 0

    def __post_init__(self) -> None:
        if self.shadows and (self.shadows < 4 or self.shadows % 2):
            raise UsageError(f"privacy.shadows must be 0 or an even number of at least 4, got {self.shadows}")


@dataclass(frozen=True)
class ReviewSettings:
    """min: synthetic rows that a person must have looked at before anything is merged."""

    min: int = 0


@dataclass(frozen=True)
class Job:
    """Everything one run was asked for.

    sampler_choice  the file in conf/sampler
    models, samplers, arms, generator_seeds  of `compare`: what its arms are, and how often each model is trained
    """

    seed: int = 0
    data: DataSettings = DataSettings()
    model: Component = NOTHING
    trainer: TrainerSettings = TrainerSettings(0, 1, 1, 1, "cpu", 1, "32-true", 1, "last")
    logger: str = "none"
    sampler: Component = NOTHING
    sampler_choice: str = ""
    fallback: Component = NOTHING
    filter: dict[str, Component] = field(default_factory=dict)
    metric: dict[str, Component] = field(default_factory=dict)
    target: Amount = "max"
    symmetric: bool = False
    features: str = "own"
    strict: bool = False
    export: ExportSettings = ExportSettings()
    utility: UtilitySettings = UtilitySettings()
    verdict: VerdictSettings = VerdictSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    bias: BiasLimits = BiasLimits()
    privacy: PrivacySettings = PrivacySettings()
    review: ReviewSettings = ReviewSettings()
    models: dict[str, Component] = field(default_factory=dict)
    samplers: dict[str, Component] = field(default_factory=dict)
    arms: tuple[str, ...] = ()
    generator_seeds: int = 1
    # of this call alone, never written
    verb: str = field(default="", compare=False)
    out: Path = field(default=Path(), compare=False)
    resume: bool = field(default=False, compare=False)
    resume_command: str = field(default="", compare=False)
    trust: tuple[str, ...] = field(default=(), compare=False)
    rooms: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not _is_count(self.seed, 0):
            raise UsageError(f"seed must be a whole number, got {self.seed!r}")

    @property
    def filters(self) -> list[Filter]:
        """The filters, built anew and not fitted."""
        return [one.build() for one in self.filter.values()]

    @property
    def metrics(self) -> list[Metric]:
        """The metrics of fidelity, built anew; none: those of conf/metric."""
        from gensynth.evaluation.metrics.metric import in_order

        return in_order([one.build() for one in self.metric.values()])

    def open_out(self) -> RunFolder:
        return RunFolder(self.out, self.verb, self.resume, self.resume_command)

    def tree(self) -> dict[str, Any]:
        """The settings as plain values, with paths; nothing of the call."""
        return {
            f.name: plain
            for f in dataclasses.fields(self)
            if f.compare and (plain := _plain(getattr(self, f.name))) is not None
        }

    def to_json(self) -> dict[str, Any]:
        """The tree as it may be written: of a path its last part, and not what a person accepts for one run."""
        tree = recorded(self.tree())
        tree["bias"].pop("accept")
        return {"version": VERSION, **tree}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any], **call: Any) -> Self:
        """Inverse of `to_json`; `call` holds what is never written. UsageError for keys and values that do not fit."""
        parts = {k: v for k, v in tree.items() if k != "version"}
        rooms = call.pop("rooms", None) or {name: allowed_below(call.get("trust", ())) for name in ROOMS}
        return cls(**_decoded(cls, parts, rooms, ""), rooms=rooms, **call)

    def with_overrides(self, changes: Mapping[str, Any]) -> Job:
        """The same job with other values at dotted keys; REMOVED takes a key away.

        What a run's file names must still lie in its room; only what the overrides choose anew may come from wherever
        this call trusts. UsageError for a key that the job does not hold: what is inside a sampler or a filter belongs
        to that one.
        """
        tree = self.tree()
        for key, value in changes.items():
            _put(tree, key.split("."), value, key.partition(".")[0])
        rooms = {name: allowed_below(self.trust) if name in changes else own for name, own in self.rooms.items()}
        return Job.from_json(tree, trust=self.trust, rooms=rooms, **self.call())

    def call(self) -> dict[str, Any]:
        """What belongs to this call: verb, out, resume and how it is continued."""
        return {name: getattr(self, name) for name in ("verb", "out", "resume", "resume_command")}

    def write(self) -> None:
        """run/job.json below `out`."""
        write_json(self.out / FILE, self.to_json())


def read_job(run: Path, given: Job | None = None, *, trust: Sequence[str] = (), **call: Any) -> Job:
    """The job of a run folder, as run/job.json has it: the one way by which a run is remembered.

    given  the job of this call's overrides alone: paths, of which only names are written, come back from there
    trust  packages that this call trusts: what the file names must lie there or in its room of gensynth,
           since a run may come from anybody
    UsageError where there is no such file, DataError where it is damaged.
    """
    path = run / FILE
    if not path.is_file():
        raise UsageError(f"{run} holds no {FILE}: it is no run of this version")
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        version = tree["version"]
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{FILE} is damaged: it is no job in JSON") from None
    if version != VERSION:
        raise UsageError(f"{FILE} has version {version}, this program reads version {VERSION}")
    tree = {k: v for k, v in (_with_paths(tree, given.tree()) if given else tree).items() if k != "version"}
    rooms = {name: allowed_below(trust, own) for name, own in ROOMS.items()}
    try:
        return Job.from_json(tree, trust=tuple(trust), rooms=rooms, **call)
    except (TypeError, AttributeError, UsageError) as error:
        raise DataError(f"{FILE} is damaged: {error}") from None


def recorded(node: Any, key: str = "") -> Any:
    """Plain values without places on this machine: of what is a path, or stands at a key for one, the last part."""
    if isinstance(node, Mapping):
        return {k: recorded(v, k) for k, v in node.items()}
    if isinstance(node, list):
        return [recorded(value, key) for value in node]
    is_path = isinstance(node, str) and (key in PATH_KEYS or node.startswith(("/", "~")))
    return Path(node).name if is_path and node else node


def _with_paths(saved: Any, given: Any, key: str = "") -> Any:
    """What was saved; where it is the recorded form of what is given now, that."""
    if isinstance(saved, Mapping) and isinstance(given, Mapping):
        return {k: _with_paths(v, given.get(k), k) for k, v in saved.items()}
    return given if given is not None and recorded(given, key) == saved else saved


def _put(tree: dict[str, Any], keys: list[str], value: Any, root: str) -> None:
    """Set or remove one value in place; inside a component only keys that are there."""
    for depth, key in enumerate(keys[:-1]):
        if not isinstance(tree.get(key), dict):
            _refuse_key(tree, keys[: depth + 1], root, depth)
        tree = tree[key]
    if len(keys) > 1 and keys[-1] not in tree:
        _refuse_key(tree, keys, root, len(keys) - 1)
    if value is REMOVED:
        tree.pop(keys[-1], None)
    else:
        tree[keys[-1]] = value


def _refuse_key(tree: Mapping[str, Any], keys: list[str], root: str, depth: int) -> None:
    held = ", ".join(key for key in tree if not key.startswith("_")) if depth else ""
    where = ".".join(keys[:depth]) or root
    anew = CHOSEN_ANEW.get(root, "")
    raise UsageError(f"{'.'.join(keys)}: the run's {where} holds {held or 'nothing'}{anew}")


def _plain(value: Any) -> Any:
    """A part of the tree as JSON has it; None where it says nothing."""
    if isinstance(value, Component):
        return value.to_json() if value else None
    if isinstance(value, SourceCard):
        return value.to_json() if value != SourceCard() else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return parts.pop(GIVEN, {}) | {k: v for k, v in parts.items() if v is not None}
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _decoded(kind: type, node: Mapping[str, Any], rooms: Mapping[str, tuple[str, ...]], where: str) -> dict[str, Any]:
    """The arguments of a dataclass, out of plain values."""
    hints = get_type_hints(kind)
    further = {k: v for k, v in node.items() if k not in hints}
    if further and GIVEN not in hints:
        raise UsageError(f"{where}{min(further)} is no key of a job; {nearest(min(further), hints)}")
    found = {k: _value(hints[k], v, rooms, f"{where}{k}") for k, v in node.items() if k in hints}
    return found | ({GIVEN: further} if GIVEN in hints else {})


def _value(hint: Any, value: Any, rooms: Mapping[str, tuple[str, ...]], where: str) -> Any:
    if hint is Component:
        return _component(value, rooms, where, where)
    if get_args(hint) == (str, Component):
        return {name: _component(node, rooms, where, name) for name, node in value.items()}
    if hint is SourceCard:
        return SourceCard.from_json(value)
    if hint is str:
        return str(value)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint(**_decoded(hint, value, rooms, f"{where}."))
    return tuple(value) if isinstance(value, list) else value


def _component(node: Mapping[str, Any], rooms: Mapping[str, tuple[str, ...]], key: str, name: str) -> Component:
    allowed = rooms[key.split(".")[0]]
    return Component.of_model(node, allowed) if key in ("model", "models") else Component.of(node, allowed, name)
