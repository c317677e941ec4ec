"""Where an interrupted training goes on: its name follows all that counts, and one process at a time works there."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentiment.core.checkpoint_store import remove_checkpoint
from sentiment.terminal.errors import Interrupted, UserError
from sentiment.training.checkpoints import Reached, checkpoint_folder, fingerprint, last_checkpoint, seal
from tests.imports import ROOT

SETTINGS: dict[str, Any] = {"train": {"lr": 2e-5}, "seed": 42, "runtime": {"threads": 2, "precision": "fp32"}}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a dvc.yaml of one stage, its code and its data."""
    monkeypatch.chdir(tmp_path)
    for name, content in {"sentiment/room/code.py": "a = 1", "stages/train.py": "c = 1", "stages/eval.py": "b = 1", "data.bin": "rows"}.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content, encoding="utf-8")
    stages = {"train": {"deps": ["data.bin", "sentiment/room", "stages/train.py"]}, "eval": {"deps": ["stages/eval.py"]}}
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": stages}), encoding="utf-8")
    return tmp_path


def name(**changes: Any) -> str:
    return fingerprint("train", [Path("data.bin")], {**SETTINGS, **changes})


def test_a_name_stays_the_same_while_nothing_that_counts_changes(checkout: Path) -> None:
    before = name()
    assert len(before) == 16 and int(before, 16) >= 0
    os.utime("sentiment/room/code.py", (0, 0))
    Path("stages/eval.py").write_text("b = 2", encoding="utf-8")  # another stage's code
    assert name() == before
    assert fingerprint("train", [Path("data.bin")], dict(reversed(SETTINGS.items()))) == before


CHANGES: dict[str, Callable[[], str]] = {
    "a parameter": lambda: name(train={"lr": 5e-5}),
    "the seed": lambda: name(seed=43),
    "the number of threads": lambda: name(runtime={"threads": 1, "precision": "fp32"}),
    "the precision": lambda: name(runtime={"threads": 2, "precision": "bf16"}),
    "the encoder": lambda: name(encoder="another"),
    "code in a room": lambda: (Path("sentiment/room/code.py").write_text("a = 2", encoding="utf-8"), name())[1],
    "a file that is new in a room": lambda: (Path("sentiment/room/page.html.j2").write_text("", encoding="utf-8"), name())[1],
    "the stage's own code": lambda: (Path("stages/train.py").write_text("c = 2", encoding="utf-8"), name())[1],
    "data": lambda: (Path("data.bin").write_text("other rows", encoding="utf-8"), name())[1],
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_name_changes_with(what: str, checkout: Path) -> None:
    before = name()
    assert CHANGES[what]() != before


HOLD = """
import sys, time
from sentiment.training.checkpoints import checkpoint_folder
from sentiment.terminal.errors import run_main
def main():
    with checkpoint_folder("abc") as folder:
        (folder / "checkpoint-1").mkdir(exist_ok=True)
        print("held", flush=True)
        if sys.argv[1:] == ["wait"]:
            time.sleep(60)
run_main(main)
"""


@pytest.fixture
def holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder."""
    monkeypatch.setenv("SENTIMENT_MAIN_ROOT", str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", HOLD, "wait"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def second() -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", HOLD], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_second_process_is_refused_in_one_line(holder: subprocess.Popen[str]) -> None:
    done = second()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: another process is at this very training") and len(done.stderr.splitlines()) == 1
    assert holder.poll() is None


def test_a_killed_process_leaves_its_checkpoints_to_the_next(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / ".checkpoints/abc/checkpoint-1").is_dir()
    assert second().returncode == 0
    assert (tmp_path / ".checkpoints/abc/checkpoint-1").is_dir()


def test_two_trainings_do_not_hinder_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_MAIN_ROOT", str(tmp_path))
    with checkpoint_folder("first") as first, checkpoint_folder("second") as other:
        assert first != other
        assert first.parent == other.parent == tmp_path / ".checkpoints"


def test_the_newest_checkpoint_is_the_one_of_the_highest_step(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    for step in (900, 1000, 99):
        (tmp_path / f"checkpoint-{step}").mkdir()
        seal(tmp_path / f"checkpoint-{step}", Reached(step, 2000, 1.0, False))
    (tmp_path / "checkpoint-1001").mkdir()  # without a manifest: it was not saved to the end
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-1000"


def test_checkpoints_stay_until_they_are_removed_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SENTIMENT_MAIN_ROOT", str(tmp_path))
    with pytest.raises(RuntimeError), checkpoint_folder("abc") as folder:
        (folder / "checkpoint-1").mkdir()
        raise RuntimeError
    with checkpoint_folder("abc"), pytest.raises(UserError, match="another process is at this very training"), checkpoint_folder("abc"):
        pass
    assert (tmp_path / ".checkpoints/abc/checkpoint-1").is_dir()
    assert remove_checkpoint("abc")
    assert list((tmp_path / ".checkpoints").iterdir()) == []


def test_a_training_that_saved_nothing_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SENTIMENT_MAIN_ROOT", str(tmp_path))
    with pytest.raises(RuntimeError), checkpoint_folder("abc"):
        raise RuntimeError
    assert list((tmp_path / ".checkpoints").iterdir()) == []


@pytest.mark.parametrize(("saved", "words"), [(True, "the checkpoint of step 7 is kept"), (False, "before the first checkpoint")])
def test_what_a_second_ctrl_c_says_is_true(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, saved: bool, words: str) -> None:
    monkeypatch.setenv("SENTIMENT_MAIN_ROOT", str(tmp_path))
    with pytest.raises(Interrupted, match=words), checkpoint_folder("abc") as folder:
        if saved:
            (folder / "checkpoint-7").mkdir()
            seal(folder / "checkpoint-7", Reached(7, 9, 1.0, False))
        raise KeyboardInterrupt
