"""The short table of experiments."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from sentiment.cli import show
from sentiment.cli.experiment_table import TableRow, render_table
from sentiment.cli.result_origin import Origin, parse_origin
from sentiment.cli.show import with_experiments
from tests.imports import ROOT

PARAMETERS = {"seed": 42, "prepare": {"source": "data/reviews.jsonl"}, "train": {"lr": 2e-5, "batch_size": 8}}
METRICS = {
    "reports/train.json": {"data": {"train_loss": 0.2, "eval_loss": 0.3, "best_epoch": 2.0}},
    "reports/eval.json": {
        "data": {"accuracy": 0.9, "accuracy_low": 0.85, "accuracy_high": 0.95, "macro_f1": 0.89, "challenge_accuracy": None, "loss": 0.4}
    },
}


def entry(rev: str, name: str | None, parameters: dict[str, Any], experiments: Any = None) -> dict[str, Any]:
    return {"rev": rev, "name": name, "data": data(parameters), "experiments": experiments, "error": None}


def data(parameters: dict[str, Any]) -> dict[str, Any]:
    return {"params": {"params.yaml": {"data": parameters}}, "metrics": METRICS}


def experiment(name: str, state: str | None, parameters: dict[str, Any] | None) -> dict[str, Any]:
    revision = {"rev": "a" * 40, "name": name, "data": data(parameters) if parameters else None}
    return {"name": name, "executor": {"state": state} if state else None, "revs": [revision]}


@pytest.fixture(autouse=True)
def _files_as_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "is_recorded", lambda origin, path: True)


def parse_experiments(shown: list[dict[str, Any]]) -> list[TableRow]:
    """Where every dvc.lock agrees with its params.yaml."""
    return show.parse_experiments(shown, lambda revision: Origin({}, {}, broken=False))


OTHER = {**PARAMETERS, "train": {"lr": 5e-5, "batch_size": 32}}


def test_each_experiment_is_named_after_what_changed() -> None:
    shown = [entry("workspace", None, OTHER), entry("b" * 40, "main", PARAMETERS, [experiment("happy-name", None, OTHER)])]
    assert [(row.name, row.changed) for row in parse_experiments(shown)] == [
        ("workspace", "baseline_lr5e-5_bs32"),
        ("main", "baseline"),
        ("happy-name", "baseline_lr5e-5_bs32"),
    ]


def test_an_experiment_that_did_not_succeed_shows_no_figures() -> None:
    experiments = [experiment("one", "queued", OTHER), experiment("two", "failed", OTHER), experiment("three", None, None)]
    shown = [entry("workspace", None, PARAMETERS), entry("b" * 40, "main", PARAMETERS, experiments)]
    rows = parse_experiments(shown)
    assert [(row.name, row.state, bool(row.metrics)) for row in rows] == [
        ("main", "Success", True),
        ("one", "Queued", False),
        ("two", "Failed", False),
        ("three", "Failed", False),
    ]
    lines = render_table(rows, width=110).splitlines()
    assert "0.900" not in lines[3] and "queued" in lines[3]


def test_a_workspace_equal_to_the_commit_is_left_out() -> None:
    shown = [entry("workspace", None, PARAMETERS), entry("b" * 40, "main", PARAMETERS)]
    assert [row.name for row in parse_experiments(shown)] == ["main"]


def test_the_table_shows_interval_and_missing_values() -> None:
    text = render_table(parse_experiments([entry("workspace", None, PARAMETERS)]), width=110)
    assert "90.0%" in text and "85.0–95.0" in text
    assert text.splitlines()[-1].split()[-1] == "-"
    assert all(len(line) <= 110 for line in text.splitlines())


def test_earlier_commits_without_experiments_are_left_out() -> None:
    here = [entry("workspace", None, PARAMETERS), entry("b" * 40, "main", PARAMETERS)]
    earlier = [entry("c" * 40, None, PARAMETERS), entry("d" * 40, None, PARAMETERS, [{"name": "bs32"}])]
    assert with_experiments([*here, *earlier]) == [*here, earlier[1]]


def test_a_terminal_of_80_columns_shows_every_column_whole() -> None:
    shown = TableRow("workspace", "baseline", "Success", {"accuracy": 0.9, "challenge_accuracy": 0.555})
    text = render_table([shown], width=80)
    assert "challenge" in text and "55.5%" in text
    assert all(len(line) <= 80 for line in text.splitlines())


LONG = "baseline_epoch6_early_stopping_patience1_keep-best_seed43"
FIGURES = {"accuracy": 0.9, "accuracy_low": 0.85, "accuracy_high": 0.95, "train_loss": 0.2, "eval_loss": 0.3, "challenge_accuracy": 0.555}


@pytest.mark.parametrize("name", [LONG, "数据_baseline_bs32_wd0.1_提取_评论", "short"])
@pytest.mark.parametrize("width", [80, 100, 120])
def test_names_are_broken_between_their_parts_and_what_is_left_out_is_said(name: str, width: int) -> None:
    lines = render_table([TableRow("main", "baseline", "Success", FIGURES), TableRow(name, name, "Success", FIGURES)], width=width).splitlines()
    assert all(cell_len(line) <= width for line in lines)
    words = " ".join(lines).split()
    assert all(any(part in word for word in words) for part in name.split("_")), "a part of the name is broken"
    assert all(figure in " ".join(lines) for figure in ("90.0%", "85.0–95.0"))
    headings = " ".join(lines[:2])
    for heading, column in (("train", "train loss"), ("challenge", "challenge accuracy"), ("macro", "macro F1")):
        assert (heading in headings) != (column in lines[-1])


def test_an_accuracy_outside_of_the_baselines_interval_is_coloured_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [TableRow("main", "baseline", "Success", FIGURES)]
    rows += [TableRow(str(accuracy), "x", "Success", {**FIGURES, "accuracy": accuracy}) for accuracy in (0.8, 0.91, 0.97)]
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = [line for line in render_table(rows, width=100).splitlines() if "\x1b[1;3" in line]
    assert ["80.0%" in coloured[0], "97.0%" in coloured[1], len(coloured)] == [True, True, 2]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;3" not in render_table(rows, width=100)


LOCK = """
stages:
  split:
    params: {params.yaml: {prepare.source: data/reviews.jsonl}}
    outs: [{path: data/split, md5: aaa.dir}]
  train:
    params: {params.yaml: {seed: 42, train: {lr: 5e-05, batch_size: 32}}}
    deps: [{path: data/split, md5: aaa.dir}]
"""


def test_results_of_several_runs_are_recognised() -> None:
    assert not parse_origin(LOCK).broken
    assert parse_origin(LOCK).parameters == {"prepare.source": "data/reviews.jsonl", "seed": 42, "train.lr": 5e-5, "train.batch_size": 32}
    assert parse_origin(LOCK.replace("[{path: data/split, md5: aaa.dir}]\n  train", "[{path: data/split, md5: bbb.dir}]\n  train")).broken
    assert parse_origin("<<<<<<< ours\n").parameters == {}


def test_an_experiment_that_was_saved_and_not_run_shows_no_figures() -> None:
    shown = [entry("b" * 40, "main", PARAMETERS, [experiment("saved", None, OTHER)])]
    origins = {"a" * 40: parse_origin(LOCK.replace("lr: 5e-05, batch_size: 32", "lr: 2e-05, batch_size: 8")), "b" * 40: parse_origin("")}
    row = show.parse_experiments(shown, origins.__getitem__)[1]
    assert (row.changed, row.metrics) == ("baseline", {})
    assert "the results are of baseline, params.yaml asks for baseline_lr5e-5_bs32" in row.note


TRAINING = """
stages:
  train:
    cmd: >-
      python -c "import json, pathlib, yaml; lr = yaml.safe_load(open('params.yaml'))['train']['lr']; assert lr > 0;
      pathlib.Path('reports').mkdir(exist_ok=True); json.dump({'train_loss': lr}, open('reports/train.json', 'w'))"
    params: [seed, train]
    metrics: [{reports/train.json: {cache: false}}]
  eval:
    cmd: >-
      python -c "import json; loss = json.load(open('reports/train.json'))['train_loss'];
      json.dump({'accuracy': loss, 'accuracy_low': 0, 'accuracy_high': 1}, open('reports/eval.json', 'w'))"
    deps: [reports/train.json]
    metrics: [{reports/eval.json: {cache: false}}]
"""


def test_a_row_is_named_by_what_made_its_results(tmp_path: Path) -> None:
    def run(*command: str, check: bool = True) -> str:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_"))}
        identity = {f"GIT_{role}_{what}": "x@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        return subprocess.run(
            command, cwd=tmp_path, env={**environment, **identity, "PATH": path, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=check
        ).stdout

    def rows() -> dict[str, list[str]]:
        lines = run("python", "-m", "sentiment", "show").splitlines()
        return {cells[0]: cells[1:] for line in lines if len(cells := line.split()) > 1}

    (tmp_path / "dvc.yaml").write_text(TRAINING)
    (tmp_path / "params.yaml").write_text("seed: 1\ntrain:\n  lr: 0.25\n")
    for command in ("git init -q -b main", "dvc init -q", "dvc repro -q", "git add -A", "git commit -q -m start", "dvc exp run -q -S train.lr=0.5"):
        run(*command.split())
    assert rows()["workspace"][:2] == ["baseline_lr0.5", "0.500"]
    run("git", "checkout", "-q", "params.yaml")
    assert rows()["workspace"][:2] == ["baseline_lr0.5", "0.500"]
    assert " ".join(rows()["workspace:"]).startswith("the results are of baseline_lr0.5, params.yaml asks for baseline: `dvc repro`")
    run("git", "checkout", "-q", ".")
    run("dvc", "exp", "run", "-q", "-S", "train.lr=-1", check=False)
    assert rows()["workspace"][:5] == ["baseline", "-", "-", "-", "25.0%"]  # what is left is the baseline's
    run("git", "checkout", "-q", ".")
    run("git", "commit", "-q", "--allow-empty", "-m", "next")
    assert "1 experiment on earlier commits: python -m sentiment show --all" in run("python", "-m", "sentiment", "show")
