"""The table of experiments on a terminal: the columns that fit, whole names, and what is left out in words."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

FINISHED = "Success"
_NO_TERMINAL = 110  # columns, where the output is no terminal
_NAME_WIDTHS = (60, 28, 20, 14)  # a name longer than that goes on in the next line, after one of its underscores


@dataclass(frozen=True)
class TableRow:
    """One row of the table.

    Attributes
    ----------
    name : str
        DVC's name of the experiment; ``workspace`` or the branch for the two first rows.
    changed : str
        The name `sentiment.tracking.run_names` gives to what made the results: the baseline plus what
        changed. Without results, to what params.yaml asks for.
    state : str
        Success, or what DVC says it is (Queued, Running, Failed).
    metrics : mapping
        The figures of reports/train.json and reports/eval.json; empty unless it succeeded (DVC gives
        a failed or queued experiment the baseline's).
    note : str
        Why the row is not what params.yaml asks for; empty where it is.
    """

    name: str
    changed: str
    state: str
    metrics: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True)
class _Column:
    heading: tuple[str, str]
    show: Callable[[Mapping[str, Any]], str]
    left_out: int  # the highest first, where the terminal is narrow

    @property
    def name(self) -> str:
        return " ".join(part.rstrip(".") for part in self.heading)


def _figure(key: str, form: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda metrics: "-" if metrics.get(key) is None else format(metrics[key], form)


def _interval(metrics: Mapping[str, Any]) -> str:
    return "–".join(_figure(key, ".1%")(metrics).removesuffix("%") for key in ("accuracy_low", "accuracy_high"))


_COLUMNS = (
    _Column(("train", "loss"), _figure("train_loss", ".3f"), 3),
    _Column(("valid.", "loss"), _figure("eval_loss", ".3f"), 2),
    _Column(("best", "epoch"), _figure("best_epoch", ".0f"), 5),
    _Column(("test", "accuracy"), _figure("accuracy", ".1%"), 0),
    _Column(("95 %", "interval"), _interval, 0),
    _Column(("macro", "F1"), _figure("macro_f1", ".3f"), 4),
    _Column(("challenge", "accuracy"), _figure("challenge_accuracy", ".1%"), 1),
)


def render_table(rows: Sequence[TableRow], width: int | None = None) -> str:
    """Draw the table.

    Parameters
    ----------
    rows : sequence of TableRow
        The commit's own row first of those with results: where an accuracy lies outside of its interval, it is coloured.
    width : int, optional
        Columns of the terminal; by default asked for.

    Returns
    -------
    str
        No line is wider than that, as long as a name's longest part fits; what was left out for it is said below.
    """
    console = Console(width=width or (None if sys.stdout.isatty() else _NO_TERMINAL))
    for left_out in range(max(column.left_out for column in _COLUMNS) + 1):
        shown = [column for column in _COLUMNS if column.left_out <= max(c.left_out for c in _COLUMNS) - left_out]
        for names in _NAME_WIDTHS:
            table = _table(rows, shown, names)
            if console.measure(table, options=console.options.update(width=1000)).maximum <= console.width:
                return _draw(console, table, [column.name for column in _COLUMNS if column not in shown])
    return _draw(console, table, [column.name for column in _COLUMNS if column not in shown])


def _table(rows: Sequence[TableRow], columns: Sequence[_Column], names: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1), collapse_padding=True, header_style="bold")
    table.add_column("experiment", overflow="fold")
    table.add_column("what it is", overflow="fold")
    for column in columns:
        table.add_column("\n".join(column.heading), justify="right", no_wrap=True)
    baseline = next((row.metrics for row in rows if row.state == FINISHED and row.metrics and row.name != "workspace"), {})
    for row in rows:
        if row.state == FINISHED and row.metrics:
            style = _compared(row.metrics, baseline)
            cells = [Text(column.show(row.metrics), style if column.name == "test accuracy" else "") for column in columns]
        else:
            cells = [Text(row.state.lower() if row.state != FINISHED else "not run yet"), *[Text("")] * (len(columns) - 1)]
        table.add_row(_wrapped(row.name, names), _wrapped(row.changed, names), *cells)
    return table


def _compared(metrics: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    accuracy, low, high = metrics.get("accuracy"), baseline.get("accuracy_low"), baseline.get("accuracy_high")
    if accuracy is None or low is None or high is None:
        return ""
    return "bold green" if accuracy > high else "bold red" if accuracy < low else ""


def _wrapped(name: str, width: int) -> str:
    lines = [""]
    for part in name.replace("_", "_\0").split("\0"):
        if lines[-1] and cell_len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _draw(console: Console, table: Table, left_out: Sequence[str]) -> str:
    with console.capture() as capture:
        console.print(table)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    if left_out:
        lines.append(f"Not shown at this width: {', '.join(left_out)}.")
    return "\n".join(lines)
