"""Classical augmentation of texts: operations with a probability and a strength each, driven by the row's seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self, cast

import numpy as np

from gensynth import rng
from gensynth.data.text_languages import WordLists, found_languages, listed, word_lists
from gensynth.samplers.text_files import read_lexicon, read_templates
from gensynth.samplers.text_language import Language
from gensynth.samplers.text_operations import DESCRIBED, OPERATIONS
from gensynth.samplers.text_tokens import Protected
from gensynth.samplers.transform import NamedOperations
from gensynth.types import LabelledData


class TextTransforms(NamedOperations):
    """Real texts with words swapped, left out, replaced, misspelt: EDA, AEDA and their kin, in the set's languages.

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
        self._allowed, self._protect = self.used, frozenset(word.casefold() for word in map(str, protect))
        self._language = Language(
            Protected(self._protect),
            read_lexicon(Path(lexicon)) if lexicon else {},
            read_templates(Path(templates)) if templates else (),
        )

    def fit(self, train: LabelledData) -> Self:
        """Take the languages that the reader settled, else those that are found; operations without lists are off."""
        fields = train.schema.fields
        codes = tuple(fields["languages"]) if "languages" in fields else found_languages(train.x.tolist())
        self._know(word_lists(codes))
        return super().fit(train)

    def _know(self, lists: WordLists | None) -> None:
        """Work with these lists; without any, only with operations that need none, and all known negations stay."""
        self.unlisted = () if lists else tuple(name for name in self._allowed if DESCRIBED[name].lists)
        self.used = {name: one for name, one in self._allowed.items() if name not in self.unlisted}
        self.at_risk(any(DESCRIBED[name].risk for name in self.used))
        best = lists or cast(WordLists, word_lists(listed()))
        self._language = replace(self._language, protected=Protected(self._protect, best.negations), lists=best)

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
