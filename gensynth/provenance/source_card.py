"""What a person says of the source data: licence, consent, who is in it, what it is for. `data.card=card.yaml`.

It travels as `source_card.json` with every data set, and with every generator, made from the source.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from gensynth.errors import DataError, UsageError, nearest
from gensynth.provenance.licence import NOT_RECORDED, licence_page, stricter_licence, terms

FILE = "source_card.json"
LARGEST_BYTES = 2**20
_LISTS = ("sensitive", "not_for", "limits")
_OTHER_NAMES = {"license": "licence", "license_url": "licence_url", "purpose": "intended_use"}
_PEOPLE = {True: True, False: False, "yes": True, "no": False, "true": True, "false": False, "unknown": None}


@dataclass(frozen=True)
class SourceCard:
    """Facts of a source; what nobody wrote down is "not recorded", an empty list, or None.

    source           address or words: where the data come from
    licence          SPDX identifier or text; licence_url: where its terms can be read
    consent          note on what the people in the data agreed to, or why none is needed
    contains_people  whether rows are about people; None: unknown
    sensitive        attributes that need care (health, origin, age ...)
    not_for          uses that are refused
    published        date on which the data set made from it is published, YYYY-MM-DD
    """

    title: str = NOT_RECORDED
    source: str = NOT_RECORDED
    licence: str = NOT_RECORDED
    licence_url: str = NOT_RECORDED
    consent: str = NOT_RECORDED
    contains_people: bool | None = None
    sensitive: tuple[str, ...] = ()
    collection: str = NOT_RECORDED
    intended_use: str = NOT_RECORDED
    not_for: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    contact: str = NOT_RECORDED
    citation: str = NOT_RECORDED
    published: str = NOT_RECORDED

    @property
    def about_people(self) -> str:
        """Whether rows are about people, in a word."""
        return {True: "yes", False: "no", None: "unknown"}[self.contains_people]

    @property
    def page(self) -> str:
        """Where the terms can be read: the address that was given, or that of a known licence, else ""."""
        return self.licence_url if self.licence_url != NOT_RECORDED else licence_page(self.licence)

    def to_json(self) -> dict[str, Any]:
        """Plain values; contains_people is true, false or "unknown"."""
        people = "unknown" if self.contains_people is None else self.contains_people
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return values | {"contains_people": people}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> SourceCard:
        """Inverse of `to_json`; raises like `read_source_card`."""
        return _card(facts, FILE)


def card_of(facts: Mapping[str, Any]) -> SourceCard:
    """The source card among the facts of a data set or generator; an empty one where there is none."""
    return SourceCard.from_json(facts.get("source_card") or {})


class _AsWritten(yaml.SafeLoader):
    """YAML whose dates stay text, so that one which no calendar has is refused with its key."""


_AsWritten.add_constructor("tag:yaml.org,2002:timestamp", yaml.SafeLoader.construct_yaml_str)

KEYS = tuple(field.name for field in fields(SourceCard))


def read_source_card(path: Path) -> SourceCard:
    """The card in a YAML file.

    UsageError for a file that is not there and for a key that is unknown, DataError for YAML that cannot be read and,
    with a line for each, for values of the wrong kind.
    """
    if not path.is_file():
        raise UsageError(
            f"data.card={path.name}: there is no such file; a card is YAML with keys like licence, consent"
        )
    try:
        facts = yaml.load(_text(path), _AsWritten)  # noqa: S506  (a safe loader)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise DataError(f"{path.name} is not YAML{where}: {getattr(error, 'problem', '') or 'malformed'}") from None
    return _card({} if facts is None else facts, path.name)


def find_source_card(data: Path) -> SourceCard | None:
    """The card that lies with data of an earlier run: in the folder, or beside the file; None where there is none."""
    path = (data if data.is_dir() else data.parent) / FILE
    if not path.is_file():
        return None
    try:
        facts = json.loads(_text(path))
    except ValueError:
        raise DataError(f"{FILE} beside the data is not JSON; take it away or mend it") from None
    return _card(facts, FILE)


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST_BYTES:
        raise DataError(f"{path.name} is larger than {LARGEST_BYTES} bytes; a card is a page of text")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not UTF-8 text") from None


def _card(facts: object, name: str) -> SourceCard:
    if not isinstance(facts, Mapping):
        raise DataError(f"{name} holds no mapping; write lines like  licence: CC-BY-4.0")
    values: dict[str, Any] = {}
    problems = []
    for written, value in facts.items():
        key = _OTHER_NAMES.get(str(written), str(written))
        if key not in KEYS:
            raise UsageError(f'{name}: unknown key "{written}"; {nearest(str(written), KEYS)}')
        try:
            values[key] = _value(key, value)
        except ValueError as error:
            problems.append(f"{written}: {error}")
    if problems:
        raise DataError(f"{name} holds values of the wrong kind", problems)
    return SourceCard(**values)


def _value(key: str, value: object) -> Any:
    if key == "contains_people":
        spelled = value.strip().lower() if isinstance(value, str) else value
        if value is not None and not (isinstance(spelled, bool | str) and spelled in _PEOPLE):
            raise ValueError(f"true, false or unknown is expected, got {value!r}")
        return None if value is None else _PEOPLE[spelled]
    if key in _LISTS:
        items = [] if value is None else value if isinstance(value, list) else [value]
        texts = [_line(item) for item in items]
        return tuple(text for text in texts if text != NOT_RECORDED)
    text = _line(value)
    if key == "published" and text != NOT_RECORDED:
        try:
            datetime.date.fromisoformat(text)
        except ValueError:
            raise ValueError(f"a date like 2026-01-31 is expected, got {text!r}") from None
    if key == "source" and re.match(r"/|~|\\|file:|[A-Za-z]:[\\/]", text):
        raise ValueError("a place on a disk tells others nothing, and it would travel; say whose data it is")
    return text


def _line(value: object) -> str:
    """Text as it was written, without space around it; a number is taken as it reads."""
    if isinstance(value, bool) or not (value is None or isinstance(value, str | int | float | datetime.date)):
        raise ValueError(f"text is expected, got {type(value).__name__}")
    return NOT_RECORDED if value is None else str(value).strip() or NOT_RECORDED


def stricter(a: SourceCard, b: SourceCard) -> SourceCard:
    """The card of data made from two sources: of licence, consent and people the stricter, of all else both.

    Consent that one source does not record is not recorded; rows are about people unless both say that they are not.
    """
    licence = stricter_licence(a.licence, b.licence)
    held = [card for card in (a, b) if set(terms(card.licence)) <= set(terms(licence))]
    pages = [page for card in held for page in card.licence_url.split("; ")]
    unrecorded, people = NOT_RECORDED in (a.consent, b.consent), (a.contains_people, b.contains_people)
    both: dict[str, Any] = {
        name: _joined(getattr(a, name), getattr(b, name))
        for name in ("title", "source", "collection", "intended_use", "contact", "citation")
    }
    united: dict[str, Any] = {name: tuple(dict.fromkeys((*getattr(a, name), *getattr(b, name)))) for name in _LISTS}
    return replace(
        SourceCard(**both, **united),
        licence=licence,
        licence_url=NOT_RECORDED if licence == NOT_RECORDED else _joined(*pages, NOT_RECORDED, NOT_RECORDED),
        consent=NOT_RECORDED if unrecorded else _joined(a.consent, b.consent),
        contains_people=next((answer for answer in (True, None) if answer in people), False),
    )


def _joined(*texts: str) -> str:
    """Recorded texts one after the other, each once."""
    return "; ".join(dict.fromkeys(text for text in texts if text != NOT_RECORDED)) or NOT_RECORDED


def warnings(card: SourceCard) -> list[dict[str, str]]:
    """What a report must say is missing: {"code", "text"} each."""
    found = []
    if card.consent == NOT_RECORDED:
        about = {
            True: "the rows are about people",
            None: "nobody has said whether the rows are about people",
            False: "the card says that the rows are not about people",
        }[card.contains_people]
        text = f"no consent note is recorded, and {about}; data.card=card.yaml with consent: ... records one"
        found.append({"code": "consent_missing", "text": text})
    if card.licence == NOT_RECORDED:
        text = "no licence of the source is recorded; settle its terms before sharing (data.card with licence: ...)"
        found.append({"code": "licence_missing", "text": text})
    return found
