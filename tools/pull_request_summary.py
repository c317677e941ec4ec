"""What tools/pull_request.sh found, as one page of Markdown: the verdict on test accuracy, parameters, metrics and curves.

GitHub shows Markdown and Mermaid in the summary of a job, and no pictures of its own artifacts: the curves are Mermaid charts.
"""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sentiment.core import paths
from sentiment.core.files import write_text
from sentiment.core.tables import groups_of
from sentiment.evaluation.paired_answers import difference_interval
from sentiment.evaluation.paths import EVAL_REPORT
from sentiment.terminal.errors import UserError, run_main
from sentiment.use.recorded.cached_outputs import read_output

PREDICTIONS = EVAL_REPORT / "predictions.parquet"
RESAMPLES = 1000
POINTS = 30  # of a curve
FIRST_METRICS = ("accuracy", "macro_f1", "challenge_accuracy", "loss", "eval_loss", "train_loss", "best_epoch")
COLOURS = {"target": "#8c8c8c", "this branch": "#d9480f"}
CURVES = {
    "Training loss (smoothed)": (EVAL_REPORT / "training.tsv", "loss"),
    "Validation loss": (paths.TRAIN_REPORT / paths.VALIDATION_CURVE, "loss"),
    "Validation accuracy": (paths.TRAIN_REPORT / paths.VALIDATION_CURVE, "accuracy"),
}


def verdict(target: str) -> str:
    """Compare the answers of both models where they were given the same test rows."""
    here = pq.read_table(PREDICTIONS)
    content = read_output(PREDICTIONS, target)
    if content is None:
        return f"The answers of the target's model are in no storage: `dvc push` on the target branch sends them. {_accuracy(here)}"
    there = pq.read_table(io.BytesIO(content))
    if any(here.column(name) != there.column(name) for name in ("id", "label")):
        return f"The test rows are not those of the target: the figures cannot be compared. {_accuracy(here)}"
    before, after = _right(there), _right(here)
    interval = difference_interval(before, after, groups_of(here), RESAMPLES)
    if np.array_equal(here.column("predicted").to_numpy(), there.column("predicted").to_numpy()):
        return f"**Test accuracy: {after.mean():.1%}, the same answers as the target** on {len(after)} test rows."
    found = "better" if interval.low > 0 else "worse" if interval.high < 0 else "not distinguishable from the target"
    return (
        f"**Test accuracy: {before.mean():.1%} → {after.mean():.1%}, {found}**: {100 * (after.mean() - before.mean()):+.1f} points, "
        f"95 % interval {100 * interval.low:+.1f} to {100 * interval.high:+.1f}, on the same {len(after)} test rows. "
        "One training on each side: another seed moves both."
    )


def _right(predictions: pa.Table) -> Any:
    return predictions.column("label").to_numpy() == predictions.column("predicted").to_numpy()


def _accuracy(predictions: pa.Table) -> str:
    return f"**Test accuracy: {_right(predictions).mean():.1%}** of {predictions.num_rows} rows."


def changes(path: Path, *, metrics: bool) -> list[str]:
    """Return a table of what `dvc metrics diff --json` or `dvc params diff --json` found; empty where nothing changed."""
    found = json.loads(path.read_text(encoding="utf-8") or "{}")
    rows = [
        (name, Path(file).stem, change.get("old"), change.get("new"))
        for file, entries in found.items()
        for name, change in entries.items()
        if name != "step"  # a digest
    ]
    if not rows:
        return []
    rank = {name: position for position, name in enumerate(FIRST_METRICS)}
    rows.sort(key=lambda row: (rank.get(row[0], len(rank)), row[1], row[0]))
    what = "metric | of" if metrics else "parameter"
    table = [f"| {what} | target | this branch |{' difference |' if metrics else ''}", "| --- " * (5 if metrics else 3) + "|"]
    for name, of, old, new in rows:
        cells = [f"`{name}`", *([of] if metrics else []), _cell(old), _cell(new)]
        if metrics:
            cells.append(f"{new - old:+.4g}" if all(isinstance(value, (int, float)) for value in (old, new)) else "")
        table.append(f"| {' | '.join(cells)} |")
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    shown = f"{value:.6g}" if isinstance(value, float) else str(value)
    return shown.replace("|", "\\|").replace("\n", " ")


def charts(target: str) -> list[str]:
    """Return the curves of both as Mermaid charts."""
    lines: list[str] = []
    for title, (path, column) in CURVES.items():
        curves = {"this branch": _curve(path.read_text(encoding="utf-8"), column)}
        if content := read_output(path, target):
            curves = {"target": _curve(content.decode("utf-8"), column), **curves}
        ends = {curve[0][-1] for curve in curves.values()}
        share = len(ends) > 1
        last = 100.0 if share else ends.pop()
        first = max(curve[0][0] / curve[0][-1] * last if share else curve[0][0] for curve in curves.values())
        if first >= last:  # one epoch, one point
            continue
        grid = np.linspace(first, last, min(POINTS, max(len(curve[0]) for curve in curves.values())))
        drawn = [(name, np.interp(grid, curve[0] * (last / curve[0][-1] if share else 1), curve[1])) for name, curve in curves.items()]
        palette = ", ".join(COLOURS[name] for name, _ in drawn)
        lines += [
            "```mermaid",
            f'%%{{init: {{"themeVariables": {{"xyChart": {{"plotColorPalette": "{palette}"}}}}}}}}%%',
            "xychart-beta",
            f'    title "{title}"',
            f'    x-axis "{"share of the training in %" if share else "epoch"}" {first:.4g} --> {last:.4g}',
            f'    y-axis "{column}"',
            *(f"    line [{', '.join(f'{value:.5g}' for value in values)}]" for _, values in drawn),
            "```",
            "",
        ]
    return lines


def _curve(content: str, column: str) -> tuple[Any, Any]:
    names, *rows = [line.split("\t") for line in content.splitlines()]
    values = np.array(rows, dtype=np.float64)
    return values[:, names.index("epoch")], values[:, names.index(column)]


def summary(target: str, out: Path) -> str:
    """Return the page."""
    log = (out / "repro.log").read_text(encoding="utf-8", errors="replace")
    ran = [line.split("'")[1] for line in log.splitlines() if line.startswith("Running stage '")]
    page = [f"## The pipeline of this branch, compared with {target[:10]}", ""]
    notes = [line for line in (out / "notes.txt").read_text(encoding="utf-8").splitlines() if line]
    if not (out / "metrics.json").exists():
        end = [line for line in log.splitlines() if line.strip()][-15:]
        return "\n".join([*page, "**`dvc repro` failed.** The end of what it printed:", "", "```text", *end, "```", "", *notes, ""])
    page += [verdict(target), ""]
    page += [f"Stages that ran: {', '.join(ran)}." if ran else "No stage had to run: dvc.lock is up to date, and its outputs are there.", ""]
    if "train" in ran:
        page += ["Trained on this machine: a target that was trained on another processor differs in the last digits too.", ""]
    page += [line for note in notes for line in (note, "")]
    page += [*(changes(out / "params.json", metrics=False) or ["No parameter changed."]), ""]
    page += [*(changes(out / "metrics.json", metrics=True) or ["No metric changed."]), ""]
    lines = charts(target)
    if lines:
        page += ["Curves: target in grey, this branch in orange. The page of plots and the test report are in the job's artifacts.", "", *lines]
    return "\n".join(page)


def main() -> None:
    """Write summary.md into the folder of results."""
    if len(sys.argv) != 3:
        raise UserError("usage: python -m tools.pull_request_summary TARGET FOLDER")
    out = Path(sys.argv[2])
    write_text(out / "summary.md", summary(sys.argv[1], out))


if __name__ == "__main__":
    run_main(main)
