"""gensynth: from an imbalanced labelled data set to a balanced one, with proof of what it is worth."""

__version__ = "0.1.0"
