"""An object that a configuration names by `_target_`: looked up below trusted packages only, built with its keys."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gensynth.errors import UsageError

TRUSTED = ("gensynth.", "torch.", "lightning.", "torchmetrics.", "kornia.", "imblearn.", "sklearn.")
TARGET = "_target_"
SAMPLER_PATHS = ("styles", "weights", "backgrounds", "lexicon", "templates")  # keys of samplers that may hold a path


@dataclass(frozen=True)
class Component:
    """A class, or a function of gensynth, and what it is called with; imported when it is needed.

    name     key of the configuration, for messages; of a model its module in gensynth/models/, or its class in small
             letters
    target   dotted path, as `_target_` has it
    params   keyword arguments; values may be components themselves
    allowed  what the path must start with
    """

    name: str
    target: str
    params: dict[str, Any]
    allowed: tuple[str, ...] = field(default=TRUSTED, compare=False, repr=False)

    def __bool__(self) -> bool:
        return bool(self.target)

    @property
    def make(self) -> Any:
        """The class or function. UsageError for a path that is not allowed, or names none."""
        return target_of(self.target, self.allowed)

    def build(self) -> Any:
        """The object, and those inside it, made anew; UsageError for keys that it does not take."""
        inner = {k: v.build() if isinstance(v, Component) else v for k, v in self.params.items()}
        try:
            return self.make(**inner)
        except TypeError as error:
            raise UsageError(f"{self.name}: {error}") from None

    def to_json(self) -> dict[str, Any]:
        inner = {k: v.to_json() if isinstance(v, Component) else v for k, v in self.params.items()}
        return {TARGET: self.target, **inner}

    @staticmethod
    def of(node: Mapping[str, Any], allowed: tuple[str, ...], name: str) -> Component:
        """A node of a configuration, which may hold others."""
        params = {k: v for k, v in node.items() if k != TARGET}
        for key, value in params.items():
            if isinstance(value, Mapping) and TARGET in value:
                params[key] = Component.of(value, allowed, f"{name}.{key}")
        return Component(name, str(node[TARGET]), params, allowed)

    @staticmethod
    def of_model(node: Mapping[str, Any], allowed: tuple[str, ...]) -> Component:
        """A model, whose inner nodes are settings and no objects."""
        module, _, kind = str(node[TARGET]).rpartition(".")
        name = module.rsplit(".", 1)[-1] if module.startswith("gensynth.models.") else kind.lower()
        return Component(name, str(node[TARGET]), _settings(node), allowed)


def _settings(node: Mapping[str, Any]) -> dict[str, Any]:
    """All keys but `_target_`, at every level."""
    return {k: _settings(v) if isinstance(v, Mapping) else v for k, v in node.items() if k != TARGET}


NOTHING = Component("", "", {})


def target_of(name: str, allowed: tuple[str, ...] = TRUSTED) -> Any:
    """The class or function of a dotted path; functions only from gensynth and packages that a person trusts."""
    if not name.startswith(allowed):
        rooms = ", ".join(room.rstrip(".") for room in allowed)
        raise UsageError(f"_target_ {name} is not below {rooms}; use trust=[PACKAGE]")
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"_target_ {name} cannot be imported ({error})") from None
    home = getattr(found, "__module__", None) or module
    if not f"{home}.".startswith(allowed):
        raise UsageError(f"_target_ {name} is no part of that package: it comes from {home}")
    of_others = name.startswith(tuple(set(TRUSTED) - {"gensynth."}))
    if not (isinstance(found, type) or (not of_others and callable(found))):
        raise UsageError(f"_target_ {name} is not a class")
    return found


def allowed_below(trust: Sequence[str], rooms: tuple[str, ...] = TRUSTED) -> tuple[str, ...]:
    """Starts of dotted paths: those rooms, and packages that this call trusts."""
    return (*rooms, *(f"{package}." for package in trust))


def import_trusted(packages: Sequence[str]) -> None:
    """Import what the user trusts: a package may bring kinds of rows, which `kinds.register` makes known."""
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise UsageError(f"trust={package} cannot be imported ({error})") from None
