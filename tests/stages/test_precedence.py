"""Which rows give way when a source has splits of its own, is a folder of many files, or repeats itself all but word for word."""

import json
from typing import Any

import pyarrow.parquet as pq

from tests.stages.workspace import GOOD, Workspace, lines


def run(workspace: Workspace, *stages: str) -> None:
    for stage in stages:
        done = workspace.run(stage)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""


def table(workspace: Workspace, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(workspace.root / f"data/{name}.parquet").to_pylist()
    return rows


def dropped(workspace: Workspace) -> dict[str, int]:
    counts = json.loads((workspace.root / "reports/prepare/counts.json").read_text(encoding="utf-8"))["dropped"]
    return {reason: count for reason, count in counts.items() if count}


def rows(start: str, count: int, film: str) -> list[dict[str, Any]]:
    return [{"text": f"{start} {number} and nothing else", "label": number % 2, "film": f"{film} {number}"} for number in range(count)]


def folder(workspace: Workspace, **splits: list[dict[str, Any]]) -> None:
    for split, content in splits.items():
        workspace.write(f"data/folder/{split}.jsonl", lines(content))
    workspace.set("prepare", source="data/folder")


def test_test_comes_before_validation_and_validation_before_train(workspace: Workspace) -> None:
    test, validation = rows("kept for the test", 4, "t"), rows("kept for validation", 4, "v")
    folder(
        workspace,
        train=[
            *GOOD,
            {**test[0], "film": "x"},
            {**validation[0], "film": "x"},
            {**GOOD[0], "text": "of a test film", "film": "t 1"},
            {**GOOD[0], "text": "of a validation film", "film": "v 1"},
        ],
        validation=[*validation, {**test[2], "film": "y"}, {"text": "also of a test film", "label": 1, "film": "t 3"}],
        test=test,
    )
    run(workspace, "prepare", "split")
    # Two of test's texts (one from train, one from validation), and one film from each.
    assert dropped(workspace) == {"text_in_test": 2, "group_in_test": 2, "text_in_validation": 1, "group_in_validation": 1}
    for split, expected in {"test": test, "validation": validation, "train": GOOD}.items():
        assert [row["text"] for row in table(workspace, f"split/{split}")] == [row["text"] for row in expected]


def test_near_duplicates_give_way_to_test_then_to_the_earlier_row(workspace: Workspace) -> None:
    words = [f"word{number}" for number in range(80)]

    def close(other: str, film: str) -> dict[str, Any]:
        return {"text": " ".join([*words[:-1], other]), "label": 1, "film": film}

    folder(workspace, train=[*GOOD, close("a", "p"), close("b", "q")], test=[*rows("held out", 4, "t"), close("c", "r"), close("d", "s")])
    run(workspace, "prepare")
    assert dropped(workspace) == {"near_duplicate": 2}
    assert len(table(workspace, "prepared/test")) == 6  # a test split is never changed
    workspace.write("data/source.jsonl", lines([*GOOD, close("a", "p"), close("b", "q")]))
    workspace.set("prepare", source="data/source.jsonl")
    run(workspace, "prepare")
    assert [row["group"] for row in table(workspace, "prepared/all")][-1] == "p"


def test_of_a_hundred_texts_from_one_template_one_stays(workspace: Workspace) -> None:
    template = " ".join(f"word{number}" for number in range(100))
    workspace.write(
        "data/source.jsonl", lines([*GOOD, *({"text": f"{template} {number}", "label": 0, "film": f"x {number}"} for number in range(100))])
    )
    run(workspace, "prepare", "split")
    assert dropped(workspace) == {"near_duplicate": 99}
    assert json.loads((workspace.root / "reports/split/counts.json").read_text(encoding="utf-8"))["near_duplicates_shared"] == 0


def test_files_of_the_same_name_in_folders_of_splits_are_read(workspace: Workspace) -> None:
    for split, content in {"train": GOOD, "test": rows("held out", 6, "t")}.items():
        workspace.write(f"data/folder/{split}/0000.jsonl", lines(content))
    workspace.set("prepare", source="data/folder")
    run(workspace, "prepare", "split")
    ids = [row["id"] for split in ("train", "validation", "test") for row in table(workspace, f"split/{split}")]
    assert len(set(ids)) == len(ids) == 46


def test_a_folder_for_each_class_below_a_folder_for_each_split_is_read(workspace: Workspace) -> None:
    for split, count in {"train": 12, "test": 4}.items():
        for number in range(count):
            for name in ("neg", "pos"):
                workspace.write(f"data/folder/{split}/{name}/{number}_7.txt", f"a {name} review of {split}, number {number}")
    workspace.set("prepare", source="data/folder", class_names=["neg", "pos"], group_column=None)
    run(workspace, "prepare", "split")
    assert {(row["label"], row["text"].split()[1]) for row in table(workspace, "prepared/train")} == {(0, "neg"), (1, "pos")}
    assert len(table(workspace, "split/test")) == 8
    assert len(table(workspace, "split/train")) + len(table(workspace, "split/validation")) == 24


def test_without_groups_rows_are_dealt_out_one_by_one(workspace: Workspace) -> None:
    workspace.write("data/source.jsonl", lines([{**row, "film": "one and the same"} for row in GOOD]))
    workspace.set("prepare", group_column=None)
    run(workspace, "prepare", "split")
    sizes = {split: len(table(workspace, f"split/{split}")) for split in ("train", "validation", "test")}
    assert sizes == {"train": 28, "validation": 4, "test": 8}
    for split in sizes:
        labels = [row["label"] for row in table(workspace, f"split/{split}")]
        assert sum(labels) * 2 == len(labels)


def test_limits_are_exact_and_take_nothing_from_the_other_splits(workspace: Workspace) -> None:
    run(workspace, "prepare", "split")
    before = {split: table(workspace, f"split/{split}") for split in ("train", "validation", "test")}
    workspace.set("split", max_train_examples=10)
    run(workspace, "split")
    train = table(workspace, "split/train")
    assert len(train) == 10 and sum(row["label"] for row in train) == 5
    assert {row["id"] for row in train} <= {row["id"] for row in before["train"]}
    for split in ("validation", "test"):
        assert table(workspace, f"split/{split}") == before[split]


def test_another_training_seed_leaves_the_split_and_another_split_seed_does_not(workspace: Workspace) -> None:
    run(workspace, "prepare", "split")
    before = workspace.outputs()
    workspace.parameters["seed"] = 43
    workspace.set("split")
    run(workspace, "split")
    assert workspace.outputs() == before
    workspace.set("split", seed=43)
    run(workspace, "split")
    assert workspace.outputs()["data/split/test.parquet"] != before["data/split/test.parquet"]
