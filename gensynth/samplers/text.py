"""Classical augmentation of texts: operations with a probability and a strength each, driven by the row's seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gensynth import rng
from gensynth.samplers.text_files import read_lexicon, read_templates
from gensynth.samplers.text_language import Language
from gensynth.samplers.text_operations import DESCRIBED, OPERATIONS
from gensynth.samplers.text_tokens import Protected
from gensynth.samplers.transform import NamedOperations


class TextTransforms(NamedOperations):
    """Real texts with words swapped, left out, replaced, misspelt: EDA, AEDA and their kin.

    operations  name -> {probability, strength}; strength is the share of words that is changed; off at probability 0
                and, of those at risk, as long as `allow` does not name them
    lexicon     file of synonyms: TSV, JSON, or a WordNet data file; without one the operations that need it are off
    templates   file of pairs for paraphrase, TSV; protect: words that stay, beside negations and numbers
    allow       operations at risk that keep the labels of this data set
    UsageError for an unknown name, or a probability or strength above 1.
    """

    name = "text_transforms"
    modalities = ("text",)
    described = DESCRIBED
    draws = 1

    def __init__(
        self,
        operations: Mapping[str, Mapping[str, float]],
        lexicon: str,
        templates: str,
        protect: list[str],
        allow: list[str],
    ) -> None:
        given = {"lexicon": lexicon, "templates": templates}
        rule = (lambda one: 0 <= one["strength"] <= 1, "probability and strength must be at most 1")
        self.choose(operations, allow, rule, given)
        self._language = Language(
            Protected(frozenset(word.casefold() for word in map(str, protect))),
            read_lexicon(Path(lexicon)) if lexicon else {},
            read_templates(Path(templates)) if templates else (),
        )

    def apply(self, name: str, x: np.ndarray, draws: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, list[float]]:
        strength, out = self.used[name]["strength"], np.empty(len(x), dtype=object)
        for i, (text, seed) in enumerate(zip(x.tolist(), seeds.tolist(), strict=True)):
            out[i] = OPERATIONS[name](text, strength, rng.numpy_generator(seed, "text", name), self._language)
        return out, [strength if changed else 0.0 for changed in out != x]


class SafeText(TextTransforms):
    """The operations that keep any label, at their usual settings: the simple way to more texts."""

    name = "safe_text"

    def __init__(self) -> None:
        usual = {name: one.usual for name, one in DESCRIBED.items() if one.usual}
        super().__init__(usual, "", "", [], [])
