"""What a user can get wrong: one clear line, exit status 1, and nothing written or touched."""

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.stages.workspace import GOOD, ROOT, Workspace, lines, with_row

BAD_SOURCES = [
    (with_row(7, "{not json"), ["data/source.jsonl, line 7: not JSON"]),
    (with_row(7, "[1, 2]"), ["line 7: must be a JSON object"]),
    (with_row(3, {"text": "x", "film": "a"}), ["line 3: no column 'label'", "found text, film"]),
    (with_row(3, {"label": 1, "film": "a"}), ["line 3: no column 'text'"]),
    (with_row(3, {"text": "x", "label": 1}), ["line 3: no column 'film'"]),
    (with_row(9, {"text": "x", "label": 7, "film": "a"}), ["line 9: label 7 is none of 0 (negative), 1 (positive)"]),
    (with_row(1, {"text": "x", "label": "great", "film": "a"}), ["line 1: label 'great' is none of"]),
    (with_row(9, {"text": "x", "label": 0.5, "film": "a"}), ["line 9", "0.5"]),
    (with_row(9, {"text": "x", "label": None, "film": "a"}), ["line 9"]),
    (with_row(9, {"text": 12, "label": 1, "film": "a"}), ["line 9: the text is 12"]),
    (with_row(9, {"text": "x", "label": 1, "film": None}), ["line 9: no value in the group column 'film'"]),
    (lines([{"text": " <br /> ", "label": 1, "film": "a"}]), ["no rows left"]),
    ("", ["data/source.jsonl: holds no rows"]),
    (with_row(9, {"text": "x", "label": "1", "film": "a"}), ["line 9: label '1' is text where data/source.jsonl, line 1 has 0"]),
    (with_row(2, {"text": "x", "label": 1, "film": "a", "id": "source-000001"}), ["the id 'source-000001' occurs twice"]),
]


@pytest.mark.parametrize(("content", "expected"), BAD_SOURCES, ids=[expected[-1][:24] for _, expected in BAD_SOURCES])
def test_a_source_that_cannot_be_used(workspace: Workspace, content: str, expected: list[str]) -> None:
    assert workspace.run("prepare").returncode == 0
    workspace.write("data/source.jsonl", content)
    workspace.refused("prepare", *expected)


def test_bytes_that_are_not_utf_8(workspace: Workspace) -> None:
    workspace.write("data/source.jsonl", lines(GOOD[:2]).encode() + b'{"text": "caf\xe9", "label": 1, "film": "a"}\n')
    offset = len(lines(GOOD[:2])) + 13
    workspace.refused("prepare", f"data/source.jsonl, line 3: not UTF-8 (byte {offset} of the file)")


def test_a_csv_with_a_row_of_another_width(workspace: Workspace) -> None:
    workspace.set("prepare", source="data/source.csv")
    workspace.write("data/source.csv", "text,label,film\nfine,1,a\nlong,0,b,c\n")
    workspace.refused("prepare", "data/source.csv, line 3: 4 cells where the header has 3")
    workspace.write("data/source.csv", "text,label,film\nfine,1,a\nshort,0\n")
    workspace.refused("prepare", "data/source.csv, line 3: no value in the group column 'film'")


def test_a_csv_whose_first_line_is_blank(workspace: Workspace) -> None:
    workspace.set("prepare", source="data/source.csv")
    for blank in ("", "  ", ",,"):
        workspace.write("data/source.csv", f"{blank}\ntext,label,film\nfine,1,a\n")
        workspace.refused("prepare", "data/source.csv, line 1: blank, where the names of the columns are expected")


@pytest.mark.parametrize("class_names", [["negative", "positive"], None])
def test_a_label_of_thousands_of_digits(workspace: Workspace, class_names: list[str] | None) -> None:
    workspace.set("prepare", source="data/source.csv", class_names=class_names)
    workspace.write("data/source.csv", "text,label,film\nfine,1,a\nbad,0,b\nlong," + "9" * 5000 + ",c\n")
    if class_names is None:  # it is a name like any other
        assert workspace.run("prepare").returncode == 0
    else:
        workspace.refused("prepare", "data/source.csv, line 4: label '999", "is none of 0 (negative)")


@pytest.mark.parametrize("label", [0.5, None, ""])
def test_labels_that_name_no_class(workspace: Workspace, label: Any) -> None:
    workspace.set("prepare", class_names=None)
    workspace.write("data/source.jsonl", with_row(9, {"text": "x", "label": label, "film": "a"}))
    workspace.refused("prepare", "data/source.jsonl, line 9: label", "prepare.class_names")


def test_a_folder_whose_names_may_mean_a_split(workspace: Workspace) -> None:
    workspace.set("prepare", source="data/folder")
    workspace.write("data/folder/reviews.jsonl", lines(GOOD))
    workspace.write("data/folder/my_test_2.jsonl", lines(GOOD[:4]))
    workspace.refused("prepare", "data/folder/my_test_2.jsonl: is it the test split?", "Only the first word of a name tells")


@pytest.mark.parametrize("processes", ["1", "3"])
def test_a_wrong_row_far_down_is_named_however_many_processes_read(workspace: Workspace, processes: str) -> None:
    rows = [{"text": f"row {number}", "label": number % 2, "film": f"film {number // 10}"} for number in range(45_000)]
    rows[30_010]["label"] = 7
    content = lines(rows)
    workspace.write("data/source.jsonl", content + "{broken\n")
    workspace.refused("prepare", "data/source.jsonl, line 30011: label 7 is none of", SENTIMENT_WORKERS=processes)


def test_a_number_of_processes_that_is_none(workspace: Workspace) -> None:
    workspace.refused("prepare", "SENTIMENT_WORKERS = 'many'", SENTIMENT_WORKERS="many")


def test_a_csv_with_a_quote_that_is_never_closed(workspace: Workspace) -> None:
    workspace.write("data/source.csv", 'text,label,film\nfine,1,a\n"never closed,0,b\nfine,1,c\n')
    workspace.set("prepare", source="data/source.csv")
    workspace.refused("prepare", "data/source.csv, line 3: broken csv")


def test_a_single_line_of_100_mb(workspace: Workspace) -> None:
    workspace.write("data/source.jsonl", b'[{"text": "' + b"x" * 100_000_000 + b'"}]')
    workspace.refused("prepare", "data/source.jsonl, line 1: longer than 16 MiB", "one JSON array?")


def test_a_compressed_file_that_is_damaged(workspace: Workspace) -> None:
    whole = gzip.compress(lines(GOOD).encode())
    for content in (whole[:-20], b"no gzip at all"):
        workspace.write("data/source.jsonl.gz", content)
        workspace.set("prepare", source="data/source.jsonl.gz")
        workspace.refused("prepare", "data/source.jsonl.gz: cannot be decompressed")


def test_shards_of_different_columns_or_without_rows(workspace: Workspace) -> None:
    workspace.set("prepare", source="data/shards")
    workspace.write("data/shards/train-0.jsonl", lines(GOOD))
    workspace.write("data/shards/train-1.jsonl", lines([{"review": "x", "label": 1, "film": "a"}]))
    workspace.refused("prepare", "data/shards/train-1.jsonl, line 1: no column 'text'; found review, label, film")
    workspace.write("data/shards/train-1.jsonl", lines([{**GOOD[0], "rating": "ten"}]))
    workspace.write("data/shards/train-2.jsonl", lines([{**GOOD[0], "rating": 10}]))
    workspace.refused("prepare", "data/shards", "rating")
    workspace.write("data/shards/train-1.jsonl", "")
    workspace.refused("prepare", "data/shards/train-1.jsonl: holds no rows")


def test_a_class_that_stands_in_test_alone(workspace: Workspace) -> None:
    workspace.write("data/folder/train.jsonl", lines([row for row in GOOD if row["label"] == 0]))
    workspace.write("data/folder/test.jsonl", lines([{"text": f"test {n}", "label": n % 2, "film": f"t{n}"} for n in range(6)]))
    workspace.set("prepare", source="data/folder")
    workspace.refused("prepare", "only the class 'negative' has rows to learn from (negative, positive are the classes)")


def test_symbolic_links_that_lead_nowhere_or_in_a_circle(workspace: Workspace) -> None:
    workspace.write("data/folder/train.jsonl", lines(GOOD))
    workspace.set("prepare", source="data/folder")
    loop = workspace.root / "data/folder/loop"
    loop.symlink_to(loop)
    workspace.refused("prepare", "data/folder/loop: a symbolic link that leads nowhere or in a circle")
    loop.unlink()
    loop.symlink_to(workspace.root / "data/folder", target_is_directory=True)
    workspace.refused("prepare", "data/folder/loop: a symbolic link to a folder, which is not followed")


def test_a_missing_source(workspace: Workspace) -> None:
    workspace.set("prepare", source="data/nowhere.jsonl")
    workspace.refused("prepare", "prepare.source = data/nowhere.jsonl: no such file or folder", "fetch")


def test_a_folder_without_a_train_split(workspace: Workspace) -> None:
    workspace.write("data/folder/test.jsonl", lines(GOOD))
    workspace.set("prepare", source="data/folder")
    workspace.refused("prepare", "none whose name starts with train")


def test_a_class_with_too_few_rows_to_split(workspace: Workspace) -> None:
    rows = [{**row, "label": 0} for row in GOOD[:-1]] + [GOOD[-1]]
    workspace.write("data/source.jsonl", lines(rows))
    assert workspace.run("prepare").returncode == 0
    for group in ("film", None):
        workspace.set("prepare", group_column=group)
        workspace.refused("split", "class 'positive' has 1 of the")


def test_a_cap_beyond_the_rows_takes_all(workspace: Workspace) -> None:
    assert workspace.run("prepare").returncode == 0
    workspace.set("split", max_train_examples=1000)
    done = workspace.run("split")
    assert done.returncode == 0
    assert "split.max_train_examples = 1,000, and there are " in done.stdout + done.stderr


def test_the_advice_for_a_rare_class_works_when_followed(workspace: Workspace) -> None:
    rows = [{**row, "label": ["bad", "good"][row["label"]]} for row in GOOD] + [{**GOOD[0], "text": f"rare {n}", "label": "odd"} for n in range(2)]
    workspace.write("data/source.jsonl", lines(rows))
    workspace.set("prepare", class_names=None, group_column=None)
    assert workspace.run("prepare").returncode == 0
    workspace.refused("split", "class 'odd' has 2 of the rows", "needs at least 3", "-S 'prepare.drop_classes=[odd]'")
    for advice, dropped in (
        ({"drop_classes": ["odd"]}, "class_dropped"),
        ({"drop_classes": [], "label_map": {"odd": None}}, "label_mapped_to_nothing"),
    ):
        workspace.set("prepare", **advice)
        for stage in ("prepare", "split"):
            done = workspace.run(stage)
            assert done.returncode == 0, done.stderr
        counts = json.loads((workspace.root / "reports/prepare/counts.json").read_text(encoding="utf-8"))
        assert (counts["rows_read"], counts["rows_kept"], counts["dropped"][dropped]) == (42, 40, 2)
        assert json.loads((workspace.root / "data/split/classes.json").read_text(encoding="utf-8")) == {"class_names": ["bad", "good"]}


@pytest.mark.parametrize("stage", ["prepare", "split", "train", "eval"])
@pytest.mark.parametrize(
    ("section", "values", "expected"),
    [
        ("train", {"learning_rate": 1e-5}, ["train.learning_rate is not a parameter"]),
        ("train", {"epochs": "three"}, ["train.epochs = 'three'", "integer"]),
        ("train", {"lr": -1.0}, ["train.lr = -1.0", "greater than 0"]),
        ("split", {"test_size": 1.5}, ["split.test_size = 1.5", "less than 1"]),
        ("train", {"model_revision": 8605.0}, ["train.model_revision", "quotes"]),
    ],
)
def test_wrong_parameters(workspace: Workspace, stage: str, section: str, values: dict[str, Any], expected: list[str]) -> None:
    workspace.set(section, **values)
    workspace.refused(stage, *expected)


def test_params_yaml_that_is_missing_or_broken(workspace: Workspace) -> None:
    workspace.write("params.yaml", "train: [\n")
    workspace.refused("prepare", "params.yaml")
    (workspace.root / "params.yaml").unlink()
    workspace.refused("prepare", "params.yaml")


@pytest.fixture
def ready_to_train(workspace: Workspace) -> Workspace:
    for stage in ("prepare", "split"):
        assert workspace.run(stage).returncode == 0
    return workspace


def test_a_model_folder_that_does_not_exist_or_is_empty(ready_to_train: Workspace) -> None:
    ready_to_train.set("train", model="./nowhere")
    ready_to_train.refused("train", "train.model = ./nowhere: no such folder")
    (ready_to_train.root / "encoders/empty").mkdir(parents=True)
    ready_to_train.set("train", model="encoders/empty")
    ready_to_train.refused("train", "the folder holds no model")


def test_a_package_that_is_not_installed(ready_to_train: Workspace) -> None:
    ready_to_train.set("train", model="package:no_such_package")
    ready_to_train.refused("train", "train.model = package:no_such_package", "requirements.txt")


def test_a_hub_model_without_a_network_ends_soon(ready_to_train: Workspace, tmp_path: Path) -> None:
    ready_to_train.set("train", model="google-bert/bert-base-uncased")
    start = time.monotonic()
    ready_to_train.refused("train", "the Hub does not answer", HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path / "home"))
    assert time.monotonic() - start < 30


def test_a_text_longer_than_the_model_can_read(ready_to_train: Workspace) -> None:
    ready_to_train.set("train", max_length=600)
    ready_to_train.refused("train", "train.max_length = 600", "512 tokens at most")


def test_a_python_without_the_packages_says_what_to_do(workspace: Workspace) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "stages.prepare"],
        cwd=workspace.root,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "activate the environment" in done.stderr and len(done.stderr.splitlines()) == 1
