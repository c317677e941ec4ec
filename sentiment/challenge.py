"""The challenge set: hard reviews of other films, for evaluation alone."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sentiment.corpus import Columns, read_corpus
from sentiment.leakage import keys_of
from sentiment.sources import SourceFile

CLASS_NAMES = ["negative", "positive"]
PHENOMENON = "phenomenon"


@dataclass(frozen=True)
class Challenge:
    """What is left of the challenge set beside a training set.

    Attributes
    ----------
    table : pyarrow.Table
        The columns of `read_corpus`.
    in_train : int
        Rows left out because their text stands in the training set.
    """

    table: pa.Table
    in_train: int


def read_challenge(path: Path, train: pa.Table, strip_html: bool) -> Challenge:
    """Read the challenge set, without the texts that stand in the training set.

    Parameters
    ----------
    path : Path
        data/challenge.jsonl.
    train : pyarrow.Table
        The training split.
    strip_html : bool
        As in training.
    """
    table = read_corpus([SourceFile(path, "challenge")], Columns("text", "label", "film", CLASS_NAMES, strip_html))
    known = np.isin(keys_of(table).normalised, keys_of(train).normalised)
    return Challenge(table.filter(pa.array(~known)), int(known.sum()))
