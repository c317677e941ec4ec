"""What lies on the disk: listed with the command that frees it, and removed without losing a training unasked."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentiment.cli.disk import clean_checkpoints, disk_usage
from sentiment.core.checkpoint_store import lock_training
from sentiment.core.files import write_json
from sentiment.terminal.errors import UserError
from tests.imports import ROOT


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout with checkpoints: interrupted, ended without outputs, ended with them, and one that a process is at."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SENTIMENT_MAIN_ROOT", raising=False)
    for name, step in (("halfway", 114), ("ended", 300), ("here", 300), ("running", 50)):
        checkpoint = tmp_path / f".checkpoints/{name}/checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "model.safetensors").write_bytes(bytes(2_000_000))
        manifest = {"files": {}, "step": step, "steps": 300, "seconds": 4000.0, "ended": step == 300, "experiment": ""}
        write_json(checkpoint / "manifest.json", manifest)
    write_json(tmp_path / "reports/train/run.json", {"training": "here"})
    write_json(tmp_path / "models/classifier/config.json", {})
    with lock_training("running"):
        yield tmp_path


def names(checkout: Path) -> list[str]:
    return sorted(path.name for path in (checkout / ".checkpoints").iterdir() if path.is_dir())


def test_everything_is_listed_with_the_command_that_frees_it(checkout: Path) -> None:
    shown = " ".join(disk_usage().split())
    assert "2 MB interrupted at step 114 of 300 after 67 min" in shown
    assert "python -m sentiment clean halfway" in shown
    assert "its outputs are in this checkout" in shown
    assert "python -m sentiment clean running" not in shown


def test_without_a_wish_only_what_has_its_outputs_here_is_removed(checkout: Path) -> None:
    clean_checkpoints([], unfinished=False)
    assert names(checkout) == ["ended", "halfway", "running"]
    shutil.rmtree(checkout / "models")


def test_all_go_on_request_and_the_loss_is_said(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean_checkpoints([], unfinished=True)
    assert names(checkout) == ["running"]
    assert "lost: 2.2 h of training, 414 steps" in capsys.readouterr().out


def test_one_goes_by_name(checkout: Path) -> None:
    clean_checkpoints(["halfway"], unfinished=False)
    assert names(checkout) == ["ended", "here", "running"]
    with pytest.raises(UserError, match="there are no checkpoints of halfway"):
        clean_checkpoints(["halfway"], unfinished=False)
    with pytest.raises(UserError, match="a process is at this training"):
        clean_checkpoints(["running"], unfinished=False)


def test_make_clean_keeps_interrupted_trainings(checkout: Path) -> None:
    shutil.copy(ROOT / "Makefile", checkout)
    shutil.copytree(ROOT / "sentiment", checkout / "sentiment", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["make", "-s", "clean"], cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert names(checkout) == ["ended", "halfway", "running"]


def test_where_nothing_is_kept_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SENTIMENT_MAIN_ROOT", raising=False)
    clean_checkpoints([], unfinished=True)
    assert "no checkpoints" in capsys.readouterr().out


def test_output_that_nobody_reads_on_ends_without_an_error() -> None:
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    done = subprocess.run(
        [sys.executable, "-m", "sentiment", "parameters"], cwd=ROOT, stdout=reader.stdin, stderr=subprocess.PIPE, text=True, check=False
    )
    reader.wait()
    assert done.stderr == ""
