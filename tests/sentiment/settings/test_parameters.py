"""params.yaml through its schema: numbers as people write them, and every wrong value in one line."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sentiment.settings.schema import flatten, load_parameters, parse_older_parameters, parse_parameters
from sentiment.terminal.errors import UserError
from tests.imports import ROOT

TEXT = (ROOT / "sentiment/settings/defaults.yaml").read_text(encoding="utf-8")  # the same values, one to a line


def with_line(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


def error(text: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_parameters(text, "params.yaml")
    return str(caught.value)


@pytest.mark.parametrize("written", ["2e-5", "2.0e-5", "2E-05", "0.00002", "2.e-5", "+2e-5"])
def test_a_learning_rate_is_a_number_however_it_is_written(written: str) -> None:
    assert parse_parameters(with_line("lr: 2.0e-5", f"lr: {written}"), "params.yaml").train.lr == 2e-5


@given(st.floats(min_value=1e-9, max_value=1.0, exclude_min=True))
def test_any_float_python_writes_is_read_back(value: float) -> None:
    assert parse_parameters(with_line("lr: 2.0e-5", f"lr: {value!r}"), "params.yaml").train.lr == value


@pytest.mark.parametrize(
    ("written", "names"),
    [("[no, yes]", ["no", "yes"]), ("[false, true]", ["false", "true"]), ("\n  - no\n  - yes", ["no", "yes"]), ("[-1, 0, 1]", ["-1", "0", "1"])],
)
def test_class_names_may_be_words_that_yaml_1_1_takes_for_truth_values_or_numbers(written: str, names: list[str]) -> None:
    assert parse_parameters(with_line("[negative, positive]", written), "params.yaml").prepare.class_names == names


def test_a_label_map_has_labels_as_keys_however_yaml_types_them() -> None:
    parameters = parse_parameters(with_line("label_map: null", "label_map: {3: bad, true: good, no: null, x: y, 2.0: good}"), "params.yaml")
    assert parameters.prepare.label_map == {"3": "bad", "true": "good", "no": None, "x": "y", "2": "good"}


def test_what_dvc_writes_back_is_read_back() -> None:
    rewritten = yaml.safe_dump(yaml.safe_load(with_line("lr: 2.0e-5", "lr: 5e-05")), sort_keys=False).replace("'5e-05'", "5e-05")
    assert parse_parameters(rewritten, "params.yaml").train.lr == 5e-5


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  epochs: 3", "  epochs: 3\n  epoch: 4", ["train.epoch is not a parameter", "did you mean train.epochs?"]),
        ("  epochs: 3", "  epochs: 3.5", ["train.epochs = 3.5", "integer"]),
        ("  epochs: 3", "  epochs: 0", ["train.epochs = 0", "greater than or equal to 1"]),
        ("  epochs: 3", "  epochs: true", ["train.epochs = True"]),
        ("  epochs: 3", "  epochs: '3'", ["train.epochs = '3'"]),
        ("  epochs: 3\n", "", ["train.epochs is missing: it may be new; add `epochs: 3`, the default, below `train:`"]),
        ("  model_revision: null\n", "", ["train.model_revision is missing", "add `model_revision: null`"]),
        ("  lr: 2.0e-5", "  learning_rate: 2.0e-5", ["train.learning_rate is not a parameter: did you mean train.lr? Its default is 2.0e-05"]),
        ("  epochs: 3", "  epochs: 3\n  epochs: 4", ["epochs", "occurs twice"]),
        ("lr: 2.0e-5", "lr: .nan", ["train.lr"]),
        ("keep: last", "keep: first", ["train.keep = 'first'", "'last' or 'best'"]),
        ("truncation: head\n", "truncation: middle\n", ["train.truncation = 'middle'"]),
        ("model_revision: null", "model_revision: 8605e09", ["train.model_revision", "put the revision in quotes"]),
        ("[negative, positive]", "[good, good]", ["prepare.class_names", "distinct"]),
        ("[negative, positive]", "[good]", ["prepare.class_names"]),
        ("source: data/reviews.jsonl", "source: ../other.jsonl", ["prepare.source = '../other.jsonl'", "inside the repository", "fetch"]),
        ("source: data/reviews.jsonl", "source: /tmp/other.jsonl", ["inside the repository"]),
        ("gradient_accumulation_steps: 1", "gradient_accumulation_steps: 3", ["batch_size (8) must be a multiple"]),
        ("near_duplicate_threshold: 0.9", "near_duplicate_threshold: 2", ["prepare.near_duplicate_threshold = 2"]),
        ("seed: 42\n\n", "sede: 42\n\n", ["sede is not a parameter: did you mean seed?"]),
        ("  batch_size: 8", "  batch-size: 8", ["train.batch-size is not a parameter: did you mean train.batch_size?"]),
        ("  lr: 2.0e-5", "  learning rate: 2.0e-5", ["train.learning rate is not a parameter: known are model"]),
        ("\neval:", "\nevaluation:", ["evaluation is not a parameter"]),
        ("  lr: 2.0e-5", "  lr: {{ lr }}", ["params.yaml, line ", "a key must be a plain name"]),
        ("model_revision: null", "model_revision: 2020-13-45", ["params.yaml: holds a value that cannot be read"]),
        ("model_revision: null", "model_revision: 2020-10-05", ["train.model_revision = datetime.date(2020, 10, 5)"]),
        ("seed: 42\n\n", f"seed: {'9' * 5000}\n\n", ["params.yaml: holds a value that cannot be read"]),
        ("seed: 42\n\n", "seed: -1\n", ["seed = -1"]),
        ("class_weights: null", "class_weights: on", ["train.class_weights = 'on'", "'balanced'"]),
        ("max_train_examples: null", "max_train_examples: 0.5", ["split.max_train_examples = 0.5", "integer"]),
        ("test_size: 0.2", "test_size: 1.0", ["split.test_size = 1.0", "less than 1"]),
        ("challenge: true", "challenge: 1", ["eval.challenge = 1"]),
        ("  epochs: 3", "\tepochs: 3", ["params.yaml, line ", "not valid YAML"]),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(old: str, new: str, expected: list[str]) -> None:
    message = error(TEXT.replace(old, new, 1))
    for words in expected:
        assert words in message


@given(st.text(max_size=60))
def test_no_text_ends_in_anything_but_an_error_of_the_users(text: str) -> None:
    error(text)


def test_an_error_is_one_line_however_many_values_are_wrong() -> None:
    message = error(with_line("lr: 2.0e-5", "lr: 7").replace("  batch_size: 8", "  batch_size: 0").replace("test_size: 0.2", "test_size: 2"))
    assert "split.test_size = 2" in message and "(and 2 more)" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "words\n", "42\n"])
def test_what_is_no_mapping_is_refused_with_the_keys_it_must_have(text: str) -> None:
    assert error(text) == "params.yaml: must be a mapping with the keys seed, prepare, split, train, eval, export"


def test_a_file_that_is_missing_or_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    with pytest.raises(UserError, match="is missing: run this from the repository's root"):
        load_parameters(path)
    path.write_bytes(b"# caf\xe9\n" + TEXT.encode())
    with pytest.raises(UserError, match=r"not UTF-8 \(byte 5 of the file\)"):
        load_parameters(path)


def test_flat_names_come_in_the_files_order() -> None:
    names = list(flatten(parse_parameters(TEXT, "params.yaml")))
    assert names[:2] == ["seed", "prepare.source"]
    assert names.index("train.lr") < names.index("train.batch_size") < names.index("eval.challenge")


def test_the_defaults_that_errors_name_are_those_of_the_project() -> None:
    defaults = ROOT / "sentiment/settings/defaults.yaml"
    assert flatten(parse_parameters(defaults.read_text(encoding="utf-8"), "defaults")) == flatten(load_parameters(ROOT / "params.yaml"))


def test_an_older_experiment_has_the_defaults_of_what_was_not_there_yet() -> None:
    text = with_line("  model_revision: null\n", "").replace("  lr: 2.0e-5", "  lr: 5.0e-5")
    assert parse_older_parameters(text, "its params.yaml").train.model_revision is None
    assert parse_older_parameters(text, "its params.yaml").train.lr == 5e-5
    with pytest.raises(UserError, match="is not a parameter"):
        parse_older_parameters(text + "unknown: 1\n", "its params.yaml")
