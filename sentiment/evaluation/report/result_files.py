"""What a test leaves in its folder beside the report: the predictions, the curves as tables for DVC's plots, the figures."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa

from sentiment.core.files import read_tsv, write_json, write_tsv
from sentiment.core.paths import STEP_CURVE, VALIDATION_CURVE
from sentiment.core.tables import write_table
from sentiment.evaluation.confusion import shares_of_true_class
from sentiment.evaluation.metrics import Calibration
from sentiment.evaluation.report import class_figures, training_figures
from sentiment.evaluation.report.class_section import ByClass
from sentiment.model.trained.judgement import Predictions

MEAN = "mean of all classes"


def write_predictions(folder: Path, test: pa.Table, predictions: Predictions) -> None:
    """Write one row a test text."""
    columns = {
        "id": test.column("id"),
        "group": test.column("group"),
        "label": pa.array(predictions.labels, pa.int32()),
        "predicted": pa.array(predictions.predicted, pa.int32()),
        "probabilities": pa.array(list(predictions.probabilities), pa.list_(pa.float64())),
        "loss": pa.array(predictions.losses, pa.float64()),
    }
    write_table(pa.table(columns), folder / "predictions.parquet")


def write_by_class(folder: Path, result: ByClass) -> None:
    """Write how good each class is, in the order of their indices, and the averages.

    A class that the test has no row of, or of no other, has no areas.
    """
    roc, precision_recall = ({curve.class_index: curve.area for curve in curves.classes} for curves in (result.roc, result.precision_recall))
    rows = [
        {"class": name, **asdict(report), "roc_auc": roc.get(index), "average_precision": precision_recall.get(index)}
        for index, (name, report) in enumerate(result.classes.items())
    ]
    write_json(folder / "classes.json", {"classes": rows, "averages": {name: asdict(report) for name, report in result.averages.items()}})


def write_curves(folder: Path, result: ByClass, bins: Calibration) -> None:
    """Write ROC, precision-recall, calibration and confusion as tables.

    Each curve has its rank: 0 for the mean, 1 for the class with the smallest area. DVC's plots show the first few.
    """
    # A quotation mark would begin a quoted cell for those who read the table.
    names = [name.replace('"', "'") for name in result.classes]
    for file, curves, axes in (("roc", result.roc, ("fpr", "tpr")), ("pr", result.precision_recall, ("recall", "precision"))):
        rows = [
            (names[curve.class_index] if curve.class_index >= 0 else MEAN, rank, x, y)
            for rank, curve in enumerate(curves.ranked(), 0 if curves.average else 1)
            for x, y in zip(curve.x, curve.y, strict=True)
        ]
        write_tsv(folder / f"{file}.tsv", ["class", "rank", *axes], rows)
    write_tsv(folder / "calibration.tsv", ["confidence", "accuracy", "rows"], zip(bins.confidence, bins.accuracy, bins.rows, strict=True))
    shares = np.nan_to_num(shares_of_true_class(result.counts))
    pairs = [(names[pair[0]], names[pair[1]], result.counts[pair], shares[pair]) for pair in np.ndindex(result.counts.shape)]
    write_tsv(folder / "confusion.tsv", ["actual", "predicted", "rows", "share"], pairs)


def draw_figures(folder: Path, result: ByClass, bins: Calibration) -> None:
    """Draw the figures of a test."""
    names = list(result.classes)
    class_figures.draw_roc(folder / "roc.png", result.roc, names)
    class_figures.draw_precision_recall(folder / "pr.png", result.precision_recall, names)
    class_figures.draw_confusion(folder / "confusion.png", result.counts, names)
    training_figures.draw_calibration(folder / "calibration.png", bins)


def draw_training(folder: Path, training: Path, max_grad_norm: float) -> None:
    """Draw the figures of a training from its curves in the folder `training`, and write them smoothed."""
    steps, validation = read_tsv(training / STEP_CURVE), read_tsv(training / VALIDATION_CURVE)
    write_tsv(folder / "training.tsv", *training_figures.smoothed_curves(steps))
    training_figures.draw_losses(folder / "losses.png", steps, validation)
    training_figures.draw_gradient_norm(folder / "grad_norm.png", steps, max_grad_norm)
    training_figures.draw_learning_rate(folder / "lr.png", steps)
