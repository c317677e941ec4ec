"""Tables that are written and read in parts."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.core import tables
from sentiment.core.tables import TableWriter, groups_of, iterate_table, write_table
from sentiment.data.dealing.row_selection import deal_out, take_texts


def table(rows: int) -> pa.Table:
    return pa.table({"id": [str(row) for row in range(rows)], "text": [f"text {row}" for row in range(rows)]})


def test_a_table_in_parts_is_the_same_file_as_in_one(tmp_path: Path) -> None:
    whole = table(1000)
    write_table(whole, tmp_path / "whole.parquet")
    with TableWriter(tmp_path / "parts.parquet", whole.schema) as writer:
        for start in range(0, 1000, 300):
            writer.write(whole.slice(start, 300))
    assert (tmp_path / "parts.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    with TableWriter(tmp_path / "empty.parquet", whole.schema):
        pass
    assert pq.read_table(tmp_path / "empty.parquet").num_rows == 0


def test_rows_are_dealt_out_in_order_over_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_ROW_GROUP_ROWS", 64)
    monkeypatch.setattr(tables, "_READ_ROWS", 50)
    whole = table(500)
    write_table(whole, tmp_path / "whole.parquet")
    shares = {tmp_path / "a.parquet": np.arange(0, 500, 3), tmp_path / "b.parquet": np.arange(1, 500, 3)}
    deal_out(tmp_path / "whole.parquet", shares)
    for path, rows in shares.items():
        assert pq.read_table(path).equals(whole.take(rows))
        assert pq.ParquetFile(path).num_row_groups > 1
        assert sum(part.num_rows for part in iterate_table(path)) == len(rows)
    positions = np.array([0, 166, 167, 333])  # the last of a (167 rows), the first and the last of b
    assert take_texts(list(shares), positions) == ["text 0", "text 498", "text 1", "text 499"]


@given(st.lists(st.text(max_size=4), min_size=1, max_size=30))
def test_groups_are_numbered_in_the_order_of_their_names(names: list[str]) -> None:
    groups = groups_of(pa.table({"group": pa.array(names, pa.string())}))
    assert groups is not None
    assert groups.tolist() == [sorted(set(names)).index(name) for name in names]


def test_without_groups_there_are_no_numbers() -> None:
    assert groups_of(pa.table({"group": pa.nulls(3, pa.string())})) is None
