"""Dates whose months are named in other languages: read as instants, written in the language of their column."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from gensynth.data.columns import Column, cells_of, describe, values_of

RANDOM = np.random.default_rng(7)
STAMPS = pd.Series(pd.to_datetime(RANDOM.integers(17_000, 19_700, 200), unit="D"))
FULL = {
    "German": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "French": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "Spanish": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "Italian": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "Dutch": "januari februari maart april mei juni juli augustus september oktober november december",
    "Portuguese": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "French without accents": ("janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre"),
    "German, short": "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    "German, points": "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
    "French, short": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
    "French, short without points": "janv févr mars avr mai juin juil août sept oct nov déc",
    "Spanish, short": "ene feb mar abr may jun jul ago sep oct nov dic",
    "Italian, short": "gen feb mar apr mag giu lug ago set ott nov dic",
    "Dutch, short": "jan feb mrt apr mei jun jul aug sep okt nov dec",
}
FORMS = ["{d}. {m} {y}", "{d} {m} {y}", "{d:02d}-{m}-{y}", "{d} de {m} de {y}", "{m} {y}", "{d:02d}/{m}/{y} 14:30"]


def texts(cells) -> np.ndarray:
    return np.array(list(cells), dtype=object)


def written(form: str, names: str) -> np.ndarray:
    of_month = names.split()
    return texts(form.format(d=t.day, m=of_month[t.month - 1], y=t.year) for t in STAMPS)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("language", FULL)
@pytest.mark.parametrize("case", [str, str.upper, str.lower])
def test_months_of_other_languages_are_read_and_written(language, form, case):
    cells = written(form, case(FULL[language]))
    column = describe("day", cells)
    assert column.kind == "datetime"
    column = Column.from_json(json.loads(json.dumps(column.to_json())))
    seconds = values_of(column, cells)
    days = STAMPS.to_numpy("datetime64[D]" if "{d" in form else "datetime64[M]").astype("datetime64[s]").astype(int)
    assert (seconds == days + (14.5 * 3600 if "14:30" in form else 0)).all()
    assert cells_of(column, seconds).tolist() == cells.tolist()


def test_names_that_no_train_row_has_are_of_the_same_kind():
    """A column of half a year; the other half is written in the same language, length and case."""
    cells = written("{d}. {m} {y}", FULL["German, points"])[STAMPS.dt.month.to_numpy() > 6]
    column = describe("day", cells)
    march = pd.Timestamp("2024-03-03").timestamp()
    assert cells_of(column, np.array([march])).tolist() == ["3. März 2024"]
    assert values_of(column, texts(["3. März 2024", "3. Mär 2024", "3. mär. 2024"])).tolist() == [march] * 3


def test_months_that_english_has_too_are_english():
    cells = texts(f"{t:%d-%b-%Y}" for t in STAMPS if t.month in (1, 2, 4, 6, 7, 8, 9, 11))
    assert describe("day", cells).format == "%d-%b-%Y"


def test_small_letters_of_english_months_stay_small():
    cells = texts(f"{t:%d %B %Y}".lower() for t in STAMPS)
    column = describe("day", cells)
    assert cells_of(column, values_of(column, cells)).tolist() == cells.tolist()


def test_capitals_stay_beside_an_offset():
    cells = texts(f"{t:%d-%b-%Y %H:%M}+02:00".upper() for t in STAMPS)
    column = describe("day", cells)
    assert column.format.endswith("+02:00")
    assert cells_of(column, values_of(column, cells)).tolist() == cells.tolist()


@pytest.mark.parametrize("stated", ["%d. %B %Y", "%d. %b %Y", "de-full:%d. %b %Y"])
def test_a_stated_format_may_leave_the_language_to_the_cells(stated):
    cells = written("{d}. {m} {y}", FULL["German"])
    column = describe("day", cells, format_=stated)
    assert cells_of(column, values_of(column, cells)).tolist() == cells.tolist()


@pytest.mark.parametrize("cells", [["mai", "juni", "juli"] * 70, [f"{i} mars bars" for i in range(200)]])
def test_words_that_are_months_make_no_date(cells):
    assert describe("x", texts(cells)).kind != "datetime"
