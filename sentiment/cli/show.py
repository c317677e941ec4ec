"""The short table of experiments: what changed in each, and how it ended."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from sentiment.core import paths
from sentiment.evaluation.paths import EVAL_METRICS, EVAL_REPORT
from sentiment.terminal.errors import UserError, error_line
from sentiment.tracking.run_names import experiment_name
from sentiment.training.paths import TRAIN_METRICS

_FINISHED = "Success"
_WIDTH = 110  # where the output is no terminal


@dataclass(frozen=True)
class TableRow:
    """One row of the table.

    Attributes
    ----------
    name : str
        DVC's name of the experiment; ``workspace`` or the branch for the two first rows.
    changed : str
        The name `sentiment.tracking.run_names` gives it: the baseline plus what changed.
    state : str
        Success, or what DVC says it is (Queued, Running, Failed).
    metrics : mapping
        The figures of reports/train.json and reports/eval.json; empty unless it succeeded (DVC gives
        a failed or queued experiment the baseline's).
    """

    name: str
    changed: str
    state: str
    metrics: Mapping[str, Any]


def read_experiments(everything: bool = False) -> list[TableRow]:
    """Ask DVC for the experiments.

    Parameters
    ----------
    everything : bool
        Those of all commits, not of HEAD alone.

    Raises
    ------
    UserError
        Where DVC cannot tell.
    """
    command = [sys.executable, "-m", "dvc", "exp", "show", "--json", *(["--all-commits"] if everything else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"`dvc exp show` failed: {error_line(done.stderr)}")
    return parse_experiments(json.loads(done.stdout))


def parse_experiments(shown: list[dict[str, Any]]) -> list[TableRow]:
    """Turn the output of ``dvc exp show --json`` into rows, in DVC's order."""
    rows: list[TableRow] = []
    baseline = next((entry["data"] for entry in shown if entry["rev"] != "workspace" and entry["data"]), None)
    base = _parameters(baseline)
    for entry in shown:
        if entry["data"]:
            name = entry["rev"] if entry["rev"] == "workspace" else entry["name"] or entry["rev"][:7]
            rows.append(_row(name, entry["data"], base, _FINISHED))
        for experiment in entry["experiments"] or []:
            executor = experiment["executor"] or {}
            state = str(executor.get("state") or _FINISHED).capitalize()
            for revision in (experiment["revs"] or [])[:1]:
                name = experiment["name"] or revision["rev"][:7]
                failed = revision["data"] is None
                rows.append(_row(name, revision["data"] or {}, base, "Failed" if failed else state))
    if len(rows) > 1 and rows[0].name == "workspace" and (rows[0].changed, rows[0].metrics) == (rows[1].changed, rows[1].metrics):
        rows.pop(0)  # nothing has changed since the last commit
    return rows


def render_table(experiments: list[TableRow], width: int | None = None) -> str:
    """Draw the table.

    Parameters
    ----------
    experiments : list of TableRow
        From `read_experiments`.
    width : int, optional
        Columns of the terminal; by default asked for.
    """
    console = Console(width=width or (None if sys.stdout.isatty() else _WIDTH))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("experiment", overflow="fold", min_width=10)
    table.add_column("what it is", overflow="fold", min_width=12)
    for heading in ("train\nloss", "valid.\nloss", "best\nepoch", "test\naccuracy", "95 %\ninterval", "macro\nF1", "challenge\naccuracy"):
        table.add_column(heading, justify="right", no_wrap=True)
    for item in experiments:
        figures = item.metrics
        if item.state == _FINISHED and figures:
            cells = [
                _number(figures.get("train_loss")),
                _number(figures.get("eval_loss")),
                _number(figures.get("best_epoch"), ".0f"),
                _number(figures.get("accuracy"), ".1%"),
                f"{_number(figures.get('accuracy_low'), '.1%')[:-1]}–{_number(figures.get('accuracy_high'), '.1%')[:-1]}",
                _number(figures.get("macro_f1")),
                _number(figures.get("challenge_accuracy"), ".1%"),
            ]
        else:
            cells = [item.state.lower() if item.state != _FINISHED else "not run yet", *[""] * 6]
        table.add_row(item.name, item.changed, *cells)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def where_to_look(recorded: bool) -> str:
    """Say where the results lie.

    Parameters
    ----------
    recorded : bool
        SwanLab has a run of this training on this machine.
    """
    lines = [
        f"report      {EVAL_REPORT}/report.md (figures beside it)",
        f"model       {paths.CLASSIFIER}/ (its README.md shows how to load it)",
        "plots       dvc plots show, then open dvc_plots/index.html",
        "curves      make watch (SwanLab in the browser)"
        if recorded
        else "curves      none recorded here: this training came from DVC's cache, not from a run on this machine",
    ]
    return "\n".join(lines)


def _row(name: str, data: Mapping[str, Any], base: Mapping[str, Any], state: str) -> TableRow:
    parameters = _parameters(data)
    changed = experiment_name(parameters, base) if parameters and base else ""
    metrics: dict[str, Any] = {}
    for path in (TRAIN_METRICS, EVAL_METRICS):
        content = (data.get("metrics") or {}).get(path.as_posix()) or {}
        metrics.update({key: value for key, value in (content.get("data") or {}).items() if key != "loss"})
    return TableRow(name, changed, state, metrics if state == _FINISHED else {})


def _parameters(data: Mapping[str, Any] | None) -> dict[str, Any]:
    content = ((data or {}).get("params") or {}).get(paths.PARAMS.as_posix()) or {}
    flat: dict[str, Any] = {}
    for section, values in (content.get("data") or {}).items():
        if isinstance(values, dict):
            flat.update({f"{section}.{key}": value for key, value in values.items()})
        else:
            flat[section] = values
    return flat


def _number(value: Any, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)
