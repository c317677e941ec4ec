"""Labels of every kind become an index, or an error that names value and place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.data.reading.label_codes import LabelCoder
from sentiment.terminal.errors import UserError

NAMES = ["negative", "neutral", "positive"]


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ([0, 1, 2], [0, 1, 2]),
        (["negative", "positive"], [0, 2]),
        (["0", "2"], [0, 2]),
        ([" 1 ", "positive\n"], [1, 2]),
        (["0", "positive"], [0, 2]),
        ([1.0, 0], [1, 0]),
        (["1.0", "2.00"], [1, 2]),
        ([["positive"], "neutral"], [2, 1]),
        ([[2], 0], [2, 0]),
    ],
)
def test_an_index_a_name_or_a_string_of_an_index(values: list[Any], codes: list[int]) -> None:
    coder = LabelCoder(NAMES)
    assert [coder.encode(value, "x") for value in values] == codes


@pytest.mark.parametrize("value", [3, -1, 3.0, 0.5, True, "3", "-1", "1.5", "Positive", "²", "١", [7], {"a": 1}])
def test_anything_else_is_refused_with_value_place_and_what_is_allowed(value: Any) -> None:
    with pytest.raises(UserError) as caught:
        LabelCoder(NAMES).encode(value, "data.csv, line 7")
    message = str(caught.value)
    assert message.startswith(f"data.csv, line 7: label {value!r} is none of 0 (negative), 1 (neutral), 2 (positive)")


def test_of_two_classes_true_is_the_second() -> None:
    coder = LabelCoder(["negative", "positive"])
    assert [coder.encode(value, "x") for value in (True, False, [True])] == [1, 0, 1]
    assert [LabelCoder(["true", "false"]).encode(value, "x") for value in (True, False)] == [0, 1]
    assert [LabelCoder(["no", "yes"]).encode(value, "x") for value in ("True", "FALSE", "yes")] == [1, 0, 1]


def test_what_is_no_label_or_several_is_refused_with_the_way_on() -> None:
    for value in (None, "", "  ", float("nan")):
        with pytest.raises(UserError, match=r"line 7: label .* is missing: write one, or set prepare.unlabelled=drop"):
            LabelCoder(NAMES).encode(value, "line 7")
    with pytest.raises(UserError, match=r"is a list of several: one class a row"):
        LabelCoder(NAMES).encode(["negative", "positive"], "line 7")
    with pytest.raises(UserError, match=r"is it 'positive'\?.*prepare.label_map=\{Positive: positive\}"):
        LabelCoder(NAMES).encode("Positive", "line 7")


def test_a_class_name_that_looks_like_an_index_wins() -> None:
    coder = LabelCoder(["1", "0"])
    assert [coder.encode(value, "x") for value in ("1", "0")] == [0, 1]


@pytest.mark.parametrize(("first", "then"), [(0, "1"), ("1", 0), ("negative", 1)])
def test_numbers_and_text_in_one_file_are_refused(first: Any, then: Any) -> None:
    coder = LabelCoder(NAMES)
    coder.encode(first, "line 2")
    with pytest.raises(UserError, match=rf"line 3: label {then!r} is .* where line 2 has {first!r}"):
        coder.encode(then, "line 3")


@given(st.one_of(st.text(max_size=8), st.integers(), st.floats(), st.booleans(), st.none()))
def test_no_value_is_taken_for_a_class_it_is_not(value: Any) -> None:
    try:
        code = LabelCoder(NAMES).encode(value, "x")
    except UserError:
        return
    assert str(value).strip() == NAMES[code] or int(float(value)) == code
