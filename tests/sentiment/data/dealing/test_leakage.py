"""Which rows go and why."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sentiment.data.dealing.comparison_keys import keys_of, repeats
from sentiment.data.dealing.leakage import Reason, clean_split, give_way


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
