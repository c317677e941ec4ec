"""Pictures of a training and of its test, in one style."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from sentiment.evaluation.metrics import Calibration
from sentiment.evaluation.report.fonts import families_for

# Okabe and Ito's colours, told apart also by people who do not see red and green alike.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F")
INK, GRID = "#22272e", "#d9dde3"
_SIZE = (6.4, 4.0)
_DPI = 150
_SMOOTHING_SHARE = 0.05
_CURVE_POINTS = 400
_STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a class name is a dollar sign
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "figure.constrained_layout.use": True,
}


@contextmanager
def axes(path: Path, title: str, x: str, y: str, size: tuple[float, float] = _SIZE, names: Sequence[str] = ()) -> Iterator[Axes]:
    """Give axes to draw on; write them to a PNG file, the same bytes for the same drawing.

    Parameters
    ----------
    path : Path
        The PNG file.
    title, x, y : str
        Heading and axis labels.
    size : tuple of float
        Width and height in inches, at 150 dots an inch.
    names : sequence of str
        Class names that will be written: their letters decide which fonts are used beside the usual one.
    """
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    with matplotlib.rc_context({**_STYLE, "font.family": families_for(names)}):
        figure = Figure(figsize=size, dpi=_DPI)
        FigureCanvasAgg(figure)
        ax = figure.add_subplot()
        ax.set_title(title)
        ax.set_xlabel(x)
        ax.set_ylabel(y)
        yield ax
        figure.savefig(path, metadata={"Software": None})


def draw_losses(path: Path, steps: Mapping[str, Sequence[float]], validation: Mapping[str, Sequence[float]]) -> None:
    """Draw training loss (each step, and smoothed) and validation loss over epochs.

    Parameters
    ----------
    path : Path
        The PNG file.
    steps : mapping
        Columns epoch and loss of the step curve.
    validation : mapping
        Columns epoch and loss of the validation curve.
    """
    with axes(path, "Loss", "epoch", "cross-entropy (nats)") as ax:
        _noisy(ax, steps["epoch"], steps["loss"], COLOURS[0], "train")
        ax.plot(validation["epoch"], validation["loss"], color=COLOURS[1], marker="o", label="validation")
        _from_zero(ax, [*_typical(steps["loss"]), *validation["loss"]])
        ax.legend()


def draw_gradient_norm(path: Path, steps: Mapping[str, Sequence[float]], max_norm: float) -> None:
    """Draw the gradient norm before clipping at each step, and the norm it is clipped to."""
    with axes(path, "Gradient norm", "epoch", "norm before clipping (log scale)") as ax:
        _noisy(ax, steps["epoch"], steps["grad_norm"], COLOURS[2], "each step, and smoothed")
        ax.axhline(max_norm, color=INK, linestyle="--", linewidth=1.2, label=f"clipped to {max_norm:g}")
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.legend()


def draw_learning_rate(path: Path, steps: Mapping[str, Sequence[float]]) -> None:
    """Draw the learning rate at each step."""
    with axes(path, "Learning rate", "epoch", "learning rate") as ax:
        ax.plot(steps["epoch"], steps["lr"], color=COLOURS[3])
        ax.set_ylim(bottom=0)
        ax.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))


def draw_calibration(path: Path, result: Calibration) -> None:
    """Draw accuracy over confidence; a marker's area goes with its number of rows."""
    with axes(path, f"Calibration, expected error {result.error:.1%}", "confidence in the predicted class", "accuracy", (5.2, 4.8)) as ax:
        start = min(0.5, float(result.confidence.min()))
        ax.plot([start, 1], [start, 1], color=INK, linestyle="--", linewidth=1.2, label="perfectly calibrated")
        ax.plot(result.confidence, result.accuracy, color=COLOURS[0], linewidth=1.5)
        sizes = 20 + 280 * result.rows / result.rows.sum()
        ax.scatter(result.confidence, result.accuracy, s=sizes, color=COLOURS[0], zorder=3, label="texts in one bin")
        for setter in (ax.xaxis, ax.yaxis):
            setter.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.set_xlim(start - 0.02, 1.02)
        ax.set_ylim(-0.02, 1.04)
        ax.legend(loc="lower right")


def shorten(name: str, length: int = 24) -> str:
    """Cut a name to `length` characters."""
    return name if len(name) <= length else name[: length - 1] + "…"


def smooth(values: Sequence[float], share: float = _SMOOTHING_SHARE) -> npt.NDArray[np.float64]:
    """Centred moving mean over a share of the curve; shorter windows at both ends, gaps passed over.

    Parameters
    ----------
    values : sequence of float, length n
        May hold nan.
    share : float
        Width of the window as a share of n.
    """
    array = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(array)
    half = max(1, round(len(array) * share / 2))
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, array, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    low = np.maximum(np.arange(len(array)) - half, 0)
    high = np.minimum(np.arange(len(array)) + half + 1, len(array))
    with np.errstate(invalid="ignore", divide="ignore"):
        means: npt.NDArray[np.float64] = (sums[high] - sums[low]) / (counts[high] - counts[low])
    return means


def smoothed_curves(steps: Mapping[str, Sequence[float]]) -> tuple[list[str], list[tuple[float, ...]]]:
    """Smooth a training's loss and gradient norm, at 400 points at the most.

    Parameters
    ----------
    steps : mapping
        The step curve.

    Returns
    -------
    columns, rows
        epoch, loss, grad_norm and lr.
    """
    count = len(steps["epoch"])
    kept = np.unique(np.linspace(0, count - 1, min(count, _CURVE_POINTS)).round().astype(np.int64))
    columns = [np.asarray(steps["epoch"]), smooth(steps["loss"]), smooth(steps["grad_norm"]), np.asarray(steps["lr"])]
    return ["epoch", "loss", "grad_norm", "lr"], list(zip(*(column[kept].tolist() for column in columns), strict=True))


def _noisy(ax: Axes, x: Sequence[float], y: Sequence[float], colour: str, label: str) -> None:
    ax.plot(x, y, color=colour, alpha=0.25, linewidth=0.8)
    ax.plot(x, smooth(y), color=colour, label=label)


def _typical(values: Sequence[float]) -> list[float]:
    finite = [value for value in values if np.isfinite(value)]
    return [float(np.percentile(finite, 99.5))] if finite else []


def _from_zero(ax: Axes, values: Sequence[float]) -> None:
    finite = [value for value in values if np.isfinite(value)]
    ax.set_ylim(0, max([*finite, 1e-3]) * 1.05)
