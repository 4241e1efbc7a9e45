"""What looks like a person, in columns and texts, and what does not."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED

from gensynth.data.explore import explore, explore_lines, find_personal
from gensynth.data.identifiers import find, flag_columns, flag_texts, iban_fits, luhn, masked
from gensynth.data.table_source import read_breast_cancer, read_table
from gensynth.data.text_source import read_text

FIRST = ("Ann", "Bo", "Chidi", "Dáša", "Émile", "Fatima", "Gus", "Hanna")
LAST = ("Lee", "O'Brien", "Okafor", "Nováková", "Zola", "al-Sayed", "van Dyk", "Smith")
NAMES = [f"{first} {last}" for first in FIRST for last in LAST]


def kinds(text: str) -> list[str]:
    return [kind for _, _, kind in find(text)]


def flagged(**columns: list[str]) -> dict[str, str]:
    frame = pd.DataFrame({name: np.array(cells, object) for name, cells in columns.items()})
    return {facts["column"]: facts["kind"] for facts in flag_columns(frame)}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to ann.lee+x@mail.example.org, please", "email"),
        ("mail naïve@exämple.de", "email"),
        ("550e8400-e29b-41d4-a716-446655440000", "uuid"),
        ("pay DE89 3704 0044 0532 0130 00 today", "iban"),
        ("GB82WEST12345698765432", "iban"),
        ("card 4539 5787 6362 1486", "credit_card"),
        ("ssn 078-05-1120", "national_id"),
        ("QQ 12 34 56 C is none, AB 12 34 56 C is one", "national_id"),
        ("from 192.168.0.1", "ip"),
        ("from 2001:db8::8a2e:370:7334", "ip"),
        ("call 08718730666", "phone"),
        ("call08718730666 now", "phone"),
        ("ring +49 (0)30 901820", "phone"),
        ("ring (555) 123-4567", "phone"),
        ("ring 555.123.4567", "phone"),
        ("tel. 01 23 45 67 89", "phone"),
    ],
)
def test_each_kind_is_found(text, kind):
    assert kinds(text) == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-01-31 10:15:00",
        "31.01.2024",
        "0.1234567890123",
        "1234567890",
        "-12345678.123456",
        "000000000000",
        "10 20 30 40 50 60",
        "4539 5787 6362 1487",
        "DE88 3704 0044 0532 0130 00",
        "999.1.1.1",
        "12:30:45",
        "a@b",
        "@handle and #tag",
        "version 1.2.3",
        "1,234,567,890",
        "ratio 3-0-5",
    ],
)
def test_numbers_dates_and_the_like_are_no_people(text):
    assert kinds(text) == []


def test_check_digits_against_a_plain_reading_of_the_rules():
    rng = np.random.default_rng(0)
    for digits in ("".join(map(str, rng.integers(0, 10, 16))) for _ in range(200)):
        doubled = [int(d) * (2 if i % 2 == 0 else 1) for i, d in enumerate(digits)]
        assert luhn(digits) == (sum(sum(map(int, str(d))) for d in doubled) % 10 == 0)
    assert iban_fits("FR1420041010050500013M02606")
    assert not iban_fits("FR1420041010050500013M02607")


def test_columns_are_flagged_by_form_name_and_capitals():
    n = len(NAMES)
    found = flagged(
        contact=[f"{name.split()[0].lower()}@example.org" for name in NAMES],
        person=NAMES,
        surname=[name.split()[1].lower() for name in NAMES],
        mobile=[f"7700{900000 + i}" for i in range(n)],
        tel_work=[f"+44 20 7946 {i:04d}" for i in range(n)],
        zip=[f"{10000 + i}" for i in range(n)],
        dob=[f"19{50 + i % 40}-0{i % 9 + 1}-11" for i in range(n)],
        street=[f"{i} Baker Street" for i in range(n)],
        city=["New York", "San Francisco", "Los Angeles", "Las Vegas"] * (n // 4),
        amount=[f"{i}.25" for i in range(n)],
        hotel=["Ritz", "Adlon"] * (n // 2),
        family_size=[str(i % 5) for i in range(n)],
        cell_type=["RBC", "WBC"] * (n // 2),
    )
    assert found == {
        "contact": "email",
        "person": "name",
        "surname": "name",
        "mobile": "phone",
        "tel_work": "phone",
        "zip": "postcode",
        "dob": "date_of_birth",
        "street": "address",
    }


BEHIND = [f"{last}, {first}" for first in FIRST for last in LAST]


@pytest.mark.parametrize("names", [NAMES, BEHIND, [f"{name} Maria" for name in BEHIND], [n.upper() for n in BEHIND]])
@pytest.mark.parametrize("rows", [8, 15, 30, 64])
def test_full_names_are_people_however_few_where_all_differ(names, rows):
    assert flagged(p=names[::7][:rows] if rows < 10 else names[:rows]) == {"p": "name"}
    gaps = names[:rows] + [""] * rows
    assert flagged(p=gaps) == {"p": "name"}


def test_few_words_that_come_back_or_are_no_names_are_not_people():
    assert flagged(city=["New York", "San Francisco", "Los Angeles", "Las Vegas"] * 3) == {}
    assert flagged(drink=["Beer, cold", "Wine, red", "Tea, green", "Milk, warm", "Water, still", "Juice, fresh"]) == {}
    assert flagged(p=BEHIND[:3]) == {}


def test_few_full_names_stand_in_no_synthetic_row(tmp_path):
    """Fifteen of 120 rows have a name: they would be fifteen categories."""
    rng = np.random.default_rng(0)
    who = np.full(120, "", object)
    who[rng.permutation(120)[:15]] = BEHIND[:15]
    frame = pd.DataFrame({"who": who, "x": rng.normal(size=120).round(2), "label": ["a", "b"] * 60})
    frame.to_csv(tmp_path / "t.csv", index=False)
    source = read_table(str(tmp_path / "t.csv"))
    facts = {column["name"]: column for column in source.data.schema.fields["columns"]}
    assert facts["who"]["kind"] == "text"
    assert not any(name in json.dumps(facts, ensure_ascii=False) for name in BEHIND)
    assert any('"who" looks like people' in note for note in source.notes)
    assert not any(name in note for note in source.notes for name in BEHIND)


def test_one_address_in_a_column_of_notes_is_enough_and_shares_are_counted_in_rows():
    notes = [f"seen on day {i}" for i in range(999)] + ["mail ann@example.org"]
    (facts,) = flag_columns(pd.DataFrame({"note": np.array(notes, object)}))
    assert (facts["kind"], facts["share"], facts["examples_masked"]) == ("email", 0.001, ["m***@***"])
    cells = ["ann@example.org"] * 3 + ["none"] * 1 + [""] * 6
    (facts,) = flag_columns(pd.DataFrame({"x": np.array(cells, object)}))
    assert facts["share"] == 0.75


def test_texts_are_counted_by_kind():
    texts = np.array(["call 08718730666 or 08718730667", "hello", "a@b.org 08718730666", "x"], object)
    assert flag_texts(texts, "t") == [
        {"column": "t", "kind": "phone", "rows": 2, "share": 0.5, "examples_masked": ["###########"]},
        {"column": "t", "kind": "email", "rows": 1, "share": 0.25, "examples_masked": ["a***@***"]},
    ]


def test_masked_examples_keep_no_word():
    for kind, text in (("name", "Ann Lee"), ("email", "ann@example.org"), ("identifier", "AB12-xyz")):
        shown = masked(kind, text)
        assert not any(part in shown for part in ("Ann", "Lee", "ann", "example", "AB", "12", "xyz"))


def test_long_cells_take_time_in_proportion():
    """A pattern that went back over what it read would take hours here; the bound is generous."""
    begun = time.process_time()
    for text in ("a" * 100_000 + "@", "1" * 100_000, "a@" * 50_000, "1-" * 50_000, "::" * 50_000, "AB12 " * 20_000):
        find(text)
    assert time.process_time() - begun < 60


def test_breast_cancer_names_nobody():
    assert flag_columns(read_breast_cancer().cells) == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="the development data are not here")
def test_real_tables_without_people_raise_no_alarm():
    for name in ("adult/adult-train.csv", "mammography/mammography.csv", "oil-spill/oil-spill.csv"):
        source = read_table(str(SHARED / name), label="-1", header=False)
        assert find_personal(source) == [], name


@pytest.mark.skipif(not SHARED.is_dir(), reason="the development data are not here")
def test_telephone_numbers_of_spam_are_found(tmp_path):
    collection = (SHARED / "sms-spam/SMSSpamCollection").read_text(encoding="utf-8")
    (tmp_path / "sms.tsv").write_text("label\ttext\n" + collection, encoding="utf-8")
    source = read_text(str(tmp_path / "sms.tsv"), text="text")
    labels = np.array(source.data.schema.classes)[source.data.y]
    hits = np.array(["phone" in kinds(text) for text in source.data.x])
    assert hits[labels == "spam"].sum() >= 380
    assert hits[labels == "ham"].sum() <= 3


def test_explore_says_so_without_showing_anybody(tmp_path):
    lines = [f"{NAMES[i % 64]},u{i}@example.org,C{i:04d}x,{i % 7}.5,{'yes' if i % 3 else 'no'}" for i in range(90)]
    path = tmp_path / "people.csv"
    path.write_text("who_name,email,code,amount,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    source = read_table(str(path), groups=["who_name"])
    facts = explore(source, np.full(90, "train"))
    assert [(one["column"], one["kind"]) for one in facts["personal"]] == [
        ("who_name", "name"),
        ("email", "email"),
        ("code", "identifier"),
    ]
    assert "data.deidentify='{who_name: drop, email: drop}'" in facts["advice"][0]
    assert 'looks like email: "email", 100.0% (u***@***)' in explore_lines(facts)
    reported = json.dumps(facts, ensure_ascii=False)
    assert not any(name in reported for name in NAMES)
    assert "example.org" not in reported
