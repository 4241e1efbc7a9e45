"""Texts change in their own language: its negations stay, and without word lists no operation on words runs."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from gensynth.data.text_languages import found_languages, language_note, listed, word_lists
from gensynth.data.text_source import read_text
from gensynth.errors import UsageError
from gensynth.samplers.described import operations_of
from gensynth.samplers.text import TextTransforms
from gensynth.samplers.text_tokens import tokens
from gensynth.types import LabelledData, Schema

SENTENCES = {
    "en": ["The food was good and we liked it a lot.", "There is no room with a view, but they were kind.",
           "I would not go there again without a friend.", "She never said what it was for."],
    "de": ["Das Essen war gut und wir waren sehr froh.", "Das ist kein gutes Hotel, aber die Aussicht ist schön.",
           "Ich würde dort nicht ohne einen Freund hingehen.", "Sie hat nie gesagt, was es ist."],
    "fr": ["Le repas était bon et nous avons aimé la vue.", "Je n’ai pas vu la chambre, mais elle est petite.",
           "On ne part jamais sans un ami dans cette ville.", "Il n'y a aucune raison de venir ici avec eux."],
    "es": ["La comida estaba muy buena y nos gusta el lugar.", "No es un buen hotel, pero la vista es muy bonita.",
           "Nunca voy a ese sitio sin un amigo.", "No hay nadie que me diga lo que es."],
    "it": ["Il cibo era molto buono e la vista è bella.", "Non è un buon albergo, ma il posto mi piace.",
           "Non vado mai in quel posto senza un amico.", "Nessuno mi ha detto che cosa è questo."],
    "nl": ["Het eten was goed en we hebben van de dag genoten.", "Dat is geen goed hotel, maar het uitzicht is mooi.",
           "Ik zou daar niet zonder een vriend naar toe gaan.", "Ze heeft nooit gezegd wat het is."],
    "pt": ["A comida estava muito boa e o lugar é bonito.", "Não é um bom hotel, mas a vista é muito bonita.",
           "Eu nunca vou a esse lugar sem um amigo.", "Não há ninguém que me diga o que é isso."],
}  # fmt: skip
NEGATIONS = {
    "en": ["no", "not", "never", "without"],
    "de": ["kein", "nicht", "nie", "ohne"],
    "fr": ["n’ai", "pas", "ne", "jamais", "sans", "n'y", "aucune"],
    "es": ["No", "Nunca", "sin", "nadie"],
    "it": ["Non", "mai", "senza", "Nessuno"],
    "nl": ["geen", "niet", "zonder", "nooit"],
    "pt": ["Não", "nunca", "sem", "ninguém"],
}
OTHERS = {
    "pl": ["To nie jest dobry hotel, ale widok jest bardzo ładny.", "Nigdy już nie pójdę tam, bo to za daleko."],
    "ca": ["No és un bon hotel, però la vista és molt bonica.", "Mai no hi vaig sense un amic amb qui parlar."],
    "sv": ["Det är inte ett bra hotell, men jag tycker om det.", "Jag går aldrig dit utan en vän som kan vägen."],
    "af": ["Dit is nie 'n goeie hotel nie, maar ek hou van dit.", "Ek sal nooit daar gaan nie, want dit was mooi."],
    "zh": ["我不喜欢这部电影。", "这不是一个好酒店。"],
}  # fmt: skip
ON_WORDS = ("word_swap", "random_deletion", "typo_noise", "clause_reordering")


def rows(texts: list[str], languages: list[str] | None = None) -> LabelledData:
    fields = {} if languages is None else {"languages": languages}
    x = np.array(texts, dtype=object)
    return LabelledData.of_real(x, np.zeros(len(x), int), Schema("text", ("a",), fields))


def transforms(*names: str, strength: float = 0.5, lexicon: str = "") -> TextTransforms:
    chosen = {name: {"probability": 1.0, "strength": strength} for name in names}
    return TextTransforms(chosen, lexicon, "", [], list(names))


def changed(sampler: TextTransforms, texts: list[str], times: int = 60) -> list[str]:
    """Every text changed that many times, text by text."""
    x = np.repeat(np.array(texts, dtype=object), times)
    return sampler.change(x, np.zeros(len(x), int), np.arange(len(x), dtype=np.uint64))[0].tolist()


def held(text: str, negations: list[str]) -> list[str]:
    return [word for word in tokens(unicodedata.normalize("NFC", text)) if word in negations]


@pytest.mark.parametrize("code", SENTENCES)
def test_a_listed_language_is_found(code):
    assert found_languages(SENTENCES[code]) == (code,)
    assert code in listed()


@pytest.mark.parametrize("code", OTHERS)
def test_a_language_without_lists_is_not_taken_for_one_with(code):
    found = found_languages(OTHERS[code])
    assert found in ((code,), ())
    assert word_lists(found) is None


def test_names_and_numbers_are_no_language():
    assert found_languages(["Samsung Galaxy 64GB", "Nokia 3310 blue", "", "iPhone case leather"]) == ()
    assert found_languages([]) == ()


def test_of_two_languages_both_are_found():
    mixed = SENTENCES["de"] * 6 + SENTENCES["en"] * 3
    assert found_languages(mixed) == ("de", "en")
    assert {"kein", "not"} <= word_lists(("de", "en")).negations


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("operation", ["random_deletion", "typo_noise", "word_swap"])
@pytest.mark.parametrize("code", SENTENCES)
def test_negations_of_every_listed_language_stay(code, operation, form):
    texts = [unicodedata.normalize(form, text) for text in SENTENCES[code]]
    sampler = transforms(operation, strength=1.0).fit(rows(texts))
    assert sampler.unlisted == ()
    new = changed(sampler, texts)
    for i, text in enumerate(texts):
        before = held(text, NEGATIONS[code])
        assert all(held(one, NEGATIONS[code]) == before for one in new[60 * i : 60 * i + 60])
    assert set(NEGATIONS[code]) == {word for text in texts for word in held(text, NEGATIONS[code])}
    assert set(new) - set(texts)


@pytest.mark.parametrize("code", OTHERS)
def test_without_lists_no_operation_on_words_runs(code):
    texts = OTHERS[code] * 3
    sampler = transforms(*ON_WORDS, "punctuation_insertion").fit(rows(texts))
    assert set(sampler.unlisted) == set(ON_WORDS)
    assert [name for name, _ in sampler.operations()] == ["punctuation_insertion"]
    assert not sampler.gated
    reasons = dict(sampler.reasons_left_out())
    assert "data.language=CODE" in reasons["operations_without_language"]
    kept = ["".join(c for c in new if c not in ".;?:!, ") for new in changed(sampler, texts, 2)]
    assert kept == ["".join(c for c in text if c not in ".;?:!, ") for text in texts for _ in range(2)]


def test_a_stated_language_wins():
    terse = ["kein Empfang", "Empfang gut", "kein Ton"] * 4
    assert transforms("random_deletion").fit(rows(terse)).unlisted == ("random_deletion",)
    stated = transforms("random_deletion", strength=1.0).fit(rows(terse, ["de"]))
    assert all(new == "kein" for new in changed(stated, ["kein Empfang"]))


def test_fitting_again_brings_operations_back():
    sampler = transforms("random_deletion").fit(rows(OTHERS["pl"]))
    assert sampler.used == {}
    assert list(sampler.fit(rows(SENTENCES["it"])).used) == ["random_deletion"]
    assert sampler.gated


def test_clauses_change_places_around_the_conjunction_of_the_language():
    text = "Das Zimmer war klein und die Leute waren laut."
    sampler = transforms("clause_reordering").fit(rows(SENTENCES["de"]))
    assert changed(sampler, [text], 3) == ["Die Leute waren laut und das Zimmer war klein."] * 3


@pytest.mark.parametrize(("code", "near"), [("en", "qwsz"), ("de", "qwsy"), ("fr", "zq")])
def test_slips_go_to_keys_of_the_keyboard(code, near):
    sampler = transforms("typo_noise", strength=1.0).fit(rows(SENTENCES[code], [code]))
    last = {new[3] for new in changed(sampler, ["bbba"], 400) if len(new) == 4 and new[:3] == "bbb"} - {"a", "b"}
    assert last == set(near)


def test_the_reader_settles_the_language_and_reports_it(tmp_path):
    lines = [f'"{text}",{"ab"[i % 2]}' for i, text in enumerate(SENTENCES["fr"] * 2)]
    (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    source = read_text(str(tmp_path / "t.csv"), text="text")
    assert source.data.schema.fields["languages"] == ["fr"]
    assert any("French (fr)" in note and "data.language=CODE" in note for note in source.notes)
    stated = read_text(str(tmp_path / "t.csv"), text="text", language="pl")
    assert any("no word lists for pl" in note for note in stated.notes)
    with pytest.raises(UsageError, match=r"data\.language=french is no code"):
        read_text(str(tmp_path / "t.csv"), text="text", language="french")


def test_the_note_on_an_unknown_language_names_the_key():
    assert "do not run; data.language=CODE states one of en, de" in language_note("auto", ())


@pytest.mark.parametrize("code", listed())
def test_lists_are_whole(code):
    lists = word_lists((code,))
    assert min(map(len, (lists.negations, lists.abbreviations, lists.starters, lists.conjunctions))) >= 3
    assert len(lists.keyboard) == 3
    assert not lists.negations & lists.conjunctions
    assert all(word == unicodedata.normalize("NFC", word).casefold() for word in lists.negations | lists.starters)


def test_operations_on_words_say_that_they_need_lists():
    assert {name for name, one in operations_of("text").items() if one.lists} >= {*ON_WORDS, "synonym_replacement"}
