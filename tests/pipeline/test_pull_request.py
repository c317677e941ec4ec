"""The script behind .github/workflows/experiment.yml, in a fresh clone with a storage, as on GitHub's machines."""

import shutil
from pathlib import Path

from tests.pipeline.conftest import Project
from tests.pipeline.test_training import edit


def cloned(project: Project, tmp_path: Path) -> Project:
    """Push everything to a storage, as the target branch should have been, and clone the repository."""
    project.dvc("remote", "add", "-q", "-d", "storage", str(tmp_path / "storage"))
    project.commit("storage")
    project.dvc("push", "-q")
    project.run("git", "clone", "-q", str(project.root), str(tmp_path / "clone"))
    return Project(tmp_path / "clone", {**project.environment, "GITHUB_STEP_SUMMARY": str(tmp_path / "step.md")})


def test_a_pull_request_is_run_and_compared_with_its_target(project: Project, tmp_path: Path) -> None:
    branch = cloned(project, tmp_path)
    branch.run("python", "-c", edit("train", "epochs", 3))
    branch.commit("three epochs")
    done = branch.run("bash", "tools/pull_request.sh")
    ran = [line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")]
    assert ran == ["train", "eval", "export"]  # the rest came from the storage
    page = (tmp_path / "step.md").read_text(encoding="utf-8")
    assert page == (branch.root / "pull_request/summary.md").read_text(encoding="utf-8")
    assert "**Test accuracy: " in page and "points, 95 % interval" in page
    assert "| `train.epochs` | 2 | 3 |" in page
    assert "| `eval_loss` | train | " in page
    assert page.count("xychart-beta") == 3 and page.count("    line [") == 6
    made = {path.name for path in (branch.root / "pull_request").iterdir()}
    assert {"dvc.lock", "metrics.json", "params.json", "plots", "report.html"} <= made
    assert branch.run("git", "status", "--porcelain", "--", "pull_request").stdout == ""


def test_a_pull_request_that_changes_no_result_runs_nothing(project: Project, tmp_path: Path) -> None:
    branch = cloned(project, tmp_path)
    (branch.root / "README.md").write_text("Another sentence.\n", encoding="utf-8")
    branch.commit("words")
    branch.run("bash", "tools/pull_request.sh", "HEAD^1", "out")
    page = (branch.root / "out/summary.md").read_text(encoding="utf-8")
    assert "the same answers as the target" in page
    assert "No stage had to run" in page and "No parameter changed." in page and "No metric changed." in page


def test_a_pipeline_that_fails_and_a_storage_that_cannot_be_read_are_in_the_summary(project: Project, tmp_path: Path) -> None:
    branch = cloned(project, tmp_path)
    shutil.rmtree(tmp_path / "storage")
    (tmp_path / "storage").write_text("no folder", encoding="utf-8")
    shutil.copytree(project.root / "encoders/tiny", branch.root / "encoders/tiny")  # data that no stage makes
    branch.run("python", "-c", edit("train", "lr", 5))
    branch.commit("a rate that is not allowed")
    done = branch.run("bash", "tools/pull_request.sh", check=False)
    assert done.returncode != 0
    page = (tmp_path / "step.md").read_text(encoding="utf-8")
    assert "**`dvc repro` failed.**" in page and "train.lr = 5" in page
    assert "The storage could not be read" in page


def test_a_target_that_is_not_there_is_one_line(project: Project) -> None:
    done = project.run("bash", "tools/pull_request.sh", "origin/main", check=False)
    assert done.returncode == 1
    assert done.stderr == "error: origin/main: no such commit: fetch the target branch, and name it\n"
