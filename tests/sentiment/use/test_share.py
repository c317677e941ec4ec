"""Experiments between two clones: outputs travel with them, and what does not is said before anything is sent."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import ROOT

# In the place of the pipeline: DVC sees the same kinds of output, a folder, a file in the cache, and a metric in git.
PIPELINE = """
stages:
  train:
    cmd:
      - mkdir -p models/classifier
      - cp params.yaml models/classifier/weights
      - date +%N > models/classifier/noise
      - echo '{}' > metrics.json
    params: [lr]
    outs: [models/classifier]
    metrics:
      - metrics.json:
          cache: false
"""


class Clone:
    """A repository and the commands that are run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_"))}
        for role in ("AUTHOR", "COMMITTER"):
            environment |= {f"GIT_{role}_NAME": "test", f"GIT_{role}_EMAIL": "test@example.org"}
        environment |= {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"}
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def sentiment(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "sentiment", *arguments).stdout

    def refused(self, *arguments: str) -> str:
        done = self.run(sys.executable, "-m", "sentiment", *arguments, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one experiment, made before any storage was configured."""
    folder = tmp_path_factory.mktemp("share")
    clone = Clone(folder / "mine")
    clone.root.mkdir()
    (clone.root / "dvc.yaml").write_text(PIPELINE)
    (clone.root / "params.yaml").write_text("lr: 1\n")
    clone.run("git", "init", "-q", "-b", "main")
    clone.run("dvc", "init", "-q")
    clone.run("dvc", "repro", "-q")
    clone.run("git", "add", "-A")
    clone.run("git", "commit", "-q", "-m", "start")
    clone.run("dvc", "exp", "run", "-q", "--temp", "-n", "early", "-S", "lr=2")
    return folder


@pytest.fixture
def mine(made: Path, tmp_path: Path) -> Clone:
    folder = tmp_path / "share"
    shutil.copytree(made, folder, symlinks=True)
    clone = Clone(folder / "mine")
    clone.run("git", "init", "-q", "--bare", "-b", "main", "../origin.git")
    clone.run("git", "remote", "add", "origin", str(folder / "origin.git"))
    clone.run("git", "push", "-q", "origin", "main")
    return clone


def with_storage(clone: Clone) -> Clone:
    storage = clone.root.parent / "storage"
    (clone.root / ".dvc/config").write_text(f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {storage}\n")
    return clone


def colleague(mine: Clone) -> Clone:
    root = mine.root.parent / "theirs"
    mine.run("git", "clone", "-q", str(mine.root.parent / "origin.git"), str(root))
    return Clone(root)


def test_an_experiment_made_before_the_storage_arrives_with_its_outputs(mine: Clone) -> None:
    with_storage(mine)
    said = mine.sentiment("share", "early")
    assert "early is on origin, its 3 files" in said
    assert "made before the storage was configured" in said
    theirs = with_storage(colleague(mine))
    assert "with all of its 3 files" in theirs.sentiment("receive", "early", "--apply")
    assert (theirs.root / "models/classifier/weights").read_text() == "lr: 2\n"
    assert theirs.run("dvc", "status").stdout.strip().endswith("up to date.")
    assert theirs.run("dvc", "remote", "list").stdout.split()[0] == "storage"  # the experiment's own configuration lacks it


@pytest.mark.skipif(importlib.util.find_spec("dvc_s3") is not None, reason="needs an environment without dvc-s3")
def test_a_storage_whose_package_is_missing_names_it(mine: Clone) -> None:
    mine.run("dvc", "remote", "add", "-d", "storage", "s3://bucket/path")
    assert "needs dvc-s3: `python -m pip install $(grep dvc-s3 requirements-remotes.txt) -c constraints.txt`" in mine.refused("share", "early")


def test_without_a_storage_nothing_is_sent(mine: Clone) -> None:
    assert "`dvc remote add -d storage FOLDER_OR_URL`" in mine.refused("share", "early")
    assert mine.run("git", "ls-remote", "origin", "refs/exps/*").stdout == ""
    with_storage(mine)
    assert "DVC knows storage" in mine.refused("share", "early", "--remote", "elsewhere")
    assert "git has no remote upstream" in mine.refused("share", "early", "--git-remote", "upstream")
    assert "no finished experiment late in this repository: there are early" in mine.refused("share", "late")


def test_an_experiment_whose_output_is_gone_is_not_sent(mine: Clone) -> None:
    with_storage(mine)
    for path in (mine.root / ".dvc/cache/files").rglob("*"):
        if path.is_file() and path.read_text() == "lr: 2\n":
            path.chmod(0o644)
            path.unlink()
    assert "models/classifier is not in this machine's cache, and nothing was sent" in mine.refused("share", "early")
    assert mine.run("git", "ls-remote", "origin", "refs/exps/*").stdout == ""


def test_a_storage_that_lost_a_file_is_noticed_and_filled_again(mine: Clone) -> None:
    with_storage(mine).sentiment("share", "early")
    theirs = with_storage(colleague(mine))
    lost = next(path for path in (mine.root.parent / "storage").rglob("*") if path.is_file() and path.read_text() == "lr: 2\n")
    lost.unlink()
    said = theirs.refused("receive", "early")
    assert "models/classifier is not whole in the storage 'storage'" in said and "python -m sentiment share early" in said
    assert "early" not in theirs.run("git", "for-each-ref", "refs/exps").stdout  # with all of its outputs, or not at all
    mine.sentiment("share", "early")
    assert "with all of its 3 files" in theirs.sentiment("receive", "early")


def test_another_experiment_of_the_same_name_is_not_replaced_unasked(mine: Clone) -> None:
    with_storage(mine).sentiment("share", "early")
    mine.run("dvc", "exp", "remove", "-q", "early")
    mine.run("dvc", "exp", "run", "-q", "--temp", "-n", "early", "-S", "lr=3")
    assert "`python -m sentiment share --force early` replaces it" in mine.refused("share", "early")
    mine.sentiment("share", "--force", "early")
    theirs = with_storage(colleague(mine))
    theirs.sentiment("receive", "early", "--apply")
    assert (theirs.root / "params.yaml").read_text() == "lr: 3\n"
