"""The short table of experiments: what changed in each, and how it ended."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from sentiment.cli.experiment_table import FINISHED, TableRow, render_table
from sentiment.cli.result_origin import Origin, differing, flatten_sections, is_recorded, origin_at, origin_here
from sentiment.core import paths
from sentiment.evaluation.paths import EVAL_METRICS, EVAL_REPORT
from sentiment.tracking.run_names import experiment_name
from sentiment.training.paths import TRAIN_METRICS
from sentiment.use.commands import run_dvc, run_git
from sentiment.use.experiment_refs import references
from sentiment.use.recorded.experiment_agreement import disagreement

_WORKSPACE = "workspace"
OWN_BASELINE = """\
These results have the parameters of the last commit and other bits: that commit was made on another machine.
Commit yours once, so that `dvc plots diff HEAD NAME` and the ablations find the outputs of HEAD here:
  git commit -m "Baseline of this machine" dvc.lock reports"""


def overview(everything: bool, recorded: bool) -> str:
    """Return what `make show` prints: the table, what to know about its rows, and where to look.

    Parameters
    ----------
    everything : bool
        Show the experiments of all commits, not of HEAD alone.
    recorded : bool
        SwanLab has a run of this training on this machine.
    """
    rows = read_experiments(everything)
    parts = [render_table(rows)]
    notes = [f"{row.name}: {row.note}" for row in rows if row.note]
    if not everything and (hidden := count_elsewhere()):
        notes.append(f"{hidden} experiment{'s' if hidden > 1 else ''} on earlier commits: python -m sentiment show --all")
    advice = [OWN_BASELINE] if is_made_anew(origin_here(), origin_at("HEAD")) else []
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else []), where_to_look(recorded), *advice])


def is_made_anew(here: Origin, head: Origin) -> bool:
    """Return whether the workspace has results of its own for the parameters that HEAD's results were made with."""
    return not here.broken and bool(head.parameters) and here.parameters == head.parameters and here.hashes != head.hashes


def count_elsewhere() -> int:
    """Count the finished experiments that depart from another commit than HEAD."""
    head = run_git("rev-parse", "HEAD").strip()
    return sum(reference.baseline != head for reference in references())


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
    shown = json.loads(run_dvc("exp", "show", "--json", *(["--all-commits"] if everything else [])))
    return parse_experiments(with_experiments(shown), _origin_of, disagreement)


def with_experiments(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what ``dvc exp show --json`` printed without the earlier commits that no experiment departs from."""
    return [*shown[:2], *(entry for entry in shown[2:] if entry["experiments"])]


def _origin_of(revision: str) -> Origin:
    return origin_here() if revision == _WORKSPACE else origin_at(revision)


def parse_experiments(
    shown: list[dict[str, Any]], origin_of: Callable[[str], Origin], disagreement_of: Callable[[str], str | None] | None = None
) -> list[TableRow]:
    """Turn the output of ``dvc exp show --json`` into rows, in DVC's order.

    Parameters
    ----------
    shown : list of dict
        What DVC printed.
    origin_of : callable
        Returns what made the results of a revision, or of ``workspace``.
    disagreement_of : callable, optional
        Returns why an experiment was never run as its commit has it, in words.
    """
    rows: list[TableRow] = []
    baseline = next((entry["data"] for entry in shown if entry["rev"] != _WORKSPACE and entry["data"]), None)
    base = _parameters(baseline)
    for entry in shown:
        if entry["data"]:
            name = entry["rev"] if entry["rev"] == _WORKSPACE else entry["name"] or entry["rev"][:7]
            rows.append(_row(name, entry["data"], base, FINISHED, origin_of(entry["rev"])))
        for experiment in entry["experiments"] or []:
            executor = experiment["executor"] or {}
            state = str(executor.get("state") or FINISHED).capitalize()
            for revision in (experiment["revs"] or [])[:1]:
                name = experiment["name"] or revision["rev"][:7]
                if revision["data"] is None or state != FINISHED:
                    rows.append(_row(name, revision["data"] or {}, base, "Failed" if revision["data"] is None else state, None))
                else:
                    row = _refuse_unrun(_row(name, revision["data"], base, FINISHED, origin_of(revision["rev"])))
                    reason = "" if row.note or disagreement_of is None else disagreement_of(revision["rev"])
                    rows.append(TableRow(row.name, row.changed, "Never run", {}, reason) if reason else row)
    if len(rows) > 1 and rows[0].name == _WORKSPACE and not rows[0].note and (rows[0].changed, rows[0].metrics) == (rows[1].changed, rows[1].metrics):
        rows.pop(0)  # nothing has changed since the last commit
    return rows


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


def _row(name: str, data: Mapping[str, Any], base: Mapping[str, Any], state: str, origin: Origin | None) -> TableRow:
    asked = _parameters(data)
    asked_name = experiment_name(asked, base) if asked and base else ""
    metrics = _metrics(data, origin if name == _WORKSPACE else None) if state == FINISHED else {}
    if not metrics or origin is None or not origin.parameters:
        return TableRow(name, asked_name, state, metrics)
    made_name = experiment_name({**asked, **{key: value for key, value in origin.parameters.items() if key in asked}}, base)
    note = ""
    if differing(asked, origin):
        note = f"the results are of {made_name}, params.yaml asks for {asked_name}: `dvc repro` makes its results"
    elif origin.broken:
        note = "a run ended early, the results are of more than one: `dvc repro` completes it"
    return TableRow(name, made_name, state, metrics, note)


def _refuse_unrun(row: TableRow) -> TableRow:
    """Show no figures of an experiment that was saved and not run: they would be another one's."""
    if not row.note:
        return row
    return TableRow(row.name, row.changed, "Never run", {}, f"never run as it is (its dvc.lock is another run's): {row.note.split(':')[0]}")


def _metrics(data: Mapping[str, Any], here: Origin | None) -> dict[str, Any]:
    """Merge the figures of both files; of the workspace's only those files that dvc.lock records."""
    metrics: dict[str, Any] = {}
    for path in (TRAIN_METRICS, EVAL_METRICS):
        content = (data.get("metrics") or {}).get(path.as_posix()) or {}
        if here is None or is_recorded(here, path):
            metrics.update({key: value for key, value in (content.get("data") or {}).items() if key != "loss"})
    return metrics


def _parameters(data: Mapping[str, Any] | None) -> dict[str, Any]:
    content = ((data or {}).get("params") or {}).get(paths.PARAMS.as_posix()) or {}
    return flatten_sections(content.get("data") or {})
