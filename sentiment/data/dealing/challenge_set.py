"""The challenge set: hard reviews of other films, for evaluation alone. It takes the way of the data: cleaned, then without what train holds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sentiment.core.tables import read_table, write_table
from sentiment.data.dealing.comparison_keys import Keys, keys_of
from sentiment.data.reading.corpus import Columns, read_corpus
from sentiment.data.reading.sources import SourceFile

CLASS_NAMES = ["negative", "positive"]
TABLE = "challenge.parquet"
_SPLIT = "challenge"


@dataclass(frozen=True)
class ChallengeRows:
    """How many rows of the challenge set came through a stage.

    Attributes
    ----------
    read, kept : int
        Rows before and after.
    """

    read: int
    kept: int


def prepare_challenge(source: Path, class_names: list[str], strip_html: bool, target: Path) -> ChallengeRows:
    """Clean the challenge set and write it as a table.

    Parameters
    ----------
    source : Path
        data/challenge.jsonl.
    class_names : list of str
        The classes of the data. Where they are others than `CLASS_NAMES`, no row is kept: a verdict on film reviews
        says nothing of them.
    strip_html : bool
        As for the data.
    target : Path
        The parquet file to write.
    """
    table = read_corpus([SourceFile(source, _SPLIT)], Columns("text", "label", "film", CLASS_NAMES, strip_html))
    kept = table if class_names == CLASS_NAMES else table.slice(0, 0)
    write_table(kept, target)
    return ChallengeRows(table.num_rows, kept.num_rows)


def split_challenge(source: Path, train: Keys, target: Path) -> ChallengeRows:
    """Copy the challenge set without the texts that the training split holds.

    Parameters
    ----------
    source : Path
        What `prepare_challenge` wrote.
    train : Keys
        Of the training split.
    target : Path
        The parquet file to write.
    """
    table = read_table(source)
    known = np.isin(keys_of(table).normalised, train.normalised)
    write_table(table.filter(pa.array(~known)), target)
    return ChallengeRows(table.num_rows, int((~known).sum()))
