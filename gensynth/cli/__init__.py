"""The command line: what a person types, through Hydra, to a `Job`. The only room that knows Hydra."""

from gensynth.cli.main import compose, main, run

__all__ = ["compose", "main", "run"]
