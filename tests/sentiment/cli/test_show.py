"""The short table of experiments."""

from typing import Any

from sentiment.cli.show import parse_experiments, render_table

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
