"""Which rows go and why."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.data.dealing.comparison_keys import keys_of, repeats
from sentiment.data.dealing.leakage import Reason, clean_split, give_way, tied_rows


def table(rows: list[tuple[str, int, str | None]]) -> pa.Table:
    texts, labels, groups = zip(*rows, strict=True)
    columns = {"id": [str(n) for n in range(len(rows))], "text": texts, "label": pa.array(labels, pa.int32()), "group": pa.array(groups, pa.string())}
    return pa.table(columns)


def test_each_row_that_goes_has_its_reason_and_the_first_of_its_kind_stays() -> None:
    rows = [("A fine film.", 1, None), ("A fine film.", 1, None), ("a FINE film", 1, None), ("", 0, None), ("Odd.", 0, None), ("odd", 1, None)]
    reasons = clean_split(keys_of(table(rows)))
    assert [Reason(int(code)).name for code in reasons] == [
        "KEPT",
        "EXACT_DUPLICATE",
        "NORMALISED_DUPLICATE",
        "EMPTY",
        "CONFLICTING_LABEL",
        "CONFLICTING_LABEL",
    ]


def reasons_of(rows: list[tuple[str, int]], majority: bool = False) -> list[str]:
    return [Reason(int(code)).name for code in clean_split(keys_of(table([(*row, None) for row in rows])), majority)]


@pytest.mark.parametrize(("one", "other"), [("Great :)", "great :("), ("5% off", "5 off"), ("I love C#", "I love C"), ("Really!", "Really?")])
def test_texts_that_differ_in_punctuation_are_no_conflict_and_belong_together(one: str, other: str) -> None:
    keys = keys_of(table([("something else", 0, None), (one, 1, None), (other, 0, None), (other + ".", 0, None)]))
    reasons = clean_split(keys)
    assert [Reason(int(code)).name for code in reasons] == ["KEPT", "KEPT", "KEPT", "NORMALISED_DUPLICATE"]
    assert tied_rows(keys, reasons) == [[1, 2]]


def test_the_majority_of_one_texts_labels_stays_where_asked() -> None:
    rows = [("Fine.", 1)] * 13 + [("fine", 0), ("even", 0), ("even", 1)]
    assert set(reasons_of(rows)) == {"CONFLICTING_LABEL"}
    assert reasons_of(rows, majority=True) == ["KEPT", *["EXACT_DUPLICATE"] * 12, *["CONFLICTING_LABEL"] * 3]


def test_rows_without_a_class_go_and_contradict_nobody() -> None:
    assert reasons_of([("a", -1), ("a", 1), ("b", -2), ("c", -3), ("", -1)]) == [
        "UNLABELLED",
        "KEPT",
        "LABEL_MAPPED_TO_NOTHING",
        "CLASS_DROPPED",
        "UNLABELLED",
    ]


def test_training_gives_way_to_test_by_text_and_by_group() -> None:
    train = keys_of(table([("Seen before!", 1, "a"), ("new", 0, "b"), ("other", 1, "c")]))
    test = keys_of(table([("seen before", 1, "x"), ("more", 0, "c"), ("", 0, "y")]))
    reasons = clean_split(train)
    give_way(train, reasons, test, Reason.TEXT_IN_TEST, Reason.GROUP_IN_TEST)
    assert reasons.tolist() == [Reason.TEXT_IN_TEST, Reason.KEPT, Reason.GROUP_IN_TEST]


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=40))
def test_repeats_are_those_of_a_plain_loop(items: list[tuple[int, bool]]) -> None:
    keys, among = np.array([key for key, _ in items], dtype=np.uint64), np.array([flag for _, flag in items])
    seen: set[int] = set()
    expected = []
    for key, flag in items:
        expected.append(flag and key in seen)
        if flag:
            seen.add(key)
    assert repeats(keys, among).tolist() == expected
