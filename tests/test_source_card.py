"""What a person says of the source: read or refused with a line, carried on, and of two sources the stricter."""

from __future__ import annotations

import itertools
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from gensynth.errors import DataError, UsageError
from gensynth.provenance.licence import NOT_RECORDED, RANKS, hub_name, licence_page, rank, stricter_licence, terms
from gensynth.provenance.source_card import KEYS, SourceCard, find_source_card, read_source_card, stricter, warnings

EITHER = "CC-BY-SA-4.0 OR GPL-3.0-only"
FULL = """\
title: Chest films of one clinic
source: https://example.org/films
licence: CC-BY-NC-4.0
licence_url: https://example.org/terms
consent: written, 2019, for research
contains_people: true
sensitive: [health, sex]
collection: one machine, 2015 to 2018
intended_use: teaching
not_for:
  - diagnosis
  - selection of staff
limits: one city
contact: films@example.org
citation: |
  @misc{films,
    year = 2019}
published: 2026-01-31
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "card.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_full_card_is_read_and_comes_back_from_json(tmp_path):
    card = read_source_card(written(tmp_path, FULL))
    assert card.contains_people is True
    assert card.sensitive == ("health", "sex")
    assert card.limits == ("one city",)
    assert card.published == "2026-01-31"
    assert card.citation == "@misc{films,\n  year = 2019}"
    assert NOT_RECORDED not in [getattr(card, field.name) for field in fields(card)]
    assert SourceCard.from_json(json.loads(json.dumps(card.to_json()))) == card
    assert warnings(card) == []


def test_an_empty_card_records_nothing(tmp_path):
    card = read_source_card(written(tmp_path, ""))
    assert card == SourceCard() == SourceCard.from_json(SourceCard().to_json())
    assert card.to_json()["contains_people"] == "unknown"
    assert card.licence == card.consent == NOT_RECORDED


@pytest.mark.parametrize(
    ("text", "people"),
    [("yes", True), ("no", False), ("'False'", False), ("unknown", None), ("Unknown", None), ("", None)],
)
def test_people_in_many_spellings(tmp_path, text, people):
    assert read_source_card(written(tmp_path, f"contains_people: {text}\n")).contains_people is people


def test_american_spelling_is_read(tmp_path):
    card = read_source_card(written(tmp_path, "license: MIT\nlicense_url: https://x.org\npurpose: play\n"))
    assert (card.licence, card.licence_url, card.intended_use) == ("MIT", "https://x.org", "play")


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("licens: MIT\n", UsageError, 'unknown key "licens"; did you mean "licence"'),
        ("- a\n- b\n", DataError, "holds no mapping"),
        ("just words\n", DataError, "holds no mapping"),
        ("title: [unclosed\n", DataError, r"card.yaml is not YAML \(line 2\)"),
        (b"title: \xff\xfe\n", DataError, "not UTF-8"),
        (
            "title: {a: 1}\ncontains_people: maybe\nconsent: true\n",
            DataError,
            "title: text is expected, got dict\n  - contains_people: true, false or .*'maybe'\n  - consent: text",
        ),
        ("sensitive: [a, {b: 1}]\n", DataError, "sensitive: text is expected, got dict"),
        ("published: soon\n", DataError, "published: a date like 2026-01-31"),
        ("published: 2026-13-45\n", DataError, "card.yaml .*\n  - published: a date like 2026-01-31 .* '2026-13-45'"),
        ("published: 2026-01-31 25:00:00\n", DataError, "card.yaml .*\n  - published: a date like"),
        ("title: 0b_\n", DataError, "card.yaml is not YAML"),
        ("source: /home/ann/films\n", DataError, "source: a place on a disk"),
        ("source: 'C:\\films'\n", DataError, "source: a place on a disk"),
        ("title: !!python/object/apply:os.system [ls]\n", DataError, "is not YAML"),
    ],
)
def test_a_wrong_card_is_refused_with_a_line(tmp_path, text, error, words):
    with pytest.raises(error, match=words) as caught:
        read_source_card(written(tmp_path, text))
    assert str(tmp_path) not in str(caught.value)


def test_a_card_that_is_not_there_or_is_a_book_is_refused(tmp_path):
    with pytest.raises(UsageError, match="data.card=no.yaml: there is no such file"):
        read_source_card(tmp_path / "no.yaml")
    with pytest.raises(DataError, match="larger than"):
        read_source_card(written(tmp_path, "title: " + "x" * 2**20))


def test_a_card_travels_with_a_folder_and_beside_a_file(tmp_path):
    assert find_source_card(tmp_path) is None
    card = SourceCard(licence="MIT", contains_people=False)
    (tmp_path / "source_card.json").write_text(json.dumps(card.to_json()))
    assert find_source_card(tmp_path) == card
    assert find_source_card(tmp_path / "train.csv") == card
    (tmp_path / "source_card.json").write_text("{")
    with pytest.raises(DataError, match="source_card.json beside the data is not JSON"):
        find_source_card(tmp_path)


@pytest.mark.parametrize(
    ("card", "codes"),
    [
        (SourceCard(), ["consent_missing", "licence_missing"]),
        (SourceCard(consent="given"), ["licence_missing"]),
        (SourceCard(licence="MIT", contains_people=False), ["consent_missing"]),
    ],
)
def test_what_is_missing_is_a_warning(card, codes):
    assert [w["code"] for w in warnings(card)] == codes


def test_the_warning_of_consent_says_who_is_in_the_data():
    texts = [warnings(SourceCard(contains_people=people))[0]["text"] for people in (True, None, False)]
    assert "are about people" in texts[0]
    assert "nobody has said" in texts[1]
    assert "not about people" in texts[2]


@pytest.mark.parametrize(
    ("a", "b", "merged"),
    [
        ("MIT", "MIT", "MIT"),
        ("CC0-1.0", "CC-BY-4.0", "CC-BY-4.0"),
        ("CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-SA-4.0"),
        ("CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-4.0 AND CC-BY-SA-4.0"),
        ("CC-BY-NC-4.0", "CC-BY-ND-4.0", "CC-BY-ND-4.0 AND CC-BY-NC-4.0"),
        ("MIT", "ask the clinic", "ask the clinic"),
        ("ask the clinic", "ask the clinic", "ask the clinic"),
        ("MIT", NOT_RECORDED, NOT_RECORDED),
        (EITHER, "CC-BY-NC-4.0", f"CC-BY-NC-4.0 AND ({EITHER})"),
        (f"({EITHER})", "CC-BY-NC-4.0", f"CC-BY-NC-4.0 AND ({EITHER})"),
        (EITHER, "ODbL-1.0", f"({EITHER}) AND ODbL-1.0"),
        (EITHER, "MIT", EITHER),
        ("MIT OR GPL-3.0-only", "CC-BY-NC-4.0", "CC-BY-NC-4.0"),
        ("ask Ann or Bob", "CC-BY-NC-4.0", "(ask Ann or Bob) AND CC-BY-NC-4.0"),
    ],
)
def test_the_stricter_licence_holds(a, b, merged):
    assert stricter_licence(a, b) == stricter_licence(b, a) == merged


def test_licences_are_gathered_once_and_a_choice_stays_one():
    for a, b, c in itertools.permutations((EITHER, "CC-BY-NC-4.0", "ODbL-1.0")):
        both = stricter_licence(stricter_licence(a, b), c)
        assert sorted(terms(both)) == sorted((f"({EITHER})", "CC-BY-NC-4.0", "ODbL-1.0"))
        assert stricter_licence(both, a) == stricter_licence(b, both) == both
        assert rank(both) == rank("CC-BY-NC-4.0")


def test_ranks_follow_the_order_of_licences():
    chain = ["Apache-2.0", "CC-BY-4.0", "ODbL-1.0", "CC-BY-NC-SA-4.0", "CC-BY-NC-ND-4.0", "whatever"]
    assert [rank(name) for name in chain] == list(range(len(RANKS)))
    assert rank("MIT OR whatever") == 0
    assert rank("(MIT) AND (CC-BY-4.0)") == 1
    assert rank("CC-BY-NC-4.0 AND CC-BY-SA-4.0 OR MIT") == 0  # AND binds tighter
    assert rank("CC-BY-NC-4.0 AND (CC-BY-SA-4.0 OR MIT)") == 3
    assert rank("((MIT AND CC-BY-4.0) OR (CC-BY-SA-4.0 AND (ODbL-1.0 OR whatever)))") == 1
    assert rank("MIT) OR (MIT") == rank("(MIT OR MIT") == len(RANKS) - 1
    assert licence_page("whatever") == ""
    assert hub_name("GPL-3.0-only") == "gpl-3.0"


def cards() -> list[SourceCard]:
    licences, people = ("MIT", "CC-BY-NC-4.0", "CC-BY-SA-4.0", NOT_RECORDED), (True, False, None)
    return [
        SourceCard(
            title=f"t{i}",
            licence=licence,
            contains_people=who,
            consent=consent,
            sensitive=(f"s{i % 2}",),
            not_for=(f"n{i % 3}",),
            limits=("l",),
        )
        for i, (licence, who, consent) in enumerate(itertools.product(licences, people, ("given", NOT_RECORDED)))
    ]


def test_two_sources_are_never_laxer_than_either():
    for a, b in itertools.product(cards(), repeat=2):
        both = stricter(a, b)
        assert rank(both.licence) >= max(rank(a.licence), rank(b.licence))
        assert (both.consent == NOT_RECORDED) == (NOT_RECORDED in (a.consent, b.consent))
        assert (both.contains_people is False) == (a.contains_people is False and b.contains_people is False)
        assert (both.contains_people is True) == (True in (a.contains_people, b.contains_people))
        for key in ("sensitive", "not_for", "limits"):
            assert set(getattr(both, key)) == set(getattr(a, key)) | set(getattr(b, key))
        other = stricter(b, a)
        assert {k: sorted(str(v).split("; ")) for k, v in both.to_json().items() if k in ("licence", "consent")} == {
            k: sorted(str(v).split("; ")) for k, v in other.to_json().items() if k in ("licence", "consent")
        }


def test_a_source_with_itself_is_itself():
    for card in cards():
        assert stricter(card, card) == replace(card, published=NOT_RECORDED)


def test_the_address_of_the_terms_follows_the_licence():
    a, b = SourceCard(licence="MIT", licence_url="u1"), SourceCard(licence="CC-BY-4.0", licence_url="u2")
    assert stricter(a, b).licence_url == "u2"
    c = SourceCard(licence="CC-BY-SA-4.0", licence_url="u3")
    d = SourceCard(licence="CC-BY-NC-4.0", licence_url="u4")
    assert set(stricter(c, d).licence_url.split("; ")) == {"u3", "u4"}
    assert stricter(a, SourceCard(licence_url="u5")).licence_url == NOT_RECORDED
    e = SourceCard(licence=EITHER, licence_url="u6")
    once = stricter(stricter(e, d), a)
    assert (once.licence, set(once.licence_url.split("; "))) == (f"CC-BY-NC-4.0 AND ({EITHER})", {"u4", "u6"})
    for card in (e, d, once):
        again = stricter(once, card)
        assert (again.licence, again.licence_url) == (once.licence, once.licence_url)
    assert set(stricter(once, c).licence_url.split("; ")) == {"u3", "u4", "u6"}


def test_every_key_is_known():
    assert set(KEYS) == {field.name for field in fields(SourceCard)} == set(SourceCard().to_json())
