"""Pictures of a test class by class: ROC, precision and recall, and the confusion matrix, for any number of classes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.ticker import PercentFormatter

from sentiment.evaluation.confusion import shares_of_true_class
from sentiment.evaluation.one_against_rest import Curve, OneAgainstRest
from sentiment.evaluation.report.fonts import writable
from sentiment.evaluation.report.training_figures import COLOURS, GRID, INK, axes

EACH_CURVE = 7  # classes: of more, the average and the weakest are shown
WEAKEST = 5
_ROOMY_CELLS = 7  # classes: of more, cells hold no share
_CELLS_WITH_NUMBERS = 30  # classes: of more, cells hold nothing
_LABEL_LENGTH = 24
_SMALLEST_TYPE = 5.0  # points
_Corner = Literal["lower left", "lower right"]


def draw_roc(path: Path, curves: OneAgainstRest, class_names: Sequence[str]) -> None:
    """Draw ROC curves and the areas under them; of many classes, their average and the weakest."""
    heading = "ROC curves, one class against the rest" if curves.average else f"ROC curve, area {curves.area:.3f}"
    with axes(path, heading if curves.classes else "ROC curve", "false positive rate", "true positive rate", _size(curves), class_names) as ax:
        _plot_curves(ax, curves, class_names)
        if curves.classes:
            ax.plot([0, 1], [0, 1], color=INK, linestyle="--", linewidth=1.2, label="chance")
        _add_legend(ax, curves, "lower right")


def draw_precision_recall(path: Path, curves: OneAgainstRest, class_names: Sequence[str]) -> None:
    """Draw precision over recall and the average precisions; of many classes, their average and the weakest."""
    heading = "Precision and recall, one class against the rest" if curves.average else "Precision and recall"
    with axes(path, heading, "recall", "precision", _size(curves), class_names) as ax:
        _plot_curves(ax, curves, class_names)
        _add_legend(ax, curves, "lower left")


def draw_confusion(path: Path, counts: npt.NDArray[np.int64], class_names: Sequence[str]) -> None:
    """Draw the confusion matrix: rows counted, coloured by the share of the true class.

    Cells hold the count and the share of up to 7 classes, the count of up to 30, and no number of more.

    Parameters
    ----------
    path : Path
        The PNG file.
    counts : ndarray of int, shape (classes, classes)
        True class by predicted class.
    class_names : sequence of str
        In the order of their indices.
    """
    classes = len(class_names)
    roomy = classes <= _ROOMY_CELLS
    cell = 0.52 if roomy else 0.36 if classes <= _CELLS_WITH_NUMBERS else max(0.09, 8.0 / classes)  # inches
    side = max(4.6, cell * classes + 2.4)
    names = class_labels(class_names)
    shares = np.ma.masked_invalid(shares_of_true_class(counts))
    # Most cells of a large matrix hold a few per cent: a root tells those apart.
    norm = PowerNorm(gamma=1.0 if roomy else 0.5, vmin=0, vmax=1)
    with axes(path, "Confusion matrix", "predicted class", "true class", (side + (0.6 if roomy else 1.6), side), class_names) as ax:
        ax.grid(visible=False)
        ax.set_facecolor(GRID)  # of a class without rows
        image = ax.imshow(shares, cmap="Blues", norm=norm)
        true_names = [name if counts[index].any() else f"{name} (no rows)" for index, name in enumerate(names)]
        size = float(np.clip(72 * cell * 0.8, _SMALLEST_TYPE, 11 if roomy else 9))
        shown = range(0, classes, int(np.ceil(_SMALLEST_TYPE * 1.2 / (72 * cell))))
        ax.set_xticks(shown, [names[index] for index in shown], rotation=0 if classes <= 3 else 90, fontsize=size)
        ax.set_yticks(shown, [true_names[index] for index in shown], fontsize=size)
        if not roomy:
            bar = ax.figure.colorbar(image, ax=ax, shrink=0.6, pad=0.02, label="share of the true class")
            bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            bar.outline.set_visible(False)
        if classes <= _CELLS_WITH_NUMBERS:
            _write_counts(ax, counts, shares, norm)


def class_labels(class_names: Sequence[str]) -> list[str]:
    """Make names fit a picture: cut in the middle, still told apart, and in letters that the font has.

    Parameters
    ----------
    class_names : sequence of str
        In the order of their indices.

    Returns
    -------
    list of str
        ``class N`` stands for a name in letters that no installed font has, N counted from 0; a number is added to names
        that are the same once they are cut.
    """
    short = [" ".join(name.split()) if writable(name) else f"class {index}" for index, name in enumerate(class_names)]
    half = (_LABEL_LENGTH - 1) // 2
    short = [name if len(name) <= _LABEL_LENGTH else f"{name[: _LABEL_LENGTH - 1 - half].rstrip()}…{name[-half:].lstrip()}" for name in short]
    uses = Counter(short)
    return [name if uses[name] == 1 else f"{name} ({index})" for index, name in enumerate(short)]


def _write_counts(ax: Axes, counts: npt.NDArray[np.int64], shares: npt.NDArray[np.float64], norm: PowerNorm) -> None:
    classes = len(counts)
    roomy = classes <= _ROOMY_CELLS
    for row, column in np.ndindex(counts.shape):
        if not counts[row].any() or (not roomy and not counts[row, column]):
            continue
        share = f"\n{shares[row, column]:.0%}" if roomy else ""
        ax.text(
            column,
            row,
            f"{counts[row, column]:,}{share}",
            ha="center",
            va="center",
            fontsize=12 if classes <= 3 else 9 if roomy else 7,
            color="white" if norm(shares[row, column]) > 0.55 else INK,
        )


def _size(curves: OneAgainstRest) -> tuple[float, float]:
    return (8.2, 4.8) if curves.average else (5.2, 4.8)


def _named(curves: OneAgainstRest) -> list[Curve]:
    return curves.classes if len(curves.classes) <= EACH_CURVE else curves.ranked()[1 : 1 + WEAKEST]


def _plot_curves(ax: Axes, curves: OneAgainstRest, class_names: Sequence[str]) -> None:
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.04)
    names, named = class_labels(class_names), _named(curves)
    if not named:
        ax.text(0.5, 0.5, "No curve: all test rows are of one class", ha="center", va="center")
    elif curves.average is None:
        ax.plot(named[0].x, named[0].y, color=COLOURS[0], label=names[named[0].class_index])
    else:
        mean = f"{curves.average.area:.3f}  mean of {len(curves.classes)} classes"
        ax.plot(curves.average.x, curves.average.y, color=INK, linewidth=2.6, zorder=5, label=mean)
        for colour, curve in zip(COLOURS, named, strict=False):
            ax.plot(curve.x, curve.y, color=colour, linewidth=1.5, zorder=4, label=f"{curve.area:.3f}  {names[curve.class_index]}")
        drawn = {curve.class_index for curve in named}
        others = [curve for curve in curves.classes if curve.class_index not in drawn]
        for position, curve in enumerate(others):
            label = f"the other {len(others)}" if position == 0 else None
            ax.plot(curve.x, curve.y, color=COLOURS[-1], linewidth=0.8, alpha=0.45, label=label)


def _add_legend(ax: Axes, curves: OneAgainstRest, corner: _Corner) -> None:
    if curves.average is None:
        if curves.classes:
            ax.legend(loc=corner)
        return
    ax.set_aspect("equal", anchor="W")
    many = len(curves.classes) > EACH_CURVE
    title = f"area under the mean,\nand the {WEAKEST} weakest classes" if many else "area under each curve"
    # Beside the picture: within it, a curve could lie behind the legend.
    ax.legend(loc="upper left", bbox_to_anchor=(1.03, 1.0), borderaxespad=0.0, title=title, alignment="left", fontsize=10)
