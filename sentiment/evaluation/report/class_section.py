"""The report's section on the classes: how good each is, which are taken for each other, and what could not be judged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sentiment.evaluation.confusion import most_confused
from sentiment.evaluation.metrics import ClassReport, averages
from sentiment.evaluation.one_against_rest import Curve, OneAgainstRest
from sentiment.evaluation.report.fonts import writable
from sentiment.evaluation.report.markdown import pictures, plain, table

_CLASSES_SHOWN = 20
_PAIRS_SHOWN = 10
_NAMES_SHOWN = 5
_ROOMY_CLASSES = 7


@dataclass(frozen=True)
class ByClass:
    """How good a classifier is class by class.

    Attributes
    ----------
    classes : dict of str to ClassReport
        By class name, in the order of their indices.
    roc, precision_recall : OneAgainstRest
        One class against the others.
    counts : ndarray of int, shape (classes, classes)
        True class by predicted class.
    """

    classes: dict[str, ClassReport]
    roc: OneAgainstRest
    precision_recall: OneAgainstRest
    counts: npt.NDArray[np.int64]

    @property
    def averages(self) -> dict[str, ClassReport]:
        """Macro and weighted averages over the classes that have rows."""
        return averages(list(self.classes.values()))


def class_section(result: ByClass) -> list[str]:
    """Return the lines of the section: of more than 20 classes the weakest alone, of more than two the pairs most confused."""
    lines = ["## Classes", ""]
    if len(result.classes) > _CLASSES_SHOWN:
        lines += [f"The {_CLASSES_SHOWN} of {len(result.classes):,} classes with the lowest F1; all of them stand in `classes.json`.", ""]
    lines += [*_class_table(result), *_remarks(result), ""]
    if len(result.classes) <= _ROOMY_CLASSES:
        lines += pictures("confusion", "calibration")
    else:
        lines += [*pictures("confusion", width="96%"), "", *pictures("calibration")]
    lines += ["", *pictures("roc", "pr")]
    return lines + (_confused(result) if len(result.classes) > 2 else [])


def _class_table(result: ByClass) -> list[str]:
    chosen = list(result.classes.items())
    if len(chosen) > _CLASSES_SHOWN:
        with_rows = [(name, report) for name, report in chosen if report.rows]
        chosen = sorted(with_rows, key=lambda item: item[1].f1)[:_CLASSES_SHOWN]
    header = ["class", "precision", "recall", "F1", "rows"]
    rows = [[plain(name), *_cells(report)] for name, report in chosen]
    means = [[f"*{name} average*", *_cells(report)] for name, report in result.averages.items()]
    if len(result.classes) > 2:
        header += ["ROC-AUC", "average precision"]
        index = {name: number for number, name in enumerate(result.classes)}
        for row, (name, _) in zip(rows, chosen, strict=True):
            row += [_area(curves.classes, index[name]) for curves in (result.roc, result.precision_recall)]
        means[0] += [_number(curves.area) for curves in (result.roc, result.precision_recall)]
        means[1] += ["", ""]
    return table(header, rows + means)


def _cells(report: ClassReport) -> list[str]:
    if not report.rows:
        return ["–", "–", "–", "0"]
    return [f"{report.precision:.3f}", f"{report.recall:.3f}", f"{report.f1:.3f}", f"{report.rows:,}"]


def _area(curves: Sequence[Curve], index: int) -> str:
    return _number(next((curve.area for curve in curves if curve.class_index == index), float("nan")))


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"


def _remarks(result: ByClass) -> list[str]:
    absent = [name for name, report in result.classes.items() if not report.rows]
    guessed = result.counts.sum(axis=0) > 0
    silent = [name for (name, report), any_guess in zip(result.classes.items(), guessed, strict=True) if report.rows and not any_guess]
    foreign = [f"{index} ({plain(name)})" for index, name in enumerate(result.classes) if not writable(name)]
    lines = []
    if absent:
        lines += ["", f"**No test row is of the class {_names(absent)}**: it could not be judged, and the averages leave it out."]
    if silent:
        lines += ["", f"No text was taken for {_names(silent)}: precision, recall and F1 count as 0."]
    if not result.roc.classes:
        lines += ["", "All test rows are of one class: there are no ROC and no precision-recall curves, and no area under them."]
    if foreign:
        lines += ["", f"No installed font can write some names; in the figures, *class N* stands for class {', '.join(foreign)}."]
    return lines


def _names(names: Sequence[str]) -> str:
    return _listed([plain(name) for name in names])


def _listed(items: Sequence[str]) -> str:
    shown = ", ".join(items[:_NAMES_SHOWN])
    return shown if len(items) <= _NAMES_SHOWN else f"{shown} and {len(items) - _NAMES_SHOWN:,} more"


def _confused(result: ByClass) -> list[str]:
    pairs = most_confused(result.counts, _PAIRS_SHOWN)
    if not pairs:
        return []
    names = list(result.classes)
    rows = [[plain(names[pair.true]), plain(names[pair.predicted]), f"{pair.rows:,}", f"{pair.share:.1%}"] for pair in pairs]
    return ["", "Most often confused:", "", *table(["true", "taken for", "rows", "of the true class"], rows)]
