"""Changes of one text that keep its label, or mostly do: EDA, AEDA, clauses, templates, case and typing noise.

Every operation takes (text, strength, order, language) and returns a text. strength in [0, 1] is the share of
the changeable words that is changed: at least one where the operation finds one it can change, at most all of
those (so 0.0 is one change). Operations on sentences, conjunctions or template matches take the share of these.
Nothing to change: the text itself comes back. The text depends on `order` alone, a non-empty text stays
non-empty, and everything an operation does not mean to change stays byte for byte.

Sources: EDA, Wei and Zou 2019, section 2; AEDA, Karimi, Rossi and Prati 2021.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gensynth.samplers import text_words as words
from gensynth.samplers.described import operations_of
from gensynth.samplers.text_language import Language
from gensynth.samplers.text_sentences import clause_reordering, sentence_shuffle
from gensynth.samplers.text_templates import paraphrase

Operation = Callable[[str, float, np.random.Generator, Language], str]

DESCRIBED = operations_of("text")
_WORDS = (words.word_swap, words.synonym_replacement, words.random_insertion, words.random_deletion)
_NOISE = (words.punctuation_insertion, words.case_noise, words.typo_noise)
_ALL: tuple[Callable[..., str], ...] = (*_WORDS, *_NOISE, sentence_shuffle, clause_reordering, paraphrase)
OPERATIONS: dict[str, Operation] = {one.__name__: one for one in _ALL}
