"""prepare and split on small sources of every kind."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stages.workspace import GOOD, Workspace, lines


def prepared(workspace: Workspace, split: str = "all") -> list[dict[str, Any]]:
    done = workspace.run("prepare")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = pq.read_table(workspace.root / f"data/prepared/{split}.parquet").to_pylist()
    return rows


def report(workspace: Workspace, stage: str) -> Any:
    return json.loads((workspace.root / f"reports/{stage}.json").read_text(encoding="utf-8"))


def test_every_format_gives_the_same_rows(workspace: Workspace) -> None:
    expected = [(row["text"], row["label"], row["group"]) for row in prepared(workspace)]
    assert expected[0] == (GOOD[0]["text"], 0, "film 0")
    with (workspace.root / "data/source.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["text", "label", "film"])
        writer.writeheader()
        writer.writerows(GOOD)
    pq.write_table(pa.Table.from_pylist(GOOD), workspace.root / "data/source.parquet")
    for suffix in ("csv", "parquet"):
        workspace.set("prepare", source=f"data/source.{suffix}")
        assert [(row["text"], row["label"], row["group"]) for row in prepared(workspace)] == expected


@pytest.mark.parametrize("label", [lambda n: n, str, lambda n: ["negative", "positive"][n]])
def test_labels_may_be_numbers_names_or_strings_of_numbers(workspace: Workspace, label: Any) -> None:
    workspace.write("data/source.jsonl", lines([{**row, "label": label(row["label"])} for row in GOOD]))
    assert [row["label"] for row in prepared(workspace)] == [row["label"] for row in GOOD]


def test_other_columns_and_own_ids_are_kept(workspace: Workspace) -> None:
    rows = [{"id": f"r{n}", "text": f"text {n}", "label": n % 2, "film": "a", "rating": n, "group": "g"} for n in range(4)]
    workspace.write("data/source.jsonl", lines(rows))
    first = prepared(workspace)[1]
    assert (first["id"], first["rating"], first["group"], first["source_group"]) == ("r1", 1, "a", "g")


def test_the_report_counts_what_was_dropped_and_why(workspace: Workspace) -> None:
    extra = [
        {"text": GOOD[0]["text"], "label": 0, "film": "x"},
        {"text": GOOD[1]["text"].upper() + "!", "label": 1, "film": "x"},
        {"text": "<br />", "label": 1, "film": "x"},
        {"text": GOOD[2]["text"], "label": 1, "film": "x"},
    ]
    workspace.write("data/source.jsonl", lines([*GOOD, *extra]))
    assert len(prepared(workspace)) == len(GOOD) - 1
    counts = report(workspace, "prepare")
    assert (counts["rows_read"], counts["rows_kept"]) == (44, 39)
    assert {name: count for name, count in counts["dropped"].items() if count} == {
        "exact_duplicate": 1,
        "normalised_duplicate": 1,
        "empty": 1,
        "conflicting_label": 2,
    }


def test_a_test_split_of_the_sources_own_stays_as_it_is(workspace: Workspace) -> None:
    test = [{"text": f"held out {n}", "label": n % 2, "film": f"t{n}"} for n in range(6)]
    test.append(test[0])
    leaks = [{"text": "Held out 1!", "label": 1, "film": "z"}, {"text": "unseen", "label": 1, "film": "t3"}]
    workspace.write("data/folder/train.jsonl", lines([*GOOD, *leaks]))
    workspace.write("data/folder/test.jsonl", lines(test))
    workspace.write("data/folder/unsupervised.jsonl", "not even read\n")
    workspace.set("prepare", source="data/folder")
    assert [row["text"] for row in prepared(workspace, "test")] == [row["text"] for row in test]
    counts = report(workspace, "prepare")
    assert (counts["dropped"]["text_in_test"], counts["dropped"]["group_in_test"]) == (1, 1)
    assert counts["test"] == {"rows": 7, "empty": 0, "exact_duplicates": 1, "normalised_duplicates": 1}
    assert workspace.run("split").returncode == 0
    assert pq.read_table(workspace.root / "data/split/test.parquet").num_rows == 7


def test_near_duplicates_go_where_they_are_looked_for(workspace: Workspace) -> None:
    words = [f"word{n}" for n in range(80)]
    close = [{"text": " ".join(words), "label": 1, "film": "a"}, {"text": " ".join([*words[:-1], "other"]), "label": 1, "film": "b"}]
    workspace.write("data/source.jsonl", lines([*GOOD, *close]))
    assert len(prepared(workspace)) == 41
    assert report(workspace, "prepare")["dropped"]["near_duplicate"] == 1
    workspace.set("prepare", near_duplicate_threshold=None)
    assert len(prepared(workspace)) == 42


def test_split_is_exact_repeats_itself_and_says_what_it_did(workspace: Workspace) -> None:
    prepared(workspace)
    workspace.set("split", max_train_examples=11, max_test_examples=6)
    assert workspace.run("split").returncode == 0
    before = workspace.outputs()
    counts = report(workspace, "split")
    assert (counts["train"]["rows"], counts["test"]["rows"]) == (11, 6)
    assert counts["texts_shared"] == counts["groups_shared"] == counts["near_duplicates_shared"] == 0
    for stage in ("prepare", "split"):
        assert workspace.run(stage).returncode == 0
    assert workspace.outputs() == before


def test_a_leak_that_split_finds_in_what_it_wrote_stops_it(workspace: Workspace) -> None:
    assert workspace.run("prepare").returncode == 0
    path = workspace.root / "data/prepared/all.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.schema.get_field_index("text"), "text", pa.array(["the same"] * table.num_rows)), path)
    done = workspace.run("split")
    assert done.returncode != 0
    assert not Path(workspace.root / "data/split").exists()
