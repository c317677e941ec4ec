"""The DAG through `dvc repro`: what it writes, that it repeats itself, and that it runs only what changed."""

import json
import re
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from tests.pipeline.conftest import Project


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


def test_every_stage_writes_what_dvc_yaml_declares(project: Project) -> None:
    for stage in yaml.safe_load((project.root / "dvc.yaml").read_text())["stages"].values():
        for entry in [*stage["outs"], *stage.get("metrics", [])]:
            path = next(iter(entry)) if isinstance(entry, dict) else entry
            assert (project.root / path).exists(), path


def test_a_second_run_does_nothing(project: Project) -> None:
    done = project.dvc("repro")
    assert stages_run(done.stdout) == []
    assert project.run("git", "status", "--porcelain").stdout == ""
    assert project.checkpoints() == []


def test_a_forced_run_writes_the_same_bytes(project: Project) -> None:
    done = project.dvc("repro", "-f")
    assert sorted(stages_run(done.stdout)) == ["eval", "export", "prepare", "reference", "split", "train"]
    assert project.run("git", "status", "--porcelain").stdout == ""


def test_a_change_of_the_figures_does_not_train_again(project: Project) -> None:
    module = project.root / "sentiment/evaluation/report/training_figures.py"
    module.write_text(module.read_text() + "\n# another line\n")
    assert sorted(stages_run(project.dvc("repro").stdout)) == ["eval", "export", "reference"]


def test_there_and_back_runs_no_stage_again(project: Project) -> None:
    params = project.root / "params.yaml"
    first = params.read_text(encoding="utf-8")
    params.write_text(first.replace("test_size: 0.2", "test_size: 0.25"), encoding="utf-8")
    assert "split" in stages_run(project.dvc("repro").stdout)
    params.write_text(first, encoding="utf-8")
    assert stages_run(project.dvc("repro").stdout) == []
    assert project.run("git", "status", "--porcelain").stdout == ""


def test_what_people_compare_comes_alone(project: Project) -> None:
    shown = json.loads(project.dvc("metrics", "show", "--json").stdout)[""]["data"]
    assert {path: set(figures["data"]) for path, figures in shown.items()} == {
        "reports/train.json": {"train_loss", "eval_loss", "best_epoch"},
        "reports/eval.json": {"accuracy", "accuracy_low", "accuracy_high", "macro_f1", "challenge_accuracy"},
        "reports/reference.json": {"tfidf_accuracy"},
    }
    for stage, line in (("prepare", "| rows read | 240 |"), ("split", "| texts shared | 0 |")):
        assert line in (project.root / f"reports/{stage}/report.md").read_text(encoding="utf-8")


def test_a_change_of_the_tracker_runs_nothing(project: Project) -> None:
    module = project.root / "sentiment/tracking/tracker.py"
    module.write_text(module.read_text() + "\n# another line\n")
    assert stages_run(project.dvc("repro").stdout) == []


def test_predictions_stand_in_the_order_of_the_test_split(project: Project) -> None:
    predictions = pq.read_table(project.root / "reports/eval/predictions.parquet")
    test = pq.read_table(project.root / "data/split/test.parquet")
    assert predictions.column("id").to_pylist() == test.column("id").to_pylist()
    assert predictions.column("label").to_pylist() == test.column("label").to_pylist()
    probabilities = np.array(predictions.column("probabilities").to_pylist())
    assert np.allclose(probabilities.sum(axis=1), 1.0)
    assert predictions.column("predicted").to_pylist() == probabilities.argmax(axis=1).tolist()


def test_the_metrics_agree_with_the_predictions(project: Project) -> None:
    predictions = pq.read_table(project.root / "reports/eval/predictions.parquet")
    metrics = project.json("reports/eval/summary.json")
    correct = np.array(predictions.column("predicted")) == np.array(predictions.column("label"))
    assert metrics["accuracy"] == pytest.approx(correct.mean(), abs=1e-5)
    assert metrics["loss"] == pytest.approx(np.mean(predictions.column("loss").to_pylist()), rel=1e-4)
    assert metrics["accuracy_low"] <= metrics["accuracy"] <= metrics["accuracy_high"]


def test_the_curves_have_a_row_for_each_step_and_each_epoch(project: Project) -> None:
    steps = (project.root / "reports/train/steps.tsv").read_text().splitlines()
    validation = (project.root / "reports/train/validation.tsv").read_text().splitlines()
    assert len(steps) - 1 == project.json("reports/train/run.json")["steps"]
    assert [line.split("\t")[1] for line in validation[1:]] == ["1", "2"]


def test_outputs_hold_nothing_of_the_machine_or_the_clock(project: Project) -> None:
    for folder in ("reports", "models/classifier", "data/split"):
        for path in (project.root / folder).rglob("*"):
            if path.suffix in (".json", ".md", ".tsv"):
                assert str(project.root) not in path.read_text(encoding="utf-8"), path


def test_plots_open_without_a_network(project: Project) -> None:
    project.dvc("plots", "show")
    page = (project.root / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert not re.findall(r"<(?:script|link)[^>]+(?:src|href)=['\"]?(?:https?:)?//", page)
    for title in ("Training loss", "Gradient norm", "ROC", "Precision and recall", "Calibration", "Confusion matrix"):
        assert title in page
    assert '"rows": "' in page, "the counts of the calibration plot"


def test_a_python_without_the_packages_is_named_in_one_line(project: Project) -> None:
    done = project.run(sys.executable, "-S", "-m", "stages.prepare", check=False)  # -S: without what is installed
    assert done.returncode == 1
    assert "lacks the project's packages" in done.stderr and "activate the environment" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_local_encoder_changed_by_hand_trains_again_and_nothing_before_it(project: Project) -> None:
    config = project.root / "encoders/tiny/config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"hidden_dropout_prob": 0.1', '"hidden_dropout_prob": 0.2'), encoding="utf-8")
    changed = json.loads(project.dvc("status", "--json").stdout)
    assert {"changed deps": {"encoders": "modified"}} in changed["train"]
    assert not {"prepare", "split", "reference"} & set(changed)
