"""The runner over DVC's real queue where something goes wrong around it: commits, kills, clean-ups, damaged files, unusual places."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablations.run.queue_engine import DvcQueue
from sentiment.terminal.errors import UserError
from tests.ablations.test_runner import NAMES, Toy


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    root = tmp_path / "toy"
    root.mkdir()
    made = Toy(root)
    yield made
    made.end()


def refused(done: subprocess.CompletedProcess[str], *expected: str) -> None:
    """Check that a command ended in one line."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    for words in expected:
        assert words in done.stderr


def test_a_worker_killed_while_it_sets_a_workspace_up(toy: Toy) -> None:
    toy.run("dvc", "exp", "run", "--queue", "-n", "baseline", "-S", "seed=42")
    with (toy.root / "queue.log").open("w") as log:
        subprocess.run(["dvc", "queue", "start"], cwd=toy.root, env=toy.environment, stdout=log, stderr=log, check=True)
    workspaces = toy.root / ".dvc/tmp/exps"
    until = time.monotonic() + 60
    while not (half := [folder for folder in workspaces.glob("tmp*") if folder.is_dir() and not (folder / ".dvc").exists()]):
        assert time.monotonic() < until
        time.sleep(0.002)
    os.kill(toy.worker(), signal.SIGKILL)
    assert toy.run("dvc", "exp", "show", "--json", check=False).returncode != 0  # nobody can ask DVC any more

    stopped = toy.ablations("stop")
    assert "baseline: the queue worker that" in stopped.stdout
    assert not half[0].exists()
    toy.ablations("run")
    assert toy.finished() == NAMES
    assert sorted(toy.trainings()) == NAMES


def test_a_commit_during_the_study_does_not_move_its_retries(toy: Toy) -> None:
    (toy.root / "toy-fails").write_text("32 1")
    studied = toy.run("git", "rev-parse", "HEAD").stdout.strip()
    run = toy.start(TOY_SECONDS="4")
    toy.wait(lambda: bool(toy.trainings()))
    with (toy.root / "stages" / "train.py").open("a") as file:
        file.write("# edited\n")
    toy.run("git", "commit", "-aqm", "other code")
    told, _ = run.communicate(timeout=240)
    assert run.returncode == 0, told
    assert "2 of 2 experiments ended in success" in told
    assert sorted(toy.trainings()) == ["baseline", "baseline_bs32", "baseline_bs32"]
    made = toy.run("git", "for-each-ref", "--format=%(refname)", f"refs/exps/{studied[:2]}/{studied[2:]}").stdout.splitlines()
    assert sorted(line.split("/")[-1] for line in made) == NAMES
    for name in NAMES:
        assert "# edited" not in toy.run("git", "show", f"refs/exps/{studied[:2]}/{studied[2:]}/{name}:stages/train.py").stdout


def test_only_what_was_run_and_can_be_read_counts(toy: Toy) -> None:
    for command in ("dvc repro -q", "git add -A", "git commit -qm results", "dvc exp save -n baseline"):
        toy.run(*command.split())
    assert "done     baseline " in toy.ablations("run", "--dry-run").stdout

    # Saved after an edit: an arm that was never trained.
    params = (toy.root / "params.yaml").read_text()
    (toy.root / "params.yaml").write_text(params.replace("batch_size: 8 ", "batch_size: 32 "))
    toy.run("dvc", "exp", "save", "-n", "baseline_bs32")
    toy.run("git", "checkout", "params.yaml")
    reason = "was never run as it is (`dvc exp save` after an edit?): train.batch_size is 32 in its params.yaml, and 8 in what train ran with"
    listed = toy.ablations("run", "--dry-run").stdout
    assert f"not counted: baseline_bs32 {reason}" in listed
    assert "1 of 2 experiments to run" in listed
    collected = "from ablations.compare.collect import collect; made, refused = collect(); print([one.name for one in made], refused)"
    told = toy.run(sys.executable, "-c", collected).stdout
    assert told.startswith("['baseline'] ") and f"Refusal(name='baseline_bs32', reason='{reason}')" in told
    shown = toy.run(sys.executable, "-m", "sentiment", "show").stdout
    assert "baseline_bs32: was never run as it is" in shown

    with (toy.root / "stages" / "train.py").open("a") as file:
        file.write("# edited\n")
    toy.run("dvc", "exp", "save", "-n", "edited-code")
    toy.run("git", "checkout", "stages/train.py")
    shown = toy.run(sys.executable, "-m", "sentiment", "show").stdout
    assert "edited-code: was never run as it is" in shown and "stages/train.py" in shown

    (toy.root / "dvc.lock").write_text("<<<<<<< HEAD\nschema: '2.0'\n=======\nschema: '2.0'\n>>>>>>> other\n")
    refused(toy.ablations("run", "--dry-run", check=False), "dvc.lock, line 2: holds the marks of a merge conflict: `git checkout HEAD -- dvc.lock`")
    toy.run("git", "checkout", "dvc.lock")

    shutil.rmtree(toy.root / ".dvc/cache/files")  # as `dvc gc` leaves what another workspace made
    listed = toy.ablations("run", "--dry-run").stdout
    assert "not counted: baseline has no results any more" in listed
    assert "2 of 2 experiments to run" in listed


def test_a_repository_in_a_folder_of_another(tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    toy = Toy(outer / "toy", above=outer)
    try:
        toy.run("dvc", "exp", "run", "-q", "-n", "baseline")
        assert "done     baseline " in toy.ablations("run", "--dry-run").stdout
        toy.ablations("run")
        assert toy.finished() == NAMES
        toy.ablations("report")
        report = json.loads((toy.root / "reports/ablations/report.json").read_text())
        assert [arm["name"] for arm in report["arms"]] == NAMES and report["refused"] == []
    finally:
        toy.end()


def test_a_shallow_clone_is_refused_before_anything_runs(toy: Toy, tmp_path: Path) -> None:
    toy.run("git", "commit", "-q", "--allow-empty", "-m", "two")
    shallow = tmp_path / "shallow"
    toy.run("git", "clone", "-q", "--depth", "1", f"file://{toy.root}", str(shallow))
    run = [sys.executable, "-m", "ablations", "run"]
    refused(subprocess.run(run, cwd=shallow, env=toy.environment, capture_output=True, text=True, check=False), "git fetch --unshallow")
    subprocess.run(["git", "fetch", "-q", "--unshallow"], cwd=shallow, env=toy.environment, check=True)
    done = subprocess.run([*run, "--dry-run"], cwd=shallow, env=toy.environment, capture_output=True, text=True, check=False)
    assert "2 of 2 experiments to run" in done.stdout


def test_an_environment_in_which_no_worker_starts_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="`dvc`, which is not on PATH"):
        DvcQueue("HEAD").check()


def test_a_path_beyond_ascii_works_once_the_cache_is_elsewhere(toy: Toy, tmp_path: Path) -> None:
    root = tmp_path / "größer 数据" / "toy"
    shutil.copytree(toy.root, root)
    toy.root = root
    refused(toy.ablations("run", check=False), "beyond ASCII", "dvc cache dir --local")
    toy.run("dvc", "exp", "run", "-q", "-n", "baseline")
    assert "done     baseline " in toy.ablations("run", "--dry-run").stdout

    shutil.move(root / ".dvc/cache", tmp_path / "cache")
    toy.run("dvc", "cache", "dir", "--local", str(tmp_path / "cache"))
    toy.ablations("run")
    assert toy.finished() == NAMES
    toy.ablations("report")
