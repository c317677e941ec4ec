"""Rows of a table on disk, told by their numbers: what a split is decided on, and how they are copied without holding them."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sentiment.core.files import read_json, write_json
from sentiment.core.tables import TableWriter, count_table, groups_of, iterate_table, labels_of, read_table
from sentiment.data.dealing.splitting import Indices
from sentiment.terminal.progress import progress_bar

_LONG = 50_000  # rows: some seconds
_TIES = "tied_rows.json"


@dataclass(frozen=True)
class Part:
    """Rows of one table.

    Attributes
    ----------
    path : Path
        The table.
    rows : ndarray of int
        Their numbers, ascending.
    labels, groups : ndarray of int
        What the rows are; groups are None where there are none.
    ties : ndarray of int or None
        Rows of one number must not be torn apart; None where no two are tied.
    """

    path: Path
    rows: Indices
    labels: Indices
    groups: Indices | None
    ties: Indices | None = None

    def take(self, positions: Indices) -> "Part":
        """Return the part's rows at these positions."""
        return Part(
            self.path,
            self.rows[positions],
            self.labels[positions],
            None if self.groups is None else self.groups[positions],
            None if self.ties is None else self.ties[positions],
        )


def read_part(path: Path) -> Part:
    """Read what the decision rests on of a table that prepare wrote."""
    table = read_table(path, columns=["label", "group"])
    ties = None
    if tied := read_ties(path.parent).get(path.stem):
        ties = np.arange(table.num_rows)
        for rows in tied:
            ties[rows] = rows[0]
    return Part(path, np.arange(table.num_rows), labels_of(table), groups_of(table), ties)


def write_ties(folder: Path, tied: dict[str, list[list[int]]]) -> None:
    """Write which rows of each table belong into one split, where there are any."""
    if any(tied.values()):
        write_json(folder / _TIES, tied)


def read_ties(folder: Path) -> dict[str, list[list[int]]]:
    """Read what `write_ties` wrote; empty where it wrote nothing."""
    path = folder / _TIES
    ties: dict[str, list[list[int]]] = read_json(path) if path.exists() else {}
    return ties


def deal_out(path: Path, targets: dict[Path, Indices]) -> None:
    """Copy rows of a parquet file to others, reading it once.

    Parameters
    ----------
    path : Path
        The file.
    targets : dict of Path to ndarray of int
        The files to write, and the numbers of the rows that each gets. No row goes to two of them.
    """
    owners = np.full(count_table(path), -1, dtype=np.int8)
    for index, rows in enumerate(targets.values()):
        owners[rows] = index
    schema = pq.read_schema(path)
    start = 0
    with ExitStack() as stack:
        bar = stack.enter_context(progress_bar(f"split: write {', '.join(target.stem for target in targets)}", len(owners), at_least=_LONG))
        writers = [stack.enter_context(TableWriter(target, schema)) for target in targets]
        for table in iterate_table(path):
            mine = owners[start : start + table.num_rows]
            for index, writer in enumerate(writers):
                writer.write(table.filter(pa.array(mine == index)))
            start += table.num_rows
            bar.update(start)


def take_texts(files: list[Path], positions: Indices) -> list[str]:
    """Return the texts at these positions, which must ascend, of the files' rows one after the other."""
    texts: list[str] = []
    start = 0
    for path in files:
        for table in iterate_table(path, ["text"]):
            inside = positions[(positions >= start) & (positions < start + table.num_rows)] - start
            texts.extend(table.column("text").take(pa.array(inside)).to_pylist())
            start += table.num_rows
    return texts
