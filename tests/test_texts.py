"""The walk on texts, by commands only: read, looked at, augmented, judged; and what cannot be read."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from conftest import SHARED

from gensynth.data.text import TextPoints
from gensynth.data.text_source import read_text
from gensynth.errors import DataError, UsageError
from gensynth.models.classifiers import fit_row_classifier
from gensynth.types import LabelledData

GOOD = ["Lunch at {n}? I am hungry.", "See you at {n}, don't be late!", "The train is late again, sorry. Home by {n}."]
BAD = [
    "WIN a prize now!! Call {n} free.",
    "Claim your free prize: text {n} today!",
    "Urgent! You won {n} pounds, call.",
]
QUICK = ("logger=none", "utility.seeds=3")


def messages(ham: int = 90, spam: int = 30) -> list[tuple[str, str]]:
    lines = [("ham", GOOD[i % 3].format(n=i)) for i in range(ham)]
    return [*lines, *(("spam", BAD[i % 3].format(n=8000 + i)) for i in range(spam))]


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "Collection"
    path.write_text("".join(f"{label}\t{text}\n" for label, text in messages()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def balanced(collection):
    from gensynth.cli import main

    out = collection.parent / "out"
    assert main(["balance", str(collection), "experiment=spam_text", f"out={out}", *QUICK]) == 0
    return out


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


def test_a_balanced_set_has_equal_counts_and_the_real_texts_unchanged(balanced):
    train = rows(balanced / "dataset/train.tsv")
    labels = [row["label"] for row in train]
    assert labels.count("ham") == labels.count("spam")
    real = {
        row["text"]
        for split in ("train", "val", "test")
        for row in rows(balanced / f"dataset/{split}.tsv")
        if row["gensynth_source"] == "real"
    }
    assert real == {text for _, text in messages()}


def test_made_texts_are_changed_ones_of_their_class_and_keep_their_numbers(balanced):
    ledger = rows(balanced / "dataset/ledger.csv")
    train = rows(balanced / "dataset/train.tsv")
    by_row = dict(enumerate(messages()))
    synthetic = [(line, row) for line, row in zip(ledger, train, strict=True) if line["source"] == "augmented"]
    assert len(synthetic) > 30
    changed = 0
    for line, row in synthetic:
        label, text = by_row[int(line["parent"])]
        assert label == row["label"] == "spam"
        assert [t for t in text if t.isdigit()] == [t for t in row["text"] if t.isdigit()]
        changed += text != row["text"]
        assert (text != row["text"]) == any(json.loads(line["params"]).values())
    assert changed > 0.5 * len(synthetic)


def test_report_says_what_operations_do_to_labels_and_what_was_left_out(balanced):
    facts = json.loads((balanced / "report.json").read_text(encoding="utf-8"))
    reported = {line["operation"]: line for line in facts["operations"]["text_transforms"]}
    assert {"word_swap", "random_deletion", "typo_noise"} <= set(reported)
    assert "clause_reordering" not in reported
    assert all(line["n"] > 5 and 0 <= line["agreement"] <= 1 for line in reported.values())
    assert any(w["code"] == "operations_left_out" and "clause_reordering" in w["text"] for w in facts["warnings"])
    assert {row["learner"] for row in facts["utility"]} == {"counts_logistic", "embedding_logistic"}
    assert {"judge", "self_supervised", "random", "words"} == set(facts["fidelity"])
    page = (balanced / "report.html").read_text(encoding="utf-8")
    assert "Operations and labels" in page
    assert "prize" in page


def test_a_rejected_text_is_replaced_by_merge(collection, run_cli, tmp_path):
    balanced = tmp_path / "quick"
    assert run_cli("balance", collection, "experiment=spam_text", "utility.run=false", f"out={balanced}")[0] == 0
    ledger = rows(balanced / "dataset/ledger.csv")
    line = next(row for row in ledger if row["source"] == "augmented")
    (balanced / "review.csv").write_text(f"row_id,verdict\n{line['row_id']},reject\n", encoding="utf-8")
    code, _, err = run_cli("merge", balanced, f"out={tmp_path}/again")
    assert code == 0, err
    again = rows(tmp_path / "again/dataset/ledger.csv")
    assert len(again) == len(ledger)
    kept = {(row["sampler"], row["label"], row["index"]) for row in again if row["source"] == "augmented"}
    assert (line["sampler"], line["label"], line["index"]) not in kept


def test_explore_tells_lengths_and_vocabulary(collection, run_cli, tmp_path):
    words = ("data.text=text", "data.header=false", "data.columns=[label,text]", f"out={tmp_path}/e")
    code, _, err = run_cli("explore", collection, *words)
    assert code == 0, err
    facts = json.loads((tmp_path / "e/explore.json").read_text(encoding="utf-8"))
    assert facts["text"]["words"]["least"] == 6
    assert facts["text"]["vocabulary"] > 100
    assert "vocabulary" in err


def test_sets_of_texts_are_ranked_and_changed_copies_are_told(collection, balanced, run_cli, tmp_path):
    train, test = rows(balanced / "dataset/train.tsv"), rows(balanced / "dataset/test.tsv")
    synthetic = [row for row in train if row["gensynth_source"] == "augmented"]
    tables = {
        "real": [(row["label"], row["text"]) for row in train if row["gensynth_source"] == "real"],
        "test": [(row["label"], row["text"]) for row in test],
        "changed": [("spam", row["text"]) for row in synthetic],
        "nonsense": [("spam", " ".join(["lunch", "train", "late"])) for _ in synthetic],
    }
    for name, lines in tables.items():
        text = "".join(f"{label}\t{text}\n" for label, text in lines)
        (tmp_path / f"{name}.tsv").write_text("label\ttext\n" + text, encoding="utf-8")
    sets = f"synthetic=[{tmp_path}/nonsense.tsv,{tmp_path}/changed.tsv]"
    sides = (f"real={tmp_path}/real.tsv", f"test={tmp_path}/test.tsv")
    words = (*sides, sets, "data.text=text", "utility.run=false", f"out={tmp_path}/e")
    code, out, err = run_cli("evaluate", *words)
    assert code == 0, err
    assert "changed.tsv: memoriser: copies training rows" in out.replace("\n", " ")
    assert "rows repeat each other" in out


def test_texts_have_no_generator(collection, run_cli, tmp_path):
    for words in (("train",), ("balance", "sampler=generator")):
        code, _, err = run_cli(words[0], collection, *words[1:], "experiment=spam_text", f"out={tmp_path}/{words[0]}")
        assert code == 2
        assert "kind text" in err


class TestReading:
    def read(self, tmp_path, content: bytes, name: str = "t.csv", **words):
        (tmp_path / name).write_bytes(content)
        return read_text(str(tmp_path / name), **({"text": "text"} | words))

    def test_unusable_texts_are_named_and_the_rest_is_kept(self, tmp_path):
        long = "x" * 100_001
        lines = ["label,text", "a,one", "b,", "a,   ", f"b,{long}", 'b,"two, three"', "a,مرحبا بالعالم", "b,👩‍👩‍👧 ok"]
        source = self.read(tmp_path, "\n".join(lines).encode())
        assert source.data.x.tolist() == ["one", "two, three", "مرحبا بالعالم", "👩‍👩‍👧 ok"]
        assert [(f.file, f.reason) for f in source.quarantine] == [
            ("row 1", "empty_text"),
            ("row 2", "empty_text"),
            ("row 3", "too_long"),
        ]

    def test_quotes_of_tab_separated_texts_are_text(self, tmp_path):
        content = b'ham\t"Sure" he said\nspam\tcall "now\nham\tok\n'
        words = {"header": False, "columns": ["label", "text"]}
        source = self.read(tmp_path, content, "t.tsv", **words)
        assert source.data.x.tolist() == ['"Sure" he said', 'call "now', "ok"]

    def test_marked_cells_of_tab_separated_texts_lose_their_marks(self, tmp_path):
        content = b'label\ttext\nham\t"two\tcells ""here"""\nspam\t"x"\n'
        assert self.read(tmp_path, content, "t.tsv").data.x.tolist() == ['two\tcells "here"', "x"]

    def test_mixed_encodings_are_a_sentence_with_the_line(self, tmp_path):
        with pytest.raises(DataError, match=r"t\.csv, line 3: byte 0xe9 is not UTF-8"):
            self.read(tmp_path, "label,text\na,caf\u00e9\n".encode() + b"b,caf\xe9\n")

    def test_a_column_that_is_none(self, tmp_path):
        with pytest.raises(DataError, match=r'no column "txt"; data\.text=COLUMN names the texts'):
            self.read(tmp_path, b"label,text\na,b\nc,d\n", text="txt")
        with pytest.raises(UsageError, match="both name the column"):
            self.read(tmp_path, b"label,text\na,b\nc,d\n", text="label")

    def test_json_lines_and_other_columns(self, tmp_path):
        lines = [json.dumps({"label": k, "text": f"{k} says\u2028so", "id": i}) for i, k in enumerate("ab")]
        source = self.read(tmp_path, "\n".join(lines).encode(), "t.jsonl")
        assert source.data.x.tolist() == ["a says\u2028so", "b says\u2028so"]
        assert any('column "id" is left out' in note for note in source.notes)

    def test_rows_survive_being_saved(self, tmp_path):
        data = self.read(tmp_path, "label,text\na,größer\nb,👍\n".encode()).data
        data.save(tmp_path / "rows.npz")
        again = LabelledData.load(tmp_path / "rows.npz")
        assert again.x.tolist() == data.x.tolist()
        assert (again.content_hashes() == data.content_hashes()).all()


def test_texts_that_say_the_same_lie_near_each_other():
    texts = np.array([text for _, text in messages()], dtype=object)
    points = TextPoints(texts)
    a, b, other = points.transform(np.array(["Lunch at 5? I am hungry.", "Lunch at 6? I am hungry.", BAD[0]], object))
    assert np.linalg.norm(a) == pytest.approx(1, abs=1e-5)
    assert a @ b > 0.8 > 0.3 > a @ other


@pytest.mark.skipif(not (SHARED / "sms-spam").is_dir(), reason="the message collection is not here")
def test_the_published_collection_is_read_whole_and_learned():
    words = {"text": "text", "header": False, "columns": ["label", "text"]}
    data = read_text(str(SHARED / "sms-spam/SMSSpamCollection"), **words).data
    assert dict(zip(data.schema.classes, data.counts().tolist(), strict=True)) == {"ham": 4827, "spam": 747}
    order = np.random.default_rng(0).permutation(len(data))
    train, test = data[order[:2000]], data[order[2000:3000]]
    classifier = fit_row_classifier(train, seed=0)
    assert (classifier.predict(test.x) == test.y).mean() > 0.97


def test_a_folder_without_tables_is_a_sentence(run_cli, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/readme.md").write_text("no table")
    code, _, err = run_cli("explore", tmp_path / "empty", "data.text=body", f"out={tmp_path}/e")
    assert code == 2
    assert "holds no train, val or test table" in err


def test_half_a_character_is_a_finding(tmp_path):
    lines = ['{"text":"\\ud83d hi","label":"a"}', '{"text":"one","label":"a"}', '{"text":"x","label":"b"}']
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    source = read_text(str(tmp_path / "t.jsonl"), text="text")
    assert [(f.file, f.reason) for f in source.quarantine] == [("row 0", "broken_text")]


def test_a_carriage_return_inside_a_text_survives_the_walk(run_cli, tmp_path):
    lines = [{"label": label, "text": f"{text}\rand more"} for label, text in messages(40, 20)]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    quick = ("data.text=text", "utility.run=false", "logger=none")
    code, _, err = run_cli("balance", tmp_path / "t.jsonl", *quick, f"out={tmp_path}/o")
    assert code == 0, err
    again = read_text(str(tmp_path / "o/dataset"), text="text")
    assert {line["text"] for line in lines} <= set(again.data.x.tolist())


def test_models_are_no_arms_for_texts(collection, run_cli, tmp_path):
    words = ("experiment=spam_text", "arms=[none,text_transforms,cvae]", f"out={tmp_path}/c", *QUICK)
    code, _, err = run_cli("compare", collection, *words)
    assert code == 2
    assert "no generator learns rows of kind text" in err


@pytest.mark.slow
def test_a_run_with_a_lexicon_is_merged_with_its_path_given_again(collection, run_cli, tmp_path):
    (tmp_path / "words.tsv").write_text("prize\taward\nfree\tgratis\n", encoding="utf-8")
    sampler = ("sampler=text_transforms", f"sampler.lexicon={tmp_path}/words.tsv")
    words = ("experiment=spam_text", "utility.run=false", "data.allow=[synonym_replacement]", "logger=none")
    code, _, err = run_cli("balance", collection, *words, *sampler, f"out={tmp_path}/o")
    assert code == 0, err
    assert str(tmp_path) not in (tmp_path / "o/run/job.json").read_text()
    code, _, err = run_cli("merge", tmp_path / "o", f"out={tmp_path}/m")
    assert code == 2
    assert "whose place is not kept; give it to merge again: sampler=text_transforms sampler.lexicon=PATH" in err
    code, _, err = run_cli(
        "merge", tmp_path / "o", *sampler, "sampler.allow=[synonym_replacement]", f"out={tmp_path}/m"
    )
    assert code == 0, err
    one, two = (rows(tmp_path / part / "dataset/ledger.csv") for part in "om")
    assert [row["content_sha256"] for row in one] == [row["content_sha256"] for row in two]
