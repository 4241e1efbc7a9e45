"""Changes of a text: nothing but what an operation means to change changes, and protected words never do."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter

import numpy as np
import pytest

from gensynth.errors import DataError
from gensynth.samplers.described import operations_of
from gensynth.samplers.text_files import read_lexicon, read_templates
from gensynth.samplers.text_language import Language
from gensynth.samplers.text_operations import OPERATIONS
from gensynth.samplers.text_sentences import clause_reordering, sentence_shuffle
from gensynth.samplers.text_templates import paraphrase
from gensynth.samplers.text_tokens import Protected, tokens
from gensynth.samplers.text_words import (
    random_deletion,
    random_insertion,
    synonym_replacement,
    typo_noise,
    word_swap,
)

PROTECTED = Protected(frozenset({"Aspirin", "New York"}))
LEXICON = {
    "good": ("fine", "not bad"),
    "film": ("movie", "motion picture"),
    "people": ("folk",),
    "quick": ("fast", "speedy"),
    "same": ("Same",),
    "电": ("AI", "雷"),
}
TEMPLATES = (("call {x} now", "please ring {x}"), ("{who} saw {what}", "{what} was seen by {who}"))
ENGLISH = Language(PROTECTED, LEXICON, TEMPLATES)
BARE = Language(Protected(), {}, ())

ENGLISH_TEXT = (
    'Dr. Smith said "no" and left, but 1,200.50 people never saw the good film!  Call <NAME> now: mail '
    "a.b+c@mail.example.org, see https://example.org/a_(b)?q=1. Aspirin isn't quick; cannot {slot} [ID_7] @handle "
    "#tag at 12:30 in New York. It was cheap and we liked it a lot.\r\n\tWe will not come back without 3.5kg."
)
ZOO = {
    "english": ENGLISH_TEXT,
    "emoji": "I love 👩🏽‍🚀 and 🇩🇪🇫🇷 but 👨‍👩‍👧‍👦 cried ❤️ today 1️⃣ #️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿!",
    "arabic": "السلام عليكم، هذا كتابٌ جيد جداً رقم ٢٣٫٥ اليوم؟ نعم.",
    "persian": "می‌خواهم کتاب‌ها را بخوانم و بروم.",
    "hebrew": 'צה"ל הודיע היום על תרגיל גדול בצפון. מה קורה?',
    "chinese": "我不喜欢这部电影。2024年5月3日我们去了北京！价格是5元5角。",
    "japanese": "東京タワーは333メートルです。ｶﾞｷﾞがきれい。",
    "thai": "ผมไม่ชอบหนังเรื่องนี้ ราคา ๕๐ บาท น้ำ",
    "khmer and burmese": "ខ្ញុំស្រឡាញ់អ្នក ဗုဒ္ဓ မြန်မာ ພາສາລາວ",
    "korean": "나는 이 영화를 정말 좋아해요. 그리고 음악도 좋아요!",
    "hindi": "यह फ़िल्म बहुत अच्छी थी और हमें पसंद आई। क्षत्रिय",
    "marks": unicodedata.normalize("NFD", "Tiếng Việt café naïve über größe Ångström"),
    "mixed scripts": "AI我love你5年5月@bob我们A我B",
    "lines": "First line here\r\n\r\nSecond\tline there\n\n  third line follows \n",
    "zero width": "\ufeffzero\u200bwidth \u200ejoined\u200f words\u2060here\u00a0now\u00adthen\u3000wide",
    "control": "bell\x07 nul\x00 form\x0c line\u2028 para\u2029 next\x85 end",
    "surrogate": "half \ud83d pair \ude00 alone",
    "markup": "<br /><b>bold words</b> here < 5 and {{ slot }} ${name} [not closed {nor this",
    "empty": "",
    "space": " \t ",
    "signs": "?!... -- ''",
    "one word": "word",
    "one mark": "\u0301",
    "one emoji": "👍🏿",
    "upper": "THE FILM IS GOOD AND I LIKE THE PEOPLE IN IT.",
    "repeated": "the the the the. the the the the.",
}
MOVES_WHOLE_SENTENCES = ("sentence_shuffle", "clause_reordering")


def order(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def fixed(text: str) -> list[str]:
    """The words of a text that must survive."""
    return [t for t in tokens(text) if any(map(str.isalnum, t)) and not PROTECTED.allows(t)]


def changed(old: str, new: str) -> int:
    """How many tokens differ between two texts of as many tokens."""
    return sum(a != b for a, b in zip(tokens(old), tokens(new), strict=True))


@pytest.fixture(params=OPERATIONS)
def operation(request):
    return OPERATIONS[request.param]


@pytest.mark.parametrize("text", ZOO.values(), ids=ZOO)
def test_tokens_join_to_the_text(text):
    assert "".join(tokens(text)) == text
    assert all(tokens(text))


def test_tokens_join_to_any_text():
    draw = order(0)
    pieces = [*"ab1.,:'-@#<>{}[]/ \n\"+&_", *"".join(ZOO.values())]
    for _ in range(300):
        text = "".join(pieces[i] for i in draw.integers(len(pieces), size=60))
        assert "".join(tokens(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("don't", ["don't"]),
        ("l’été well-known", ["l’été", " ", "well-known"]),
        ("dogs' --x", ["dogs", "'", " ", "-", "-", "x"]),
        ("1,000.50 at 12:30, 5", ["1,000.50", " ", "at", " ", "12:30", ",", " ", "5"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("👩🏽‍🚀🇩🇪🇫🇷❤️", ["👩🏽‍🚀", "🇩🇪", "🇫🇷", "❤️"]),
        ("1️⃣#️⃣🏴󠁧󠁢󠁥󠁮󠁧󠁿", ["1️⃣", "#️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]),
        ("电影，AI好", ["电", "影", "，", "AI", "好"]),
        ("น้ำ๕๐", ["น้", "ำ", "๕๐"]),
        ("ខ្ញុំ", ["ខ្ញុំ"]),
        ("می‌خواهم", ["می‌خواهم"]),
        ('צה"ל "כן"', ['צה"ל', " ", '"', "כן", '"']),
        ("क्षत्रिय", ["क्षत्रिय"]),
        ("(see https://x.org/a?b=1).", ["(", "see", " ", "https://x.org/a?b=1", ")", "."]),
        ("at x.org/a_b:", ["at", " ", "x.org/a_b", ":"]),
        ("a.b+c@d-e.org!", ["a.b+c@d-e.org", "!"]),
        ("<NAME>{name}[NAME] @me #tag", ["<NAME>", "{name}", "[NAME]", " ", "@me", " ", "#tag"]),
    ],
)
def test_tokens_of_known_texts(text, expected):
    assert tokens(text) == expected


@pytest.mark.parametrize("word", ["good", "Well-known", "café", "电", "O'Brien", "nothingness", "Notes"])
def test_ordinary_words_may_change(word):
    assert PROTECTED.allows(word)


@pytest.mark.parametrize(
    "token",
    [
        *("no", "Not", "NEVER", "isn't", "Isn’t", "can't", "cannot", "without", "none", "dont", "non-smoker", "no-one"),
        *("B12", "1,000", "½", "٢٣", "x²", "a@b.org", "x.org", "https://x.org", "<NAME>", "{name}", "[NAME]", "@me"),
        *("#tag", "snake_case", "R&D", "aspirin", "ASPIRIN", "aspirin-free", "Aspirin’s", "york", "new", ".", "👍"),
        "",
    ],
)
def test_protected_tokens_may_not(token):
    assert not PROTECTED.allows(token)


@pytest.mark.parametrize("text", ZOO.values(), ids=ZOO)
def test_every_operation_keeps_what_is_protected(operation, text):
    for seed in range(8):
        for strength in (0.0, 0.5, 1.0):
            new = operation(text, strength, order(seed), ENGLISH)
            assert bool(new) == bool(text)
            if operation.__name__ in MOVES_WHOLE_SENTENCES:
                assert Counter(fixed(new)) == Counter(fixed(text))
            else:
                assert fixed(new) == fixed(text)


def test_every_operation_keeps_what_is_protected_in_any_text(operation):
    draw = order(1)
    pieces = [
        *"AI5.,:-'@#(/\n \"电影ก",
        " ",
        " ",
        "york",
        "film",
        "call",
        "now",
        "not",
        "12",
        "👍",
        "<ID>",
        " and ",
        "e\u0301",
    ]
    for seed in range(300):
        text = "".join(pieces[i] for i in draw.integers(len(pieces), size=draw.integers(1, 14)))
        new = operation(text, 0.5, order(seed), ENGLISH)
        assert new
        assert Counter(fixed(new)) == Counter(fixed(text)), text


def test_the_same_seed_gives_the_same_text(operation):
    first = [operation(ENGLISH_TEXT, 0.4, order(seed), ENGLISH) for seed in range(20)]
    again = [operation(ENGLISH_TEXT, 0.4, order(seed), ENGLISH) for seed in range(20)]
    assert first == again
    assert len(set(first)) > 1 or operation in (paraphrase, clause_reordering)
    assert all(text != ENGLISH_TEXT for text in first)


@pytest.mark.parametrize("text", ["", " ", "?!", "👍🏿", "42", "not 42", "<NAME> isn't @here", "no.\n\nnever"])
def test_a_text_without_changeable_words_comes_back_itself(operation, text):
    assert operation(text, 1.0, order(0), ENGLISH) is text


@pytest.mark.parametrize("strength", [-0.1, 1.01, float("nan")])
def test_a_strength_that_is_no_share_is_refused(operation, strength):
    with pytest.raises(ValueError, match="strength must lie in"):
        operation(ENGLISH_TEXT, strength, order(0), ENGLISH)


def test_every_operation_has_its_risk_or_none():
    described = operations_of("text")
    assert set(described) == set(OPERATIONS)
    assert described["random_deletion"].risk
    assert described["typo_noise"].risk == ""


@pytest.mark.parametrize(("strength", "count"), [(0.0, 1), (0.1, 1), (0.5, 4), (1.0, 8)])
@pytest.mark.parametrize("name", ["word_swap", "case_noise", "typo_noise"])
def test_strength_is_the_share_of_words_that_change(name, strength, count):
    text = "alpha, Bravo; charlie delta! eagle-eyed (foxtrot) golfer \n hotels 99 not"
    for seed in range(20):
        new = OPERATIONS[name](text, strength, order(seed), BARE)
        assert changed(text, new) == (max(2, count) if name == "word_swap" else count)


@pytest.mark.parametrize("text", ZOO.values(), ids=ZOO)
def test_swaps_move_words_between_places_and_nothing_else(text):
    old = tokens(text)
    for seed in range(10):
        new = tokens(word_swap(text, 1.0, order(seed), ENGLISH))
        assert Counter(new) == Counter(old)
        assert all(a == b for a, b in zip(old, new, strict=True) if not PROTECTED.allows(a))


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("black\tcat", "cat\tblack"),
        ("same same other", {"other same same", "same other same"}),
        ("good, not 7: bad.", "bad, not 7: good."),
        ("大5小", "小5大"),
        ("love大", "love大"),
    ],
)
def test_swaps_of_known_texts(text, new):
    expected = {new} if isinstance(new, str) else new
    assert {word_swap(text, 0.0, order(seed), BARE) for seed in range(20)} == expected


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("A good day", "A fine day"),
        ("Good day", "Fine day"),
        ("GOOD-ISH GOOD day", "GOOD-ISH FINE day"),
        ("gOOd day", "fine day"),
        ("a FILM", {"a MOVIE", "a MOTION PICTURE"}),
        ("Film.", {"Movie.", "Motion picture."}),
        ("the same", "the same"),
        ("5电5", "5雷5"),
    ],
)
def test_synonyms_take_the_capitals_and_bring_no_negation(text, new):
    expected = {new} if isinstance(new, str) else new
    assert {synonym_replacement(text, 1.0, order(seed), ENGLISH) for seed in range(20)} == expected


def test_synonyms_follow_the_share_of_all_words():
    text = "good film good film good film good film x y"
    assert changed(text, synonym_replacement(text, 0.2, order(0), Language(Protected(), {"good": ("fine",)}, ()))) == 2


def test_an_insertion_stands_after_a_word():
    results = {random_insertion("quick not\n7 b.", 0.0, order(seed), ENGLISH) for seed in range(40)}
    assert results == {f"quick {s} not\n7 b." for s in LEXICON["quick"]} | {
        f"quick not\n7 b {s}." for s in LEXICON["quick"]
    }
    assert random_insertion("a,5 quick", 0.0, order(0), ENGLISH).startswith("a,5 quick ")


@pytest.mark.parametrize(
    ("text", "results"),
    [
        ("one two", {"one", "two"}),
        ("not one", {"not"}),
        ("One, two.", {", two.", "One,."}),
        ("a\nb 7", {"b 7", "a\n7"}),
        ("7 b,5", {"7 ,5"}),
        ('7 "b c"', {'7 "c"', '7 "b"'}),
        ("5年5月", {"5年5"}),
        ("5A'年 york", {"5A' york", "5A'年"}),
        ("5年'5", {"5年'5"}),
        ("  word  ", {"  word  "}),
    ],
)
def test_deletions_of_known_texts(text, results):
    assert {random_deletion(text, 0.0, order(seed), BARE) for seed in range(30)} == results


@pytest.mark.parametrize("text", ["one two three four", "我爱你", "b. c! d?"])
def test_deletion_leaves_one_word(text):
    for seed in range(20):
        assert sum(t[0].isalnum() for t in tokens(random_deletion(text, 1.0, order(seed), BARE))) == 1


@pytest.mark.parametrize("text", ZOO.values(), ids=ZOO)
def test_deletion_takes_words_and_spaces_only(text):
    old = [t for t in tokens(text) if not t.isspace()]
    for seed in range(10):
        new = [t for t in tokens(random_deletion(text, 0.3, order(seed), ENGLISH)) if not t.isspace()]
        rest = iter(old)
        assert all(t in rest for t in new)
        assert not [t for t in (Counter(old) - Counter(new)) if not PROTECTED.allows(t)]


@pytest.mark.parametrize(
    ("text", "mark"), [("Well, the quick  fox isn't 5 late.", r"(?<!\S)[.;?:!,] "), ("我爱你 really", "[.;?:!,] ?")]
)
def test_inserted_marks_taken_out_again_give_the_text(text, mark):
    for seed in range(20):
        new = OPERATIONS["punctuation_insertion"](text, 1.0, order(seed), BARE)
        assert len(re.findall(mark, new)) == 4 + (text[0] == "W")
        assert re.sub(mark, "", new) == text


@pytest.mark.parametrize(
    ("text", "results"),
    [
        ("cat", {f"{mark} cat" for mark in ".;?:!,"}),
        ("5 ox's", {f"5 {mark} ox's" for mark in ".;?:!,"}),
        ("猫", {f"{mark}猫" for mark in ".;?:!,"}),
        ("(cat)", {"(cat)"}),
    ],
)
def test_marks_in_known_texts(text, results):
    assert {OPERATIONS["punctuation_insertion"](text, 1.0, order(seed), BARE) for seed in range(80)} == results


@pytest.mark.parametrize(
    ("text", "results"),
    [
        ("One. Two!", {"Two! One."}),
        ('"One." Two?\n\nThree', {'Two? "One."\n\nThree'}),
        ("Dr. A. Who came. He left.", {"He left. Dr. A. Who came."}),
        ("See x.org. Pay 3.50 now.", {"Pay 3.50 now. See x.org."}),
        ("好。不好！", {"不好！好。"}),
        ("Same. Same.", {"Same. Same."}),
        ("One without an end", {"One without an end"}),
        ("One. no end", {"One. no end"}),
        ("A b.\r\n  C d.", {"C d.\r\n  A b."}),
    ],
)
def test_sentences_of_known_texts(text, results):
    assert {sentence_shuffle(text, 1.0, order(seed), BARE) for seed in range(10)} == results


def test_all_sentences_move_at_full_strength():
    text = " ".join(f"Sentence {chr(97 + i)}." for i in range(9))
    for seed in range(10):
        new = sentence_shuffle(text, 1.0, order(seed), BARE)
        assert sorted(new.split(". ")) != new.split(". ")
        assert all(a != b for a, b in zip(text.split()[1::2], new.split()[1::2], strict=True))


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("The cat sleeps and the dog barks.", "The dog barks and the cat sleeps."),
        ("The cat sleeps, and the dog barks!", "The dog barks, and the cat sleeps!"),
        ("Paris is big but it is cheap", "It is cheap but Paris is big"),
        ("I came or NASA did... ", "NASA did or I came... "),
        ('"We ate and they paid," 👍', '"They paid and we ate," 👍'),
        ("it rains and iPhones break", "iPhones break and it rains"),
        ("I like cats and dogs.", "I like cats and dogs."),
        ('He said "we ate and they paid" twice.', 'He said "we ate and they paid" twice.'),
        ('"We ate and they paid," he said.', '"We ate and they paid," he said.'),
        ("It works (if you pay and they care).", "It works (if you pay and they care)."),
        ("Who came because we called.", "Who came because we called."),
    ],
)
def test_clauses_of_known_texts(text, new):
    assert clause_reordering(text, 0.0, order(0), BARE) == new


def test_one_conjunction_a_sentence_is_chosen():
    text = "we eat and we drink or we sleep"
    assert {clause_reordering(text, 1.0, order(seed), BARE) for seed in range(20)} == {
        "we drink or we sleep and we eat",
        "we sleep or we eat and we drink",
    }


@pytest.mark.parametrize(
    ("pattern", "replacement", "text", "new"),
    [
        ("call {x} now", "please ring {x}", "Ok. Call  Tom Jones\nnow!", "Ok. Please ring Tom Jones!"),
        ("call {x} now", "please ring {x}", "recall x now, call x nowadays", "recall x now, call x nowadays"),
        ("call {x} now", "please ring {x}", "call Tom, now", "call Tom, now"),
        ("call {x} now", "please ring {x}", "call 1 2 3 4 5 6 7 8 now", "please ring 1 2 3 4 5 6 7 8"),
        ("call {x} now", "please ring {x}", "call 1 2 3 4 5 6 7 8 9 now", "call 1 2 3 4 5 6 7 8 9 now"),
        ("call {x} now", "please ring {x}", "@call Tom now-ish, call 3.5 Now", "@call Tom now-ish, please ring 3.5"),
        ("give {1} to {2}", "hand {2} {1}", "give the old book to Ann.", "hand Ann the old book."),
        ("{x} is closed", "they closed {x}", "The shop is closed.", "They closed the shop."),
        ("a.b (c)", "d", "a.b (c) axb (c)", "a.b (c) axb (c)"),
        ("what? ({x})", "pardon, {x}", "what? (he said)", "pardon, he said"),
        ("{x} and {x}", "twice {x}", "on and on and off", "twice on and off"),
        ("do not {x}", "please {x}", "do not run", "do not run"),
        ("请{x}吧", "{x}，请", "请你来吧。", "你来，请。"),
        ("{x} 电", "电 {x}", "new 电12", "new 电12"),
        ("see {x}", r"look at \g {x}", "see Tom", "look at \\g Tom"),
    ],
)
def test_templates_of_known_texts(pattern, replacement, text, new):
    assert paraphrase(text, 1.0, order(0), Language(Protected(), {}, ((pattern, replacement),))) == new


def test_protected_words_do_not_change_their_order_in_a_template():
    assert paraphrase("7 men saw 8 birds", 1.0, order(0), ENGLISH) == "7 men saw 8 birds"
    assert paraphrase("men saw 8 birds", 1.0, order(0), ENGLISH) == "8 birds was seen by men"


def test_strength_is_the_share_of_matches():
    text = "call Ann now. " * 10
    counts = [paraphrase(text, s, order(3), ENGLISH).count("please ring Ann") for s in (0.0, 0.5, 1.0)]
    assert counts == [1, 5, 10]


@pytest.mark.parametrize("template", [("a {x}", "b {y}"), ("{x}", "so {x}"), ("a", " "), ("a {1}{2}{3}{4}{5}", "b")])
def test_a_template_with_a_fault_is_refused(template):
    with pytest.raises(ValueError, match="template"):
        Language(Protected(), {}, (template,))


def test_case_noise_keeps_the_letters():
    results = {OPERATIONS["case_noise"]("Tea", 1.0, order(seed), BARE) for seed in range(60)}
    assert results == {"tea", "TEA", "TEa", "TeA"}
    assert OPERATIONS["case_noise"]("电影 שלום ไทย", 1.0, order(0), BARE) == "电影 שלום ไทย"


def test_typos_are_one_slip_after_the_first_letter():
    results = {typo_noise("bark", 1.0, order(seed), BARE) for seed in range(600)}
    lost, doubled, exchanged = {"brk", "bak", "bar"}, {"baark", "barrk", "barkk"}, {"brak", "bakr"}
    near = {"b" + c + "rk" for c in "qwsz"} | {f"ba{c}k" for c in "etdf"} | {f"bar{c}" for c in "jliom"}
    assert results == lost | doubled | exchanged | near
    assert {typo_noise("cat and dog", 1.0, order(seed), BARE) for seed in range(20)} == {"cat and dog"}


def test_typos_make_no_negation_and_part_no_letter_from_its_mark():
    assert "not" not in {typo_noise("note", 1.0, order(seed), BARE) for seed in range(300)}
    for seed in range(100):
        new = typo_noise("cafe\u0301s", 1.0, order(seed), BARE)
        assert all(new[i - 1] == "e" for i, c in enumerate(new) if c == "\u0301")
    assert typo_noise("ROAD", 1.0, order(4), BARE).isupper()


BIG = ("Internationalisation notwithstanding, extraordinary circumstances overwhelmed people. " * 15_000)[:-1]


def test_a_line_of_a_megabyte(operation):
    line = f"Call Ann now, good people like you and they like it. {BIG}"
    new = operation(line, 0.1, order(0), ENGLISH)
    assert new != line
    assert 0.8 * len(line) < len(new) < 1.2 * len(line)


LONG = [
    *("a", "a.", "a-", "<a", "{a", "[A ", "www.", "http://.", "@", "a@", "1,", "👩\u200d", "e\u0301", "ก", '"a', " "),
    *("a/", "a.a/.", "mailto:.", "call ", "saw a "),
]


@pytest.mark.parametrize("unit", LONG)
def test_a_long_line_of_one_thing_is_split(unit):
    assert "".join(tokens(unit * 50_000)) == unit * 50_000


def test_long_lines_of_one_thing_are_changed(operation):
    text = "\n".join(unit * 4000 for unit in LONG)
    assert operation(text, 0.01, order(0), ENGLISH)


@pytest.fixture
def write(tmp_path):
    def write(name: str, content: str | bytes):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_lexicon_of_tsv(write):
    text = "\ufeffGood\tfine\tgreat \r\n\r\nfilm\tmovie, motion  picture\ngood\tnice\tfine\tGood\n"
    assert read_lexicon(write("words.tsv", text)) == {
        "good": ("fine", "great", "nice"),
        "film": ("movie", "motion picture"),
    }


def test_lexicon_of_json(write):
    assert read_lexicon(write("words.json", json.dumps({"Ärger": ["Wut"], "x": []}))) == {"ärger": ("Wut",)}


def test_lexicon_of_wordnet(write):
    text = (
        "  1 This software and database is being provided to you\n"
        "02084071 05 n 03 dog 0 domestic_dog 0 Canis_familiaris 0 002 @ 02083346 n 0000 ~ 01317541 n 0000 | a member\n"
        "00001740 00 s 02 able(p) 0 capable 0 000 | having skill\n"
        "00001741 03 n 01 entity 0 000 | alone\n"
        "00001742 05 n 0a a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 dog 0 000 | ten\n"
    )
    lexicon = read_lexicon(write("data.noun", text))
    assert lexicon["dog"] == ("domestic dog", "Canis familiaris", *"abcdefghi")
    assert lexicon["canis familiaris"] == ("dog", "domestic dog")
    assert lexicon["able"] == ("capable",)
    assert "entity" not in lexicon


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.tsv", "good\tfine\nfilm\n", r"^w\.tsv, line 2: expected word TAB synonym"),
        ("w.tsv", "good\t , \n", r"^w\.tsv, line 1: expected"),
        ("w.tsv", "", r"^w\.tsv holds no word"),
        ("w.tsv", b"good\tfine\nb\xff\tc\n", r"^w\.tsv, line 2: not UTF-8"),
        ("w.json", '{"a":\n ["b"', r"^w\.json, line 2: not valid JSON"),
        ("w.json", "[1]", r"^w\.json holds a list; write"),
        ("w.json", '{"a": "b"}', r'^w\.json: "a" has no list of texts'),
        ("w.json", "[" * 100_000, r"^w\.json is nested too deeply"),
        ("w.json", '{"a": ' + "1" * 5000 + "}", r"^w\.json is nested too deeply or holds a giant number"),
        ("data.verb", "\n00001740 03 n 02 entity 0\n", r"^data\.verb, line 2: no synset of WordNet"),
        ("data.adj", "good\tfine\n", r"^data\.adj, line 1: no synset"),
        ("w.csv", "good,fine", r"^w\.csv is no known lexicon; use \*\.tsv"),
    ],
)
def test_a_faulty_lexicon_is_one_clear_line(write, name, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read_lexicon(write(name, content))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named_without_its_folder(tmp_path):
    with pytest.raises(DataError, match=r"^gone\.tsv cannot be read \(No such file") as caught:
        read_templates(tmp_path / "gone.tsv")
    assert str(tmp_path) not in str(caught.value)


def test_templates_of_tsv(write):
    text = "\ufeffcall {x} now\tplease  ring {x}\r\n\n{1} costs {2}\tthe price of {1} is {2}\n"
    assert read_templates(write("t.tsv", text)) == (
        ("call {x} now", "please ring {x}"),
        ("{1} costs {2}", "the price of {1} is {2}"),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tb\nc\n", r"^t\.tsv, line 2: expected pattern TAB replacement, got 1 cells"),
        ("a\tb\tc\n", r"^t\.tsv, line 1: .* got 3 cells"),
        ("a\t\n", r"^t\.tsv, line 1: the pattern or the replacement is empty"),
        ("see {x}\tlook at {y}\n", r"^t\.tsv, line 1: the pattern has no slot \{y\}"),
        ("{x} {y}\t{y} {x}\n", r"^t\.tsv, line 1: the pattern has no word outside"),
        ("a {1} {2} {3} {4} {5}\tb\n", r"^t\.tsv, line 1: the pattern has 5 slots; use 4"),
        ("\n", r"^t\.tsv holds no template"),
        (b"a\tb\n\xe9\tc", r"^t\.tsv, line 2: not UTF-8"),
    ],
)
def test_faulty_templates_are_one_clear_line(write, content, message):
    with pytest.raises(DataError, match=message):
        read_templates(write("t.tsv", content))
