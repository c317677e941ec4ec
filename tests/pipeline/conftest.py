"""A copy of this checkout with a small corpus and a small random BERT, in which the real DAG runs in seconds."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.models import tiny_bert

ROOT = Path(__file__).resolve().parents[2]
ROWS = 240
SETTINGS: dict[str, dict[str, Any]] = {
    "prepare": {"source": "data/small.jsonl"},
    "train": {"model": "encoders/tiny", "max_length": 48, "epochs": 2, "lr": 1e-3},
    "eval": {"bootstrap_resamples": 100, "batch_size": 32},
}


@dataclass
class Project:
    """A checkout in a temporary folder and the environment its commands run in."""

    root: Path
    environment: dict[str, str]

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the checkout; a failure shows what it printed."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    def dvc(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run DVC."""
        return self.run("dvc", *arguments, check=check, **environment)

    def json(self, path: str) -> Any:
        """Read a JSON file of the checkout."""
        return json.loads((self.root / path).read_text(encoding="utf-8"))

    def checkpoints(self) -> list[str]:
        """Return what lies in the folder of checkpoints."""
        folder = self.root / ".checkpoints"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def forget_training(self) -> None:
        """Remove all checkpoints: the next training takes every step again."""
        shutil.rmtree(self.root / ".checkpoints", ignore_errors=True)

    def commit(self, message: str) -> None:
        """Commit everything that git does not ignore."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", message)

    def runs(self) -> list[dict[str, Any]]:
        """Return the names SwanLab's runs of this checkout have, with their training's fingerprint."""
        folder = self.root / "swanlog" / "runs"
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def make_project(root: Path) -> Project:
    """Copy the checkout's own files (not what git ignores) and give it small data and a small model."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if name.startswith(("tests/", "docs/", "reports/")) or name == "dvc.lock" or not (ROOT / name).is_file():
            continue
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    lines = (ROOT / "data" / "reviews.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (root / "data" / "small.jsonl").write_text("".join(lines[:ROWS]), encoding="utf-8")
    tiny_bert(root / "encoders" / "tiny")
    parameters = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    for section, values in SETTINGS.items():
        parameters[section].update(values)
    (root / "params.yaml").write_text(yaml.safe_dump(parameters, sort_keys=False), encoding="utf-8")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_", "SWANLAB_"))},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SWANLAB_MODE": "disabled",
        "OMP_NUM_THREADS": "1",
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@example.org",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@example.org",
    }
    project = Project(root, environment)
    project.run("git", "init", "-q", "-b", "main")
    project.dvc("add", "-q", "encoders/tiny")
    project.commit("start")
    return project


@pytest.fixture(scope="session")
def _reproduced(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("reproduced"))
    project.dvc("repro")
    project.commit("reproduce")
    return project


@pytest.fixture
def project(_reproduced: Project, tmp_path: Path) -> Iterator[Project]:
    """A checkout of its own for each test, in which the pipeline has run and is committed."""
    root = tmp_path / "project"
    shutil.copytree(_reproduced.root, root, symlinks=True)
    yield Project(root, dict(_reproduced.environment))


@pytest.fixture
def bare_project(tmp_path: Path) -> Project:
    """A checkout in which nothing has run yet."""
    root = tmp_path / "bare"
    root.mkdir()
    return make_project(root)
