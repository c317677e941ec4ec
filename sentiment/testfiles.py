"""What a test leaves for programs and plots: predictions, curves as data, and every figure."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from sentiment import figures, paths
from sentiment.files import read_tsv, write_tsv
from sentiment.metrics import Calibration, confusion_counts, mean_curve, precision_recall_curves, roc_curves
from sentiment.prediction import Predictions
from sentiment.tables import write_table


def write_predictions(folder: Path, test: pa.Table, predictions: Predictions, class_names: list[str]) -> None:
    """Write one row a test text, and the pairs that make the confusion matrix."""
    columns = {
        "id": test.column("id"),
        "group": test.column("group"),
        "label": pa.array(predictions.labels, pa.int32()),
        "predicted": pa.array(predictions.predicted, pa.int32()),
        "probabilities": pa.array(list(predictions.probabilities), pa.list_(pa.float64())),
        "loss": pa.array(predictions.losses, pa.float64()),
    }
    write_table(pa.table(columns), folder / "predictions.parquet")
    names = np.asarray(class_names)
    pairs = zip(names[predictions.labels], names[predictions.predicted], strict=True)
    write_tsv(folder / "confusion.tsv", ["actual", "predicted"], pairs)


def write_curves(folder: Path, predictions: Predictions, class_names: list[str], area: float, bins: Calibration, max_grad_norm: float) -> None:
    """Write ROC, precision-recall and calibration as data, and every figure."""
    labels, probabilities = predictions.labels, predictions.probabilities
    roc, pr = roc_curves(labels, probabilities), precision_recall_curves(labels, probabilities)
    for name, curves, axes in (("roc", roc, ("fpr", "tpr")), ("pr", pr, ("recall", "precision"))):
        write_tsv(folder / f"{name}.tsv", axes, zip(*mean_curve(curves), strict=True))  # one line, which `dvc plots` draws
        if len(class_names) > 2:
            rows = [(class_names[curve.class_index], x, y) for curve in curves for x, y in zip(curve.x, curve.y, strict=True)]
            write_tsv(folder / f"{name}_by_class.tsv", ["class", *axes], rows)
    write_tsv(folder / "calibration.tsv", ["confidence", "accuracy", "rows"], zip(bins.confidence, bins.accuracy, bins.rows, strict=True))

    steps = read_tsv(paths.TRAIN_REPORT / paths.STEP_CURVE)
    validation = read_tsv(paths.TRAIN_REPORT / paths.VALIDATION_CURVE)
    write_tsv(folder / "training.tsv", *figures.smoothed_curves(steps))
    figures.draw_losses(folder / "losses.png", steps, validation)
    figures.draw_gradient_norm(folder / "grad_norm.png", steps, max_grad_norm)
    figures.draw_learning_rate(folder / "lr.png", steps)
    figures.draw_roc(folder / "roc.png", roc, class_names, area)
    figures.draw_precision_recall(folder / "pr.png", pr, class_names)
    figures.draw_confusion(folder / "confusion.png", confusion_counts(labels, predictions.predicted, len(class_names)), class_names)
    figures.draw_calibration(folder / "calibration.png", bins)
