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
    return json.loads((workspace.root / f"reports/{stage}/counts.json").read_text(encoding="utf-8"))


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


def test_what_was_found_out_about_a_raw_file_is_said_and_recorded(workspace: Workspace) -> None:
    rows = "\n".join(f"{row['text']};{row['label']};{row['film']};cr\xe8me br\xfbl\xe9e" for row in GOOD)
    (workspace.root / "data/source.csv").write_bytes(f"text;label;film;note\n{rows}\n".encode("cp1252"))
    workspace.set("prepare", source="data/source.csv")
    done = workspace.run("prepare")
    words = "in cp1252, cells parted by semicolons"
    assert f"prepare: source.csv is read as .csv, {words} (if that is wrong: python -m sentiment fetch data/source.csv --encoding NAME" in done.stdout
    assert report(workspace, "prepare")["read_as"] == {"source.csv": words}


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


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["bad", "good"], ["bad", "good"]), ([-1, 1], ["-1", "1"]), (["2", "10"], ["2", "10"]), ([5, 7], ["5", "7"])],
)
def test_classes_that_nobody_named_are_those_of_the_data(workspace: Workspace, names: list[Any], expected: list[str]) -> None:
    workspace.write("data/source.jsonl", lines([{**row, "label": names[row["label"]]} for row in GOOD]))
    workspace.set("prepare", class_names=None)
    assert [row["label"] for row in prepared(workspace)] == [row["label"] for row in GOOD]
    assert workspace.run("split").returncode == 0
    for folder in ("prepared", "split"):
        assert json.loads((workspace.root / f"data/{folder}/classes.json").read_text(encoding="utf-8")) == {"class_names": expected}
    assert report(workspace, "split")["test"]["classes"].keys() == set(expected)


def test_classes_that_are_named_are_written_down_as_well(workspace: Workspace) -> None:
    prepared(workspace)
    assert workspace.run("split").returncode == 0
    assert json.loads((workspace.root / "data/split/classes.json").read_text(encoding="utf-8")) == {"class_names": ["negative", "positive"]}


def test_dropped_rows_are_shown_by_example_with_the_row_they_gave_way_to(workspace: Workspace) -> None:
    words = [f"word{n}" for n in range(80)]
    train = [
        *GOOD,
        *({"id": f"again {n}", "text": GOOD[0]["text"], "label": 0, "film": "x"} for n in range(7)),
        {"id": "loud", "text": GOOD[1]["text"].upper() + " [*!_]", "label": 1, "film": "x"},
        {"id": "nothing", "text": "<br />", "label": 1, "film": "x"},
        {"id": "other", "text": GOOD[2]["text"], "label": 1, "film": "x"},
        {"id": "seen", "text": "Held out 1!", "label": 1, "film": "z"},
        {"id": "film", "text": "unseen", "label": 1, "film": "t3"},
        {"id": "close", "text": " ".join([*words[:-1], "end | of <b>it</b>"]), "label": 1, "film": "w"},
    ]
    test = [{"id": f"t{n}", "text": f"held out {n}", "label": n % 2, "film": f"t{n}"} for n in range(6)]
    test.append({"id": "long", "text": " ".join([*words, "of it"]), "label": 1, "film": "t9"})
    workspace.write("data/folder/train.jsonl", lines(train))
    workspace.write("data/folder/test.jsonl", lines(test))
    workspace.set("prepare", source="data/folder")
    done = workspace.run("prepare")
    assert done.stdout.splitlines()[-1].endswith("data/prepared/dropped.md")
    found = json.loads((workspace.root / "data/prepared/dropped.json").read_text(encoding="utf-8"))
    assert {reason: entry["rows"] for reason, entry in found.items()} == report(workspace, "prepare")["dropped"]

    def first(reason: str) -> tuple[str, str, Any]:
        example = found[reason]["examples"][0]
        return example["id"], example["split"], example.get("gave_way_to") or example.get("conflicts_with")

    assert [example["id"] for example in found["exact_duplicate"]["examples"]] == [f"again {n}" for n in range(5)]
    assert first("exact_duplicate") == ("again 0", "train", {"id": "train-000001", "split": "train"})
    assert first("normalised_duplicate") == ("loud", "train", {"id": "train-000002", "split": "train"})
    assert first("empty") == ("nothing", "train", None)
    assert first("conflicting_label") == ("train-000003", "train", {"id": "other", "split": "train"})
    assert first("text_in_test") == ("seen", "train", {"id": "t1", "split": "test"})
    assert first("group_in_test") == ("film", "train", {"id": "t3", "split": "test"})
    assert first("near_duplicate") == ("close", "train", {"id": "long", "split": "test"})
    page = (workspace.root / "data/prepared/dropped.md").read_text(encoding="utf-8")
    assert "| loud | train | " + GOOD[1]["text"].upper() + r" \[\*!\_\] | train-000002 (train) |" in page
    assert "the first 5 of 7" in page


def test_nothing_depends_on_the_number_of_processes(workspace: Workspace) -> None:
    rows = [
        {"text": f"review {n} of {n // 3} {'and more ' * (n % 7)}", "label": n % 2, "film": f"film {n // 10}", "stars": n % 10} for n in range(20_000)
    ]
    rows[19_000] = {**rows[17], "film": "elsewhere"}
    rows.extend({**row, "stars": None, "seen": True} for row in GOOD)
    workspace.write("data/source.jsonl", lines(rows))
    outputs = []
    for processes in ("1", "3"):
        for stage in ("prepare", "split"):
            done = workspace.run(stage, SENTIMENT_WORKERS=processes)
            assert done.returncode == 0, done.stderr
        outputs.append(workspace.outputs())
    assert outputs[0] == outputs[1]
    assert report(workspace, "prepare")["dropped"]["exact_duplicate"] == 1


def test_files_whose_last_word_tells_their_split(workspace: Workspace) -> None:
    workspace.write("data/folder/imdb_train.jsonl", lines(GOOD))
    workspace.write("data/folder/imdb_test.jsonl", lines([{"text": f"held out {n}", "label": n % 2, "film": f"t{n}"} for n in range(6)]))
    workspace.set("prepare", source="data/folder")
    assert len(prepared(workspace, "train")) == len(GOOD)
    assert len(prepared(workspace, "test")) == 6


def test_columns_and_rows_are_chosen_by_parameters(workspace: Workspace) -> None:
    rows = [
        {"title": f"title {n}", "body": f"body {n}", "stars": 1 + n % 5, "part": ["train", "train", "dev", "test", "spare"][n // 10], "id": n % 3}
        for n in range(50)
    ]
    rows.append({**rows[0], "stars": None, "title": "no stars"})
    rows += [
        {"title": "so so", "body": ending, "stars": stars, "part": "train", "id": 0}
        for ending, stars in ((":)", 5), (":(", 1), ("", 1), ("", 5), ("", 5))
    ]
    workspace.write("data/source.jsonl", lines(rows))
    workspace.set(
        "prepare",
        text_column=["title", "body"],
        label_column="stars",
        group_column=None,
        id_column=None,
        split_column="part",
        class_names=None,
        label_map={1: "bad", 2: "bad", 3: None, 4: "good", 5: "good"},
        unlabelled="drop",
        conflicts="majority",
    )
    train = prepared(workspace, "train")
    assert {row["text"] for row in train if row["text"].startswith("title 0")} == {"title 0\nbody 0"}
    assert (train[0]["id"], train[0]["source_id"]) == ("source-000001", 0)
    assert [(row["text"], row["label"]) for row in train if row["text"].startswith("so so")] == [("so so\n:)", 1), ("so so\n:(", 0)]
    dropped = report(workspace, "prepare")["dropped"]
    assert (dropped["unlabelled"], dropped["label_mapped_to_nothing"], dropped["conflicting_label"]) == (1, 8, 1)
    assert len(prepared(workspace, "validation")) + len(prepared(workspace, "test")) > 0


def test_texts_that_differ_in_punctuation_go_into_one_split(workspace: Workspace) -> None:
    rows = [{"text": f"the {n}th film {':)' if label else ':('}", "label": label} for n in range(60) for label in (0, 1)]
    workspace.write("data/source.jsonl", lines(rows))
    workspace.set("prepare", group_column=None)
    assert len(prepared(workspace)) == 120
    assert workspace.run("split").returncode == 0
    counts = report(workspace, "split")
    assert counts["texts_shared"] == 0 and sum(counts[split]["rows"] for split in ("train", "validation", "test")) == 120


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
