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

from gensynth.samplers.text_language import Language
from gensynth.samplers.text_sentences import clause_reordering, sentence_shuffle
from gensynth.samplers.text_templates import paraphrase
from gensynth.samplers.text_words import (
    case_noise,
    punctuation_insertion,
    random_deletion,
    random_insertion,
    synonym_replacement,
    typo_noise,
    word_swap,
)

Operation = Callable[[str, float, np.random.Generator, Language], str]

OPERATIONS: dict[str, Operation] = {
    operation.__name__: operation
    for operation in (
        sentence_shuffle,
        word_swap,
        synonym_replacement,
        random_insertion,
        random_deletion,
        punctuation_insertion,
        clause_reordering,
        paraphrase,
        case_noise,
        typo_noise,
    )
}
