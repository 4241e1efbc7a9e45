"""A local page over all runs."""

from gensynth.dashboard.serve import dashboard

__all__ = ["dashboard"]
