"""`gensynth verify`: every byte, every synthetic row, and whether a file is one of ours."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import FAST, write_digit_folder
from PIL import Image

from gensynth.cli import main
from gensynth.provenance.hashes import SEAL, check_generator, check_run, seal_run
from gensynth.verify import check_files, draws_of

SMALL = (*FAST, "model.width=8", "utility.run=false", "filter=[]")
TABLE = "name,amount,region,id,class\n"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flip(path: Path, place: int) -> bytes:
    """Turn one bit over; returns what the file was."""
    before = path.read_bytes()
    changed = bytearray(before)
    changed[place % len(changed)] ^= 1 << (place % 8)
    path.write_bytes(bytes(changed))
    return before


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """A finished run: the generator's rows, and transforms for a class too small for it."""
    base = tmp_path_factory.mktemp("verify")
    folder = write_digit_folder(base / "in", {"zero": 60, "one": 40, "few": 14})
    assert main(["balance", str(folder), f"out={base}/out", "target=60", *SMALL]) == 0
    seal_run(base / "out")
    return base / "out"


def write_table(path: Path) -> Path:
    random_numbers = np.random.default_rng(0)
    lines = [
        f"case {i % 7},{random_numbers.normal(40 * (i % 4 == 0)):.2f},{'nsew'[i % 3]},A{i:04d},"
        f"{'usual' if i % 4 else 'rare'}"
        for i in range(240)
    ]
    path.write_text(TABLE + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """A finished run of a table with identifiers, made by the generator."""
    base = tmp_path_factory.mktemp("verify-table")
    words = (str(write_table(base / "claims.csv")), "data.label=class", f"out={base}/out", *SMALL)
    assert main(["balance", *words]) == 0
    seal_run(base / "out")
    return base / "out"


@pytest.fixture(scope="module")
def interpolated(tmp_path_factory) -> Path:
    """A finished run whose rows are drawn as sets, one for every cell of label and region."""
    base = tmp_path_factory.mktemp("verify-smote")
    words = ("data.label=class", f"out={base}/out", "sampler=smote", "utility.run=false", "logger=none")
    words += ("data.groups=[region]", "target=cells", "bias.accept=true")
    assert main(["balance", str(write_table(base / "claims.csv")), *words]) == 0
    return base / "out"


# ---- rows are made again ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["images", "table", "interpolated"])
def test_every_made_row_regenerates(kind, request, run_cli):
    out = request.getfixturevalue(kind)
    synthetic = [line for line in rows(out / "dataset/ledger.csv") if line["source"] != "real"]
    code, reported, err = run_cli("verify", out / "dataset", "n=100000")
    assert code == 0, reported + err
    assert f"{len(synthetic)} of {len(synthetic)} rows regenerate" in reported
    assert len({line["sampler"] for line in synthetic}) == (2 if kind == "images" else 1)


def test_n_rows_are_drawn_by_seed(images, run_cli):
    code, reported, _ = run_cli("verify", images, "n=5", "seed=3")
    assert (code, "5 of 5 rows regenerate" in reported) == (0, True)


def test_a_merge_makes_the_same_rows_and_they_regenerate(table, tmp_path, run_cli):
    """Identifiers among them: those of rows that were made before are free again."""
    shutil.copytree(table, tmp_path / "out")
    before = (tmp_path / "out/dataset/train.csv").read_bytes()
    code, _, err = run_cli("merge", tmp_path / "out", "filter=[]")
    assert code == 0, err
    assert (tmp_path / "out/dataset/train.csv").read_bytes() == before
    seal_run(tmp_path / "out")
    code, reported, err = run_cli("verify", tmp_path / "out/dataset")
    assert code == 0, reported + err


@pytest.mark.slow
def test_rows_of_cells_of_a_generator_regenerate(tmp_path, run_cli):
    words = ("data.label=class", "data.groups=[region]", "target=cells", f"out={tmp_path}/out", "bias.accept=true")
    code, _, err = run_cli("balance", write_table(tmp_path / "claims.csv"), *words, *SMALL)
    assert code == 0, err
    code, reported, err = run_cli("verify", tmp_path / "out/dataset", "n=100000")
    synthetic = [line for line in rows(tmp_path / "out/dataset/ledger.csv") if line["source"] != "real"]
    assert code == 0, reported + err
    assert f"{len(synthetic)} of {len(synthetic)} rows regenerate" in reported
    assert all("cell" in json.loads(line["params"]) for line in synthetic)


def test_a_row_that_says_another_index_is_found(images, tmp_path, run_cli):
    """Hashes that fit the files are not enough: the row must come out of the generator."""
    shutil.copytree(images, tmp_path / "out")
    ledger = tmp_path / "out/dataset/ledger.csv"
    lines = ledger.read_text(encoding="utf-8").splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if ",cvae," in line)
    cells = next(csv.reader([lines[place]]))
    cells[6] = str(int(cells[6]) + 1)
    lines[place] = ",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in cells) + "\n"
    ledger.write_text("".join(lines), encoding="utf-8")
    forge_manifest(tmp_path / "out")
    code, reported, _ = run_cli("verify", tmp_path / "out/dataset", "n=100000")
    assert code == 6
    assert f"not made again: row {cells[0]} (cvae, {cells[2]})" in reported


def forge_manifest(out: Path) -> None:
    """What somebody would write who changes a file and its manifests with care, and the report as well."""
    path = out / "dataset/manifest.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    for name, entry in facts["files"].items():
        content = (out / "dataset" / name).read_bytes()
        entry |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    path.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    report["provenance"]["dataset_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (out / "report.json").write_text(json.dumps(report), encoding="utf-8")
    seal_run(out)


def test_without_the_run_the_generator_is_enough_for_its_rows(images, tmp_path, run_cli):
    shutil.copytree(images / "dataset", tmp_path / "dataset")
    code, reported, _ = run_cli("verify", tmp_path / "dataset")
    assert code == 0
    assert "rows of cvae (no run beside the data set)" in reported
    assert "regenerate" not in reported
    code, reported, err = run_cli("verify", tmp_path / "dataset", f"generator={images}/generator", "n=10000")
    drawn = sum(line["sampler"] == "cvae" for line in rows(tmp_path / "dataset/ledger.csv"))
    assert code == 0, err
    assert f"{drawn} of {drawn} rows regenerate" in reported
    assert "rows of image_transforms (no run beside the data set)" in reported


def test_the_generator_of_another_run_is_refused(images, table, tmp_path, run_cli):
    shutil.copytree(images / "dataset", tmp_path / "dataset")
    code, _, err = run_cli("verify", tmp_path / "dataset", f"generator={table}/generator")
    assert code == 6
    assert "the ledger names the generator" in err


@pytest.mark.parametrize("kind", ["folder", "npz", "csv", "parquet"])
def test_drawn_samples_are_verified_with_their_generator(kind, images, table, tmp_path, run_cli):
    out = table if kind in ("csv", "parquet") else images
    words = (f"generator={out}/generator", "counts=30", f"format={kind}", f"out={tmp_path}/s")
    assert run_cli("sample", *words)[0] == 0
    drawn = len(rows(tmp_path / "s/ledger.csv"))
    code, reported, err = run_cli("verify", tmp_path / "s", f"generator={out}/generator", "n=10000")
    assert code == 0, reported + err
    assert f"{drawn} of {drawn} rows regenerate" in reported


# ---- samples as they lie there ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(images, table, tmp_path_factory) -> Path:
    """A folder of samples in every format, named after it."""
    base = tmp_path_factory.mktemp("verify-drawn")
    for kind, out in (("folder", images), ("npz", images), ("csv", table), ("parquet", table)):
        words = (f"generator={out}/generator", "counts=6", f"format={kind}", f"out={base}/{kind}")
        assert main(["sample", *words]) == 0
    return base


@pytest.mark.parametrize("kind", ["folder", "npz", "csv", "parquet"])
def test_untouched_samples_have_no_findings_without_their_generator(kind, drawn):
    assert check_files(drawn / kind)[0] == []


@pytest.mark.parametrize("kind", ["folder", "csv"])
def test_untouched_samples_ask_for_their_generator(kind, drawn, run_cli):
    code, reported, _ = run_cli("verify", drawn / kind)
    assert code == 0
    assert "rows of cvae (no generator beside them; name the one that made them: generator=PATH)" in reported


def test_another_label_or_source_in_metadata_is_found(drawn, tmp_path):
    shutil.copytree(drawn / "folder", tmp_path / "s")
    path = tmp_path / "s/metadata.csv"
    first, second, *others = path.read_text(encoding="utf-8").splitlines()[1:]
    header = "file_name,label,source,sampler"
    changed = [first.replace(",few,", ",one,"), second.replace(",synthetic,", ",real,"), *others]
    path.write_text("\n".join([header, *changed]) + "\n", encoding="utf-8")
    names = [line.split(",")[0] for line in (first, second)]
    assert check_files(tmp_path / "s")[0] == [f"metadata.csv does not say what ledger.csv says: {n}" for n in names]
    path.unlink()
    assert check_files(tmp_path / "s")[0] == ["missing: metadata.csv"]


def test_a_file_that_the_ledger_does_not_name_is_found(drawn, tmp_path):
    shutil.copytree(drawn / "folder", tmp_path / "s")
    shutil.copy(next((tmp_path / "s/one").iterdir()), tmp_path / "s/one/other.png")
    assert check_files(tmp_path / "s")[0] == ["added: one/other.png (ledger.csv does not name it)"]


def test_a_class_of_the_name_train_is_no_split(drawn, tmp_path):
    shutil.copytree(drawn / "folder", tmp_path / "s")
    (tmp_path / "s/few").rename(tmp_path / "s/train")
    for name in ("ledger.csv", "metadata.csv"):
        text = (tmp_path / "s" / name).read_text(encoding="utf-8")
        (tmp_path / "s" / name).write_text(text.replace("few", "train"), encoding="utf-8")
    assert check_files(tmp_path / "s")[0] == []


@pytest.mark.parametrize("part", ["y", "classes", "x"])
def test_other_labels_and_pixels_in_an_archive_are_found(part, drawn, tmp_path):
    shutil.copytree(drawn / "npz", tmp_path / "s")
    with np.load(drawn / "npz/samples.npz") as archive:
        arrays = dict(archive)
    arrays[part] = arrays[part][::-1]
    np.savez(tmp_path / "s/samples.npz", **arrays)
    findings = check_files(tmp_path / "s")[0]
    assert findings
    assert all(finding.startswith("not what the ledger says: row ") for finding in findings)


def test_an_archive_with_too_few_labels_or_that_cannot_be_read(drawn, tmp_path, run_cli):
    shutil.copytree(drawn / "npz", tmp_path / "s")
    with np.load(drawn / "npz/samples.npz") as archive:
        arrays = dict(archive)
    np.savez(tmp_path / "s/samples.npz", **arrays | {"y": arrays["y"][:-1]})
    n = len(arrays["y"])
    assert check_files(tmp_path / "s")[0] == [f"{n} lines in ledger.csv, {n} rows and {n - 1} labels in samples.npz"]
    (tmp_path / "s/samples.npz").write_bytes((drawn / "npz/samples.npz").read_bytes()[:-100])
    code, _, err = run_cli("verify", tmp_path / "s")
    assert code == 3
    assert "samples.npz cannot be read" in err


def forge_parquet(path: Path, change) -> None:
    import pyarrow.parquet as parquet

    parquet.write_table(change(parquet.read_table(path)), path)


def test_rows_of_a_parquet_file_are_counted(drawn, tmp_path):
    shutil.copytree(drawn / "parquet", tmp_path / "s")
    forge_parquet(tmp_path / "s/samples.parquet", lambda rows: rows.slice(0, 2))
    assert check_files(tmp_path / "s")[0] == [f"{len(rows(drawn / 'parquet/ledger.csv'))} lines in ledger.csv, 2 rows"]


def test_cells_of_a_parquet_file_are_compared_where_it_is_known_how_they_are_written(drawn, table, tmp_path):
    shutil.copytree(drawn / "parquet", tmp_path / "s")
    assert check_files(tmp_path / "s", table / "generator") == ([], ["rows against ledger.csv"])

    def raised(found):
        amount = found["amount"].to_pylist()
        amount[3] += 1
        return found.set_column(1, "amount", [amount])

    forge_parquet(tmp_path / "s/samples.parquet", lambda found: found.rename_columns(["a", "b", "c", "d", "e"]))
    expected = "changed: samples.parquet (it lacks the columns name, amount, region, id)"
    assert check_files(tmp_path / "s", table / "generator")[0] == [expected]
    shutil.copy(drawn / "parquet/samples.parquet", tmp_path / "s")
    forge_parquet(tmp_path / "s/samples.parquet", raised)
    assert check_files(tmp_path / "s", table / "generator")[0] == ["not what the ledger says: row 3"]
    findings, reported = check_files(tmp_path / "s")
    assert findings == []
    assert "not compared" in reported[-1]
    assert reported[-1].endswith("name the generator they were drawn from: generator=PATH")


def test_text_cells_of_a_parquet_file_are_compared_alone(drawn, tmp_path):
    """Without numbers nothing is open, so that no generator has to be named."""
    (tmp_path / "s").mkdir()
    synthetic = rows(drawn / "csv/samples.csv")
    for line in synthetic:
        del line["amount"]
    lines = rows(drawn / "csv/ledger.csv")
    for line, cells in zip(lines, synthetic, strict=True):
        content = json.dumps(list(cells.values()), ensure_ascii=False).encode()
        line["content_sha256"] = hashlib.sha256(content).hexdigest()
    write_rows(tmp_path / "s/ledger.csv", lines)
    write_parquet(tmp_path / "s/samples.parquet", synthetic)
    assert check_files(tmp_path / "s") == ([], ["rows against ledger.csv"])
    synthetic[4]["region"] += "x"
    write_parquet(tmp_path / "s/samples.parquet", synthetic)
    assert check_files(tmp_path / "s")[0] == ["not what the ledger says: row 4"]


def write_rows(path: Path, lines: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, lines[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def write_parquet(path: Path, lines: list[dict[str, str]]) -> None:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    parquet.write_table(arrow.table({name: [line[name] for line in lines] for name in lines[0]}), path)


def test_labels_of_a_data_set_are_those_of_its_ledger(images, tmp_path):
    """Also where the manifests were written again with care."""
    shutil.copytree(images, tmp_path / "out")
    path = tmp_path / "out/dataset/train/metadata.csv"
    lines = rows(path)
    lines[0]["label"] = next(line["label"] for line in lines if line["label"] != lines[0]["label"])
    write_rows(path, lines)
    forge_manifest(tmp_path / "out")
    expected = f"metadata.csv does not say what ledger.csv says: {lines[0]['file_name']}"
    assert check_files(tmp_path / "out/dataset")[0] == [expected]


def test_draws_are_those_that_filling_makes():
    accepted = np.array([1, 2, 5, 6, 300])
    assert list(draws_of(accepted, filtered=True)) == [(0, 256), (256, 256)]
    assert list(draws_of(np.arange(7), filtered=False)) == [(0, 7)]


# ---- one flipped bit --------------------------------------------------------------------------------


def test_one_flipped_bit_in_any_file_is_found(images, tmp_path):
    """In every file of the run, at places drawn by chance; the first and last byte of each among them."""
    out = tmp_path / "out"
    shutil.copytree(images, out)
    files = [path for path in files_below(out) if path.stat().st_size]
    places = random.Random(0)
    assert check_files(out / "dataset")[0] == []
    chosen = [path for path in files if path.parent.name not in ("zero", "one", "few")] + places.sample(files, 12)
    for path in chosen:
        for place in (0, path.stat().st_size - 1, places.randrange(path.stat().st_size)):
            before = flip(path, place)
            findings = check_files(out / "dataset")[0]
            path.write_bytes(before)
            assert findings, f"byte {place} of {path.relative_to(out)}"
            named = any(path.relative_to(out).as_posix() in line for line in findings)
            assert named or path.name == "manifest.json"  # a name in it that flipped is another file


def test_missing_and_added_files_are_named(images, tmp_path, run_cli):
    shutil.copytree(images, tmp_path / "out")
    (tmp_path / "out/dataset/README.md").unlink()
    (tmp_path / "out/dataset/train/zero/other.png").write_bytes(b"x")
    (tmp_path / "out/generator/note.txt").write_text("x", encoding="utf-8")
    code, reported, _ = run_cli("verify", tmp_path / "out/dataset")
    assert code == 6
    assert reported.splitlines()[:3] == [
        "missing: dataset/README.md",
        "added: dataset/train/zero/other.png",
        "added: generator/note.txt",
    ]
    assert "rows were not made again" in reported


@pytest.mark.parametrize("name", ["metadata.csv", "samples.csv", "samples.npz", "samples.parquet"])
@pytest.mark.parametrize("kind", ["images", "table"])
def test_a_file_of_samples_does_not_make_a_data_set_one(kind, name, request, tmp_path, run_cli):
    shutil.copytree(request.getfixturevalue(kind), tmp_path / "out")
    (tmp_path / "out/dataset/README.md").unlink()
    (tmp_path / "out/dataset" / name).write_text("x", encoding="utf-8")
    code, reported, err = run_cli("verify", tmp_path / "out/dataset")
    assert code == 6, err
    assert "missing: dataset/README.md" in reported
    assert f"added: dataset/{name}" in reported


def test_a_data_set_in_its_run_is_none_of_samples_whatever_it_lacks(table, tmp_path):
    shutil.copytree(table, tmp_path / "out")
    (tmp_path / "out/dataset/manifest.json").unlink()
    (tmp_path / "out/dataset/train.csv").rename(tmp_path / "out/dataset/samples.csv")
    assert "missing: dataset/manifest.json" in check_files(tmp_path / "out/dataset")[0]


def test_samples_beside_their_generator_may_be_named_dataset(images, tmp_path, run_cli):
    shutil.copytree(images / "generator", tmp_path / "generator")
    words = (f"generator={tmp_path}/generator", "counts=4", f"out={tmp_path}/dataset")
    assert run_cli("sample", *words)[0] == 0
    code, reported, err = run_cli("verify", tmp_path / "dataset")
    assert code == 0, reported + err
    assert "rows regenerate" in reported


@pytest.mark.parametrize("name", ["run/job.json", SEAL, "run", "report.json", "generator"])
def test_a_part_of_the_run_that_is_gone_is_found(name, images, tmp_path, run_cli):
    shutil.copytree(images, tmp_path / "out")
    path = tmp_path / "out" / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    (tmp_path / "out/report.html").write_text("forged", encoding="utf-8")
    code, reported, err = run_cli("verify", tmp_path / "out/dataset")
    assert code == 6, err
    missing = {"run": SEAL, "generator": "generator/manifest.json"}.get(name, name)
    assert f"missing: {missing}" in reported.splitlines()
    assert ("verify dataset/ in a folder of its own" in reported) == (missing == SEAL)


def test_a_forged_seal_does_not_hide_that_the_settings_are_gone(images, tmp_path):
    shutil.copytree(images, tmp_path / "out")
    (tmp_path / "out/run/job.json").unlink()
    seal_run(tmp_path / "out")
    assert check_files(tmp_path / "out/dataset")[0] == ["missing: run/job.json"]


def test_a_forged_manifest_is_found_by_the_report(images, tmp_path, run_cli):
    shutil.copytree(images, tmp_path / "out")
    (tmp_path / "out" / SEAL).unlink()
    path = tmp_path / "out/dataset/manifest.json"
    (tmp_path / "out/dataset/README.md").write_text("another card", encoding="utf-8")
    facts = json.loads(path.read_text(encoding="utf-8"))
    card = (tmp_path / "out/dataset/README.md").read_bytes()
    facts["files"]["README.md"] = {"sha256": hashlib.sha256(card).hexdigest(), "bytes": len(card)}
    path.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    code, reported, _ = run_cli("verify", tmp_path / "out/dataset")
    assert code == 6
    assert "changed: dataset/manifest.json (report.json names another)" in reported
    assert "report and run: not checked" in reported


def test_what_a_person_adds_later_is_no_finding(images, tmp_path):
    shutil.copytree(images, tmp_path / "out")
    (tmp_path / "out/review.csv").write_text("row_id,verdict\n", encoding="utf-8")
    (tmp_path / "out/notes.txt").write_text("seen", encoding="utf-8")
    assert check_run(tmp_path / "out") == []
    (tmp_path / "out/report.html").unlink()
    assert check_run(tmp_path / "out") == ["missing: report.html"]


def test_a_generator_without_its_config_is_a_finding(images, tmp_path):
    shutil.copytree(images / "generator", tmp_path / "generator")
    (tmp_path / "generator/config.json").unlink()
    assert check_generator(tmp_path / "generator") == ["missing: generator/config.json"]


# ---- is it mine -------------------------------------------------------------------------------------


def test_a_made_file_is_known_again_also_without_its_metadata(images, tmp_path, run_cli):
    line = next(line for line in rows(images / "dataset/ledger.csv") if line["sampler"] == "cvae")
    path = images / "dataset/train" / line["row_id"]
    shutil.copy(path, tmp_path / "a.png")
    code, reported, _ = run_cli("verify", images / "dataset", f"is_mine={tmp_path}/a.png")
    assert code == 0
    assert reported.strip() == f"a.png: same file: row_id={line['row_id']} source=synthetic label={line['label']}"
    Image.open(path).save(tmp_path / "b.bmp")
    code, reported, _ = run_cli("verify", images / "dataset", f"is_mine={tmp_path}/b.bmp")
    assert code == 0
    assert f"b.bmp: same pixels: row_id={line['row_id']}" in reported
    pixels = np.asarray(Image.open(path)).copy()
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(tmp_path / "c.png")
    code, reported, _ = run_cli("verify", images / "dataset", f"is_mine={tmp_path}/c.png")
    assert (code, reported.strip()) == (6, "c.png: not in the ledger")


def test_rows_of_a_table_are_known_again_one_for_one(table, tmp_path, run_cli):
    merged = rows(table / "dataset/train.csv")
    ledger = rows(table / "dataset/ledger.csv")
    names = [name for name in merged[0] if name != "gensynth_source"][::-1]
    wanted = [merged[0], merged[-1]]
    path = tmp_path / "some.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(wanted)
    code, reported, _ = run_cli("verify", table / "dataset", f"is_mine={path}")
    assert code == 0
    assert reported.splitlines() == [
        f"row 0: same cells: row_id=0 source=real label={ledger[0]['label']}",
        f"row 1: same cells: row_id={ledger[-1]['row_id']} source=synthetic label={ledger[-1]['label']}",
    ]
    wanted = [{**merged[0], "amount": merged[0]["amount"] + "000"}, merged[0], {**merged[1], "amount": "9999"}]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(wanted)
    code, reported, _ = run_cli("verify", table / "dataset", f"is_mine={path}")
    assert code == 6
    first, second, third = reported.splitlines()
    assert first == "row 0: not in the ledger"
    assert second.startswith("row 1: same cells: row_id=0 ")
    assert third == "row 2: not in the ledger"


def test_numbers_written_otherwise_are_the_same_values(table, tmp_path, run_cli):
    merged = rows(table / "dataset/train.csv")[3]
    merged.pop("gensynth_source")
    merged["amount"] += "0"
    path = tmp_path / "one.csv"
    path.write_text(",".join(merged) + "\n" + ",".join(merged.values()) + "\n", encoding="utf-8")
    code, reported, err = run_cli("verify", table / "dataset", f"is_mine={path}")
    assert code == 0, err
    assert reported.startswith("row 0: same values: row_id=3 ")
    packed = tmp_path / "one.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert run_cli("verify", table / "dataset", f"is_mine={packed}")[1] == reported


# ---- words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ((), "verify needs a data set"),
        (("nowhere",), "holds no ledger.csv"),
        (("{images}", "n=-1"), "n must be a whole number"),
        (("{images}", "is_mine=nothing.png"), "there is no such file"),
        (("{images}", "nn=3"), 'did you mean "n"?'),
    ],
)
def test_wrong_words_are_a_sentence(words, hint, images, run_cli):
    code, _, err = run_cli("verify", *(word.format(images=images) for word in words))
    assert code == 2
    assert hint in err


def test_a_run_cannot_name_code_of_its_own(images, tmp_path, run_cli):
    shutil.copytree(images, tmp_path / "out")
    path = tmp_path / "out/run/job.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["sampler"]["_target_"] = "gensynth.files.replace_folder"
    path.write_text(json.dumps(config), encoding="utf-8")
    seal_run(tmp_path / "out")
    for words in (["verify", tmp_path / "out/dataset"], ["merge", tmp_path / "out"]):
        code, _, err = run_cli(*words, "trust=[json]")  # a package that is trusted opens its own door, no other
        assert code == 2
        assert "replace_folder is not below gensynth.samplers" in err
