"""Rows that pass through a file: read back as they were, whatever their columns."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.data.reading.spill_file import RowStore
from sentiment.terminal.errors import UserError

SOURCE = Path("data/x.jsonl")
PARTS = [
    pa.table({"id": ["a", "b"], "year": pa.nulls(2)}),
    pa.table({"id": ["c"], "year": [1999]}),
    pa.table({"id": ["d", "e"], "seen": [True, None]}),
    pa.table({"id": ["f"], "year": [1.5]}),
]
YEARS = [None, None, 1999.0, None, None, 1.5]


def test_columns_that_come_and_go_are_one_table_in_the_end(tmp_path: Path) -> None:
    with RowStore(tmp_path / "rows") as store:
        for part in PARTS:
            store.append(part, SOURCE)
        assert store.num_rows == 6
        assert store.schema == pa.concat_tables(PARTS, promote_options="permissive").schema
        assert [start for start, _ in store.tables()] == [0, 2, 3, 5]
        whole = pa.concat_tables([table for _, table in store.tables()])
        assert whole.column("id").to_pylist() == list("abcdef")
        assert whole.column("year").to_pylist() == YEARS
    assert not (tmp_path / "rows").exists()


@given(st.sets(st.integers(0, 5)))
def test_rows_are_taken_by_their_numbers(tmp_path_factory: pytest.TempPathFactory, numbers: set[int]) -> None:
    rows = np.array(sorted(numbers), dtype=np.int64)
    with RowStore(tmp_path_factory.mktemp("store") / "rows") as store:
        for part in PARTS:
            store.append(part, SOURCE)
        taken = store.take(rows)
    assert taken.column("id").to_pylist() == ["abcdef"[row] for row in rows]
    assert taken.column("year").to_pylist() == [YEARS[row] for row in rows]


def test_a_column_whose_type_does_not_go_with_the_earlier_one_is_named_with_its_file(tmp_path: Path) -> None:
    with RowStore(tmp_path / "rows") as store:
        store.append(PARTS[1], SOURCE)
        with pytest.raises(UserError, match=r"data/y.jsonl: its columns have types that do not go together.*year"):
            store.append(pa.table({"id": ["x"], "year": ["unknown"]}), Path("data/y.jsonl"))
