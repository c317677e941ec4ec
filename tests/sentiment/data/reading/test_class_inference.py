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
from sentiment.data.reading.class_inference import Classes, find_classes, named_classes
from sentiment.data.reading.label_codes import CLASS_LEFT_OUT, MAPPED_TO_NOTHING, UNLABELLED, LabelCoder, LabelRules
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
        ([True, False], ["false", "true"]),
        ([1.0, 2, "3.0"], ["1", "2", "3"]),
        ([["pos"], ["neg"], "neg"], ["neg", "pos"]),
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


@pytest.mark.parametrize("value", [0.5, None, "", "  ", "0.5", "-1.", "1e-3", "nan", [1, 2], {"a": 1}])
def test_what_is_no_name_is_refused_with_its_place(tmp_path: Path, value: Any) -> None:
    with pytest.raises(UserError, match=r"a.jsonl, line 3: label .* prepare.class_names"):
        find_classes(source(tmp_path / "a.jsonl", ["a", "b", value]), "label")


def test_a_column_of_free_text_or_of_one_label_is_refused(tmp_path: Path) -> None:
    files = source(tmp_path / "a.jsonl", [f"review {number}" for number in range(1200)])
    with pytest.raises(UserError, match=r"a.jsonl, line 1001: the column 'label' has more than 1,000 different labels"):
        find_classes(files, "label")
    with pytest.raises(UserError, match=r"only the label 'a' was found"):
        find_classes(source(tmp_path / "b.jsonl", ["a", "a"]), "label")


def test_classes_are_renamed_folded_and_left_out_and_rows_without_label_skipped(tmp_path: Path) -> None:
    files = source(tmp_path / "a.jsonl", [1, 2, 3, 4, 5, None])
    rules = LabelRules({"1": "bad", "2": "bad", "3": None, "4": "good"}, ["5"], skip_unlabelled=True)
    classes = find_classes(files, "label", rules)
    assert classes.names == ["bad", "good"]
    coder = LabelCoder(classes.names, classes.labels_are_names, None, rules, classes.all_names)
    assert [coder.encode(value, "x") for value in (1, 2, 3, 4, 5, None)] == [0, 0, MAPPED_TO_NOTHING, 1, CLASS_LEFT_OUT, UNLABELLED]
    with pytest.raises(UserError, match=r"no label 'six' occurs; the labels are 1, 2, 3, 4, 5"):
        find_classes(files, "label", LabelRules({}, ["six"], skip_unlabelled=True))


def test_of_named_classes_an_index_counts_all_of_them(tmp_path: Path) -> None:
    for rules in (LabelRules(left_out=["neutral"]), LabelRules({"neutral": None})):
        classes = named_classes(["negative", "neutral", "positive"], rules)
        coder = LabelCoder(classes.names, classes.labels_are_names, None, rules, classes.all_names)
        assert classes.names == ["negative", "positive"]
        codes = [coder.encode(value, "x") for value in (0, 1, 2)]
        assert (codes[0], codes[2]) == (0, 1) and codes[1] < 0
    with pytest.raises(UserError, match="leave positive: a classifier needs two"):
        named_classes(["negative", "positive"], LabelRules(left_out=["negative"]))


def test_names_that_differ_in_case_alone_are_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    find_classes(source(tmp_path / "a.jsonl", ["Pos", "pos", "neg"]), "label")
    printed = capsys.readouterr()
    assert "Pos, pos differ in case alone" in printed.out + printed.err and "prepare.label_map={Pos: pos}" in printed.out + printed.err


def hub_file(path: Path, labels: list[int], names: Any) -> SourceFile:
    table = pa.table({"text": ["x"] * len(labels), "label": labels})
    features = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": names, "_type": "ClassLabel"}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path)
    return SourceFile(path, "train")


def test_a_parquet_file_of_the_hub_names_its_classes(tmp_path: Path) -> None:
    files = [hub_file(tmp_path / "train.parquet", [0, 0], ["pos", "neg"])]
    assert find_classes(files, "label") == Classes(["pos", "neg"], labels_are_names=False)
    files.append(hub_file(tmp_path / "test.parquet", [1], ["neg", "pos"]))
    rules = LabelRules({"pos": "good"}, [])
    mapped = find_classes([hub_file(tmp_path / "more.parquet", [1, 0], ["pos", "neg"])], "label", rules)
    coder = LabelCoder(mapped.names, mapped.labels_are_names, None, rules, mapped.all_names)
    assert [mapped.names[coder.encode(value, "x")] for value in (0, 1)] == ["good", "neg"]
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
