"""Classes that nobody named: found in the labels, or in what the Hub wrote into a parquet file."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.core.class_names import read_class_names, write_class_names
from sentiment.data.reading.class_inference import Classes, find_classes
from sentiment.data.reading.label_codes import LabelCoder
from sentiment.data.reading.sources import SourceFile
from sentiment.terminal.errors import UserError


def source(path: Path, labels: list[Any]) -> list[SourceFile]:
    path.write_text("".join(json.dumps({"text": "x", "label": label}) + "\n" for label in labels), encoding="utf-8")
    return [SourceFile(path, "all")]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["good", "bad", "good"], ["bad", "good"]),
        ([10, 2, 1], ["1", "2", "10"]),
        ([1, -1, 0], ["-1", "0", "1"]),
        (["10", "9"], ["9", "10"]),
        ([" good ", "good", "bad"], ["bad", "good"]),
        (["4.5 stars", "1e", "e5"], ["1e", "4.5 stars", "e5"]),
    ],
)
def test_they_are_the_distinct_labels_in_order(tmp_path: Path, labels: list[Any], names: list[str]) -> None:
    assert find_classes(source(tmp_path / "a.jsonl", labels), "label") == Classes(names, labels_are_names=True)


@given(st.one_of(st.lists(st.integers(-50, 50), min_size=2), st.lists(st.text(alphabet="abc 09", min_size=1), min_size=2)))
def test_each_label_is_coded_as_its_own_class(tmp_path_factory: pytest.TempPathFactory, labels: list[Any]) -> None:
    try:
        classes = find_classes(source(tmp_path_factory.mktemp("x") / "a.jsonl", labels), "label")
    except UserError:
        assert len({str(label).strip() for label in labels}) < 2 or "" in {str(label).strip() for label in labels}
        return
    coder = LabelCoder(classes.names, classes.labels_are_names)
    assert [classes.names[coder.encode(label, "x")] for label in labels] == [str(label).strip() for label in labels]


@pytest.mark.parametrize("value", [0.5, True, None, "", "  ", "0.5", "-1.", "1e-3", "nan", [1], {"a": 1}])
def test_what_is_no_name_is_refused_with_its_place(tmp_path: Path, value: Any) -> None:
    with pytest.raises(UserError, match=r"a.jsonl, line 3: label .* prepare.class_names"):
        find_classes(source(tmp_path / "a.jsonl", ["a", "b", value]), "label")


def test_a_column_of_free_text_or_of_one_label_is_refused(tmp_path: Path) -> None:
    files = source(tmp_path / "a.jsonl", [f"review {number}" for number in range(1200)])
    with pytest.raises(UserError, match=r"a.jsonl, line 1001: the column 'label' has more than 1,000 different labels"):
        find_classes(files, "label")
    with pytest.raises(UserError, match=r"only the label 'a' was found"):
        find_classes(source(tmp_path / "b.jsonl", ["a", "a"]), "label")


def hub_file(path: Path, labels: list[int], names: Any) -> SourceFile:
    table = pa.table({"text": ["x"] * len(labels), "label": labels})
    features = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": names, "_type": "ClassLabel"}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path)
    return SourceFile(path, "train")


def test_a_parquet_file_of_the_hub_names_its_classes(tmp_path: Path) -> None:
    files = [hub_file(tmp_path / "train.parquet", [0, 0], ["pos", "neg"])]
    assert find_classes(files, "label") == Classes(["pos", "neg"], labels_are_names=False)
    files.append(hub_file(tmp_path / "test.parquet", [1], ["neg", "pos"]))
    with pytest.raises(UserError, match="name the classes of 'label' differently"):
        find_classes(files, "label")


@pytest.mark.parametrize("names", ["pos", ["pos"], ["a", "a"], [1, 2], None])
def test_names_that_cannot_be_used_are_passed_over(tmp_path: Path, names: Any) -> None:
    assert find_classes([hub_file(tmp_path / "x.parquet", [3, 5], names)], "label") == Classes(["3", "5"], labels_are_names=True)


def test_names_are_read_back_and_a_missing_or_broken_file_says_what_to_run(tmp_path: Path) -> None:
    write_class_names(tmp_path, ["bad", "good"])
    assert read_class_names(tmp_path, "split") == ["bad", "good"]
    for content in ("", "[]", "{}"):
        (tmp_path / "classes.json").write_text(content, encoding="utf-8")
        with pytest.raises(UserError, match=r"classes.json: missing or broken: run the stage split first"):
            read_class_names(tmp_path, "split")
    (tmp_path / "classes.json").unlink()
    with pytest.raises(UserError, match=r"run the stage split first"):
        read_class_names(tmp_path, "split")
