"""Experiments through DVC: in the workspace, in a temporary one, in the queue; compared, applied, shared."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.pipeline.conftest import Project


def lr(project: Project) -> float:
    return float(yaml.safe_load((project.root / "params.yaml").read_text())["train"]["lr"])


def test_an_experiment_is_named_after_what_changed(project: Project) -> None:
    project.dvc("exp", "run", "-S", "train.lr=5e-5", SWANLAB_MODE="offline")
    assert [run["name"] for run in project.runs()] == ["baseline_lr5e-5"]
    assert lr(project) == 5e-5
    assert project.checkpoints() == []
    shown = project.run("python", "-m", "sentiment", "show").stdout
    assert "baseline_lr5e-5" in shown


def test_a_temporary_experiment_leaves_the_workspace_and_keeps_its_run(project: Project) -> None:
    before = (project.root / "params.yaml").read_text()
    project.dvc("exp", "run", "--temp", "-n", "other", "-S", "train.batch_size=16", SWANLAB_MODE="offline")
    assert (project.root / "params.yaml").read_text() == before
    assert [run["name"] for run in project.runs()] == ["baseline_bs16"]
    assert list((project.root / "swanlog").glob("run-*"))
    assert project.checkpoints() == []
    differences = json.loads(project.dvc("metrics", "diff", "--json", "HEAD", "other").stdout)
    assert differences["reports/train.json"]["train_loss"]["new"] != differences["reports/train.json"]["train_loss"]["old"]


def test_queued_experiments_run_and_can_be_compared_and_applied(project: Project, wait_for: Callable[..., None]) -> None:
    for name, value in (("bs16", 16), ("bs32", 32)):
        project.dvc("exp", "run", "--queue", "-n", name, "-S", f"train.batch_size={value}")
    log = project.root.parent / "queue.log"
    with log.open("w") as sink:  # a pipe would block until the worker ends
        subprocess.run(
            ["dvc", "queue", "start"], cwd=project.root, env=project.environment, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, check=True
        )

    def states() -> dict[str, str]:
        lines = project.dvc("queue", "status").stdout.splitlines()[1:]
        return {cells[1]: cells[-1] for line in lines if len(cells := line.split()) >= 3 and cells[1].startswith("bs")}

    wait_for(lambda: states() == {"bs16": "Success", "bs32": "Success"}, 240, "both experiments")
    assert project.checkpoints() == []
    project.dvc("plots", "diff", "bs16", "bs32", "HEAD")
    page = (project.root / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert not re.findall(r"<(?:script|link)[^>]+(?:src|href)=['\"]?(?:https?:)?//", page)
    assert "bs16" in page
    project.dvc("exp", "apply", "bs32")
    assert yaml.safe_load((project.root / "params.yaml").read_text())["train"]["batch_size"] == 32
    assert project.dvc("status").stdout.strip().endswith("up to date.")


PLAN = """
seeds: [43]
margin: 0.01
alpha: 0.05
resamples: 1000
arms:
  baseline: {set: {}}
  higher: {against: baseline, set: {train.lr: 5e-3}}
"""


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_colleague_gets_the_experiments_and_the_same_report(project: Project, tmp_path: Path) -> None:
    (project.root / "pair.yaml").write_text(PLAN)
    project.commit("plan")
    project.run("git", "init", "-q", "--bare", "-b", "main", str(tmp_path / "origin.git"))
    project.run("git", "remote", "add", "origin", str(tmp_path / "origin.git"))
    project.run("git", "push", "-q", "origin", "main")
    project.dvc("exp", "run", "--temp", "-n", "first", "-S", "seed=43")
    project.dvc("exp", "run", "--temp", "-n", "second", "-S", "seed=43", "-S", "train.lr=5e-3")
    project.dvc("remote", "add", "-d", "--local", "store", str(tmp_path / "store"))  # after they were made
    project.run("python", "-m", "sentiment", "share", "first", "second")
    project.run("python", "-m", "ablations", "report", "--plan", "pair.yaml")

    project.run("git", "clone", "-q", str(tmp_path / "origin.git"), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone", project.environment)
    clone.dvc("remote", "add", "-d", "--local", "store", str(tmp_path / "store"))
    clone.run("python", "-m", "sentiment", "receive", "first", "second")
    assert "all 2 experiments are there: nothing to run" in clone.run("python", "-m", "ablations", "run", "--plan", "pair.yaml").stdout
    assert clone.run("git", "for-each-ref", "refs/exps").stdout.count("refs/exps/") == 2  # none was made here
    clone.run("python", "-m", "ablations", "report", "--plan", "pair.yaml")
    assert files(clone.root / "reports/pair") == files(project.root / "reports/pair")

    clone.run("python", "-m", "sentiment", "receive", "second", "--apply")
    assert lr(clone) == 5e-3
    assert clone.dvc("status").stdout.strip().endswith("up to date.")
    assert "Running stage" not in clone.dvc("repro").stdout
    project.dvc("exp", "apply", "second")
    assert files(clone.root / "reports/eval") == files(project.root / "reports/eval")
    assert files(clone.root / "models/classifier") == files(project.root / "models/classifier")


def test_classes_told_by_the_data_reach_the_model_and_the_reports(project: Project) -> None:
    project.dvc("exp", "run", "-S", "prepare.class_names=null", SWANLAB_MODE="offline")
    assert [run["name"] for run in project.runs()] == ["baseline_prepare.class_names-none"]
    assert project.json("models/classifier/config.json")["id2label"] == {"0": "0", "1": "1"}
    assert project.json("reports/split/counts.json")["test"]["classes"].keys() == {"0", "1"}
    header, *pairs = (line.split("\t") for line in (project.root / "reports/eval/confusion.tsv").read_text().splitlines())
    assert header[:2] == ["actual", "predicted"]
    assert {name for pair in pairs for name in pair[:2]} == {"0", "1"}
