"""Pictures of several arms at once: curves with a band over seeds, and differences with their intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ablations.compare.comparison import Comparison
from ablations.compare.experiments import TrainingCurves
from ablations.compare.family import FamilyArm
from sentiment.evaluation.report.training_figures import COLOURS, INK, axes, shorten, smooth

Floats = npt.NDArray[np.float64]
Over = Literal["epoch", "step"]

_POINTS = 300
_LINES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")
_TYPICAL_PERCENTILE = 99.5
_LABEL_LENGTH = 34


@dataclass(frozen=True)
class Picture:
    """A PNG file and what it shows, for those who do not see it too."""

    file: str
    title: str
    text: str


def draw_all(folder: Path, arms: Sequence[FamilyArm], comparisons: Sequence[Comparison], margin: float) -> list[Picture]:
    """Draw every figure of the report.

    Parameters
    ----------
    folder : Path
        Where the PNG files go.
    arms : sequence of FamilyArm
        One colour each, in this order.
    comparisons : sequence of Comparison
        For the differences; none are drawn where there are none.
    margin : float
        Drawn as a band around zero.

    Returns
    -------
    list of Picture
        In the report's order: differences first, then curves over epochs, then over steps.
    """
    made = []
    if comparisons:
        draw_differences(folder / "differences.png", comparisons, margin)
        text = "; ".join(
            f"{one.arm} less {one.against}: {100 * one.accuracy.mean:+.1f} points, {100 * one.interval[0]:+.1f} to {100 * one.interval[1]:+.1f}"
            for one in comparisons
        )
        made.append(Picture("differences.png", "Difference in test accuracy, with corrected interval", text))
    for over in ("epoch", "step"):
        draw_training_loss(folder / f"loss_{over}.png", arms, over)
        made.append(Picture(f"loss_{over}.png", f"Training loss over {over}s", _about(arms, "smoothed training loss", over)))
        draw_norms_of_arms(folder / f"grad_norm_{over}.png", arms, over)
        made.append(Picture(f"grad_norm_{over}.png", f"Gradient norm over {over}s", _about(arms, "smoothed gradient norm", over)))
        draw_validation_loss(folder / f"validation_{over}.png", arms, over)
        made.append(Picture(f"validation_{over}.png", f"Validation loss over {over}s", _about(arms, "validation loss", over)))
    return made


def draw_training_loss(path: Path, arms: Sequence[FamilyArm], over: Over) -> None:
    """Draw the smoothed training loss of every arm: the mean over seeds, and a band from the lowest to the highest."""
    with axes(path, "Training loss (smoothed)", over, "cross-entropy (nats)", (6.4, 4.6)) as ax:
        tops = [_band(ax, arm, index, over, "loss") for index, arm in enumerate(arms)]
        _from_zero(ax, tops)
        _legend(ax)


def draw_norms_of_arms(path: Path, arms: Sequence[FamilyArm], over: Over) -> None:
    """Draw the smoothed gradient norm of every arm, and the norms they are clipped to."""
    with axes(path, "Gradient norm (smoothed)", over, "norm before clipping (log scale)", (6.4, 4.6)) as ax:
        for index, arm in enumerate(arms):
            _band(ax, arm, index, over, "grad_norm")
        limits = {float(experiment.parameters["train.max_grad_norm"]) for arm in arms for experiment in arm.experiments.values()}
        for limit in sorted(limits):
            ax.axhline(limit, color=INK, linestyle="--", linewidth=1.2, label=f"clipped to {limit:g}")
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
        _legend(ax)


def draw_validation_loss(path: Path, arms: Sequence[FamilyArm], over: Over) -> None:
    """Draw the validation loss after each epoch; a seed that stopped early leaves the mean of the others."""
    with axes(path, "Validation loss", over, "cross-entropy (nats)", (6.4, 4.6)) as ax:
        tops = []
        for index, arm in enumerate(arms):
            curves = [experiment.curves for experiment in arm.experiments.values()]
            longest = max(curves, key=lambda one: len(one.validation_loss))
            x = longest.validation_epoch if over == "epoch" else longest.validation_step
            table = np.full((len(curves), len(x)), np.nan)
            for row, one in zip(table, curves, strict=True):
                row[: len(one.validation_loss)] = one.validation_loss
            table[~np.isfinite(table)] = np.nan
            tops.append(_draw_band(ax, x, table, index, arm.name, marker="o"))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        _from_zero(ax, tops)
        _legend(ax)


def draw_differences(path: Path, comparisons: Sequence[Comparison], margin: float) -> None:
    """Draw the difference in accuracy of every comparison, in percentage points, with its corrected interval."""
    height = 1.5 + 0.62 * len(comparisons)
    with axes(path, "Difference in test accuracy", "percentage points (right: better)", "", (7.2, height)) as ax:
        ax.axvspan(-100 * margin, 100 * margin, color="#d9dde3", alpha=0.6, linewidth=0, label=f"practically equal (±{100 * margin:g})")
        ax.axvline(0, color=INK, linewidth=1.0)
        for row, one in enumerate(comparisons):
            colour = {"better": COLOURS[2], "worse": COLOURS[1], "practically equal": COLOURS[0]}.get(one.verdict.value, "#5f6670")
            low, high = one.interval
            ax.plot([100 * low, 100 * high], [row, row], color=colour, linewidth=2.5, solid_capstyle="butt")
            ax.plot(100 * one.accuracy.mean, row, marker="o", color=colour, markersize=7)
            ax.annotate(one.verdict.value, (100 * one.accuracy.mean, row), (0, 7), textcoords="offset points", ha="center", fontsize=9, color=INK)
        labels = [f"{shorten(one.arm, _LABEL_LENGTH)}\nagainst {shorten(one.against, _LABEL_LENGTH)}" for one in comparisons]
        ax.set_yticks(range(len(comparisons)), labels, fontsize=8.5)
        ax.set_ylim(len(comparisons) - 0.4, -0.7)
        ax.grid(visible=False, axis="y")
        _legend(ax)


def _band(ax: Axes, arm: FamilyArm, index: int, over: Over, column: Literal["loss", "grad_norm"]) -> float:
    curves = [experiment.curves for experiment in arm.experiments.values()]
    end = max(float(_x(one, over)[-1]) for one in curves)
    x = np.linspace(0, end, _POINTS)
    rows = []
    for one in curves:
        own = _x(one, over)
        values: Floats = one.loss if column == "loss" else one.grad_norm
        rows.append(np.interp(x, own, smooth(values.tolist()), left=np.nan, right=np.nan))
    return _draw_band(ax, x, np.stack(rows), index, arm.name)


def _draw_band(ax: Axes, x: Floats, table: Floats, index: int, name: str, marker: str = "") -> float:
    known = np.isfinite(table).any(axis=0)
    if not known.any():
        return 0.0
    x, table = x[known], table[:, known]
    colour, line = COLOURS[index % len(COLOURS)], _LINES[index // len(COLOURS) % len(_LINES)]
    mean = np.nanmean(table, axis=0)  # past the end of a seed that stopped early, that of the others
    if len(table) > 1:
        ax.fill_between(x, np.nanmin(table, axis=0), np.nanmax(table, axis=0), color=colour, alpha=0.15, linewidth=0)
    ax.plot(
        x,
        mean,
        color=colour,
        linestyle=line,
        marker=marker or ("o" if len(x) == 1 else ""),
        markersize=7 if len(x) == 1 else 4,
        label=shorten(name, _LABEL_LENGTH),
    )
    return float(np.percentile(table[np.isfinite(table)], _TYPICAL_PERCENTILE))


def _x(curves: TrainingCurves, over: Over) -> Floats:
    return curves.epoch if over == "epoch" else curves.step


def _from_zero(ax: Axes, tops: Sequence[float]) -> None:
    ax.set_ylim(0, max([*tops, 1e-3]) * 1.08)


def _legend(ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    columns = 2 if max(map(len, labels), default=0) > 16 else 3
    ax.figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=9)


def _about(arms: Sequence[FamilyArm], what: str, over: Over) -> str:
    return f"The {what} of {', '.join(arm.name for arm in arms)} over {over}s; a band spans the seeds."
