"""What the reference stage leaves for the eval stage: the simpler method's answers, and the training labels that it doubts."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentiment.core.files import read_json, write_json
from sentiment.core.tables import labels_of, write_table
from sentiment.evaluation.counting_words import WORDS
from sentiment.evaluation.doubtful_labels import DoubtfulLabel, DoubtfulLabels
from sentiment.terminal.errors import UserError

_SUMMARY = "summary.json"
_DOUBTFUL = "doubtful_labels.json"


@dataclass(frozen=True)
class Reference:
    """How the simpler method does on the same split.

    Attributes
    ----------
    accuracy : float or None
        On the test split, in [0, 1]; None where the method cannot be fitted to this data.
    challenge_accuracy : float or None
        On the challenge set; None where it is empty, and where `accuracy` is.
    doubtful : DoubtfulLabels
        Training rows whose label it doubts.
    unavailable : str or None
        Why there is no accuracy.
    counted : str
        What the method counts: words, characters, or words and characters.
    """

    accuracy: float | None
    challenge_accuracy: float | None
    doubtful: DoubtfulLabels
    unavailable: str | None = None
    counted: str = WORDS


def write_reference(folder: Path, reference: Reference) -> None:
    """Write the figures and the doubtful labels; `write_answers` adds the answers beside them."""
    why = {"unavailable": reference.unavailable} if reference.unavailable else {}
    figures = {"accuracy": reference.accuracy, "challenge_accuracy": reference.challenge_accuracy, "counted": reference.counted}
    write_json(folder / _SUMMARY, {**figures, **why})
    write_json(folder / _DOUBTFUL, asdict(reference.doubtful))


def write_answers(path: Path, table: pa.Table, probabilities: npt.NDArray[np.float64]) -> None:
    """Write one row for each row of a split.

    Parameters
    ----------
    path : Path
        The parquet file: id, label, probabilities (null where the row was not judged).
    table : pyarrow.Table
        The split.
    probabilities : ndarray of float, shape (rows, classes)
        What the method gives to each class; nan in all columns where it was not asked.
    """
    lists = pa.array([row if np.isfinite(row).all() else None for row in probabilities], pa.list_(pa.float64()))
    write_table(pa.table({"id": table.column("id"), "label": pa.array(labels_of(table), pa.int32()), "probabilities": lists}), path)


def read_reference(folder: Path) -> Reference:
    """Read what the reference stage wrote.

    Raises
    ------
    UserError
        Where the folder is missing or broken.
    """
    try:
        summary: dict[str, Any] = read_json(folder / _SUMMARY)
        doubtful: dict[str, Any] = read_json(folder / _DOUBTFUL)
        found = [DoubtfulLabel(**entry) for entry in doubtful["found"]]
        reference = Reference(
            summary["accuracy"],
            summary["challenge_accuracy"],
            DoubtfulLabels(found, doubtful["rows"], doubtful["judged"]),
            summary.get("unavailable"),
            summary["counted"],
        )
        _check(reference)
        return reference
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{folder}: missing or broken: run the stage reference first (dvc repro, or python -m stages.reference)") from None


def _check(reference: Reference) -> None:
    figures = (reference.accuracy, reference.challenge_accuracy)
    if any(figure is not None and not (isinstance(figure, int | float) and 0 <= figure <= 1) for figure in figures):
        raise ValueError("no share")
    if reference.accuracy is None and not isinstance(reference.unavailable, str):
        raise ValueError("no accuracy, and no reason")
    if not isinstance(reference.counted, str):
        raise TypeError("no name of what is counted")
    if not all(isinstance(count, int) for count in (reference.doubtful.rows, reference.doubtful.judged)):
        raise TypeError("no count")
