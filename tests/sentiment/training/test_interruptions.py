"""Trainings that are killed, damaged or diverge: the same bytes in the end, or a clear line."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from sentiment.core.checkpoint_store import checkpoint_steps
from sentiment.core.files import read_tsv
from sentiment.terminal.errors import Interrupted, UserError
from sentiment.training import callbacks, disk_room
from sentiment.training.checkpoints import checkpoint_folder, last_checkpoint
from sentiment.training.divergence import DivergedError, describe_divergence, keep_diverged
from sentiment.training.history import Outcome
from tests.imports import ROOT
from tests.sentiment.training.test_fine_tuning import encoder, settings, train, weights  # noqa: F401  (a fixture)


class Asking(TrainerCallback):
    """Asks the training to end at a step, or in the evaluation of an epoch."""

    def __init__(self, step: int | None = None, epoch: int | None = None, number: int = signal.SIGTERM) -> None:
        self._step, self._epoch, self._number = step, epoch, number

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self._step:
            os.kill(os.getpid(), self._number)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.epoch == self._epoch:
            os.kill(os.getpid(), self._number)


@pytest.fixture(scope="module")
def whole(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:  # noqa: F811
    return train(settings(encoder, epochs=2, batch_size=16), tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def interrupted(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """The folder of a training of 8 steps that has checkpoints of steps 4 and 6."""
    folder = tmp_path_factory.mktemp("interrupted") / "training"
    with pytest.raises(Interrupted, match="saved at step 6 of 8"):
        train(settings(encoder, epochs=2, batch_size=16), folder, callbacks=[Asking(step=6)])
    assert [step for step, _ in checkpoint_steps(folder)] == [6, 4]
    return folder


def same(first: Outcome, second: Outcome) -> bool:
    return torch.equal(weights(first), weights(second)) and first.steps == second.steps and first.validations == second.validations


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "manifest.json")


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
def test_a_damaged_checkpoint_is_passed_over_in_one_line(
    interrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    for name in FILES:
        folder = tmp_path / name
        shutil.copytree(interrupted, folder)
        damage(folder / "checkpoint-6" / name)
        assert last_checkpoint(folder) == folder / "checkpoint-4", name
        assert [line for line in capsys.readouterr().out.splitlines() if "passed over" in line and "step 6" in line], name


@pytest.mark.parametrize("damaged", [["6"], ["6", "4"]])
def test_it_ends_in_the_same_bits_from_an_older_checkpoint_and_from_none(
    encoder: Path,  # noqa: F811
    interrupted: Path,
    whole: Outcome,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damaged: list[str],
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(interrupted, folder)
    for step in damaged:
        cut(folder / f"checkpoint-{step}" / "optimizer.pt")
    assert same(train(settings(encoder, epochs=2, batch_size=16), folder), whole)
    assert ("starts anew" in capsys.readouterr().out) == (len(damaged) == 2)
    assert [step for step, _ in checkpoint_steps(folder)] == [8, 4]


def test_a_best_checkpoint_that_is_gone_costs_a_restart_and_not_another_model(encoder: Path, tmp_path: Path) -> None:  # noqa: F811
    chosen = settings(encoder, epochs=3, keep="best")
    best = train(chosen, tmp_path / "whole", flip=True)
    with pytest.raises(Interrupted):
        train(chosen, tmp_path / "parts", flip=True, callbacks=[Asking(step=20)])
    assert [step for step, _ in checkpoint_steps(tmp_path / "parts")] == [20, 8]
    shutil.rmtree(tmp_path / "parts" / "checkpoint-8")
    assert same(train(chosen, tmp_path / "parts", flip=True), best)


def test_a_training_that_is_all_done_only_returns_its_model(encoder: Path, whole: Outcome, tmp_path: Path) -> None:  # noqa: F811
    # DVC may die before it has saved the outputs: the next try must cost seconds.
    class Counting(TrainerCallback):
        steps = 0

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            Counting.steps += 1

    train(settings(encoder, epochs=2, batch_size=16), tmp_path)
    again = train(settings(encoder, epochs=2, batch_size=16), tmp_path, callbacks=[Counting()])
    assert Counting.steps == 0
    assert same(again, whole)
    assert (again.tokens, again.flops) == (whole.tokens, whole.flops)


REMOVE = """
import os, signal, sys
from sentiment.core.checkpoint_store import remove_checkpoint
last, count = int(sys.argv[1]), 0
def kill(event, arguments):
    global count
    if event in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.scandir", "os.listdir", "shutil.rmtree", "glob.glob"):
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
remove_checkpoint("nothing")  # imports what it needs
sys.addaudithook(kill)
remove_checkpoint("training")
"""


def test_killed_at_each_file_operation_of_the_removal_it_ends_in_the_same_bits_or_a_clear_restart(
    encoder: Path,  # noqa: F811
    interrupted: Path,
    whole: Outcome,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SENTIMENT_MAIN_ROOT", str(tmp_path))
    chosen = settings(encoder, epochs=2, batch_size=16)
    root = tmp_path / ".checkpoints"
    outcomes: dict[str, bool] = {}
    for number in range(1, 200):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(interrupted, root / "training")
        done = subprocess.run([sys.executable, "-c", REMOVE, str(number)], cwd=ROOT, check=False)
        with checkpoint_folder("training") as folder:
            left = last_checkpoint(folder)
            state = left.name if left else "nothing"
            if state not in outcomes:  # what the training finds is all that its result depends on
                outcomes[state] = same(train(chosen, folder), whole)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
    assert number > 20
    assert outcomes == {"checkpoint-6": True, "nothing": True}
    assert state == "nothing" and not list(root.glob(".removed-*/*/.."))


def test_a_checkpoint_counts_once_it_is_whole_and_the_one_before_until_then(
    encoder: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A copy of the folder is made before each file operation of saving: what a process killed there would leave."""
    seen: list[Path] = []
    watching = False

    def copy(event: str, arguments: Any) -> None:
        nonlocal watching
        written = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir") or (event == "open" and "w" in str(arguments[1]))
        if watching and written:
            watching = False
            target = tmp_path / "copies" / str(len(seen))
            shutil.copytree(tmp_path / "training", target)
            seen.append(target)
            watching = True

    class Watching(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            nonlocal watching
            watching = state.global_step == 6

    monkeypatch.setattr(callbacks, "_CHECKPOINT_EVERY_SECONDS", 0.0)
    sys.addaudithook(copy)
    try:
        train(settings(encoder, epochs=2, batch_size=16), tmp_path / "training", callbacks=[Watching()])
    finally:
        watching = False
    found = [checkpoint.name for copied in seen if (checkpoint := last_checkpoint(copied))]
    assert len(found) == len(seen) > 8
    assert found == sorted(found)
    assert set(found) == {"checkpoint-5", "checkpoint-6"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_signal_that_asks_to_end_has_the_training_saved(encoder: Path, tmp_path: Path, number: int) -> None:  # noqa: F811
    before = signal.signal(number, signal.default_int_handler)  # not ignored, as it may be where tests run in the background
    try:
        with pytest.raises(Interrupted, match="saved at step 2 of 4"):
            train(settings(encoder, epochs=1, batch_size=16), tmp_path, callbacks=[Asking(step=2, number=number)])
        with pytest.raises(KeyboardInterrupt):  # a second one does not wait
            train(settings(encoder, epochs=1, batch_size=16), tmp_path, callbacks=[Asking(step=3, number=number), Asking(step=3, number=number)])
    finally:
        signal.signal(number, before)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-2"


def test_early_stopping_that_was_interrupted_in_its_evaluation_trains_no_further(encoder: Path, tmp_path: Path) -> None:  # noqa: F811
    chosen = settings(encoder, epochs=8, early_stopping_patience=1, keep="best")
    stopped = train(chosen, tmp_path / "whole", flip=True)
    assert len(stopped.validations) == 2
    at_once = train(chosen, tmp_path / "parts", flip=True, callbacks=[Asking(epoch=2)])
    assert same(at_once, stopped)
    again = train(chosen, tmp_path / "parts", flip=True)  # as after a SIGKILL right behind that checkpoint
    assert same(again, stopped)


def test_a_training_that_diverges_ends_there_and_keeps_its_curves(encoder: Path, tmp_path: Path) -> None:  # noqa: F811
    class Poison(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            if state.global_step == 5:
                next(model.parameters()).data.fill_(float("nan"))

    chosen = settings(encoder, epochs=2, batch_size=16, lr=1e-3)
    with pytest.raises(DivergedError) as caught:
        train(chosen, tmp_path / "training", callbacks=[Poison()])
    divergence = caught.value.divergence
    assert (divergence.what, divergence.step, divergence.steps) == ("the training loss is nan", 6, 8)
    line = describe_divergence(divergence, chosen, Path("kept"))
    assert "at step 6 of 8" in line and "train.lr=0.0001" in line and len(line.splitlines()) == 1
    keep_diverged(caught.value, tmp_path / "kept", "abc", {"seed": 1})
    assert read_tsv(tmp_path / "kept/steps.tsv")["step"] == [1, 2, 3, 4, 5, 6]
    assert json.loads((tmp_path / "kept/run.json").read_text())["step"] == 6


def test_a_learning_rate_that_is_far_too_high_diverges(encoder: Path, tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(DivergedError, match="loss is|gradient norm is"):
        train(settings(encoder, epochs=4, lr=1.0, weight_decay=1.0, max_grad_norm=1e30, lr_scheduler="constant"), tmp_path, callbacks=[Inflate()])


class Inflate(TrainerCallback):
    """Stands in for the large encoder that such a rate breaks within a few steps."""

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        for parameter in model.parameters():
            parameter.data.mul_(1e12)


FULL = [OSError(28, "No space left on device"), RuntimeError("[enforce fail at inline_container.cc] unexpected pos 704")]


@pytest.mark.parametrize("error", FULL)
def test_a_full_disk_is_one_line_with_path_and_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(disk_room.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 100, 5_000_000))  # type: ignore[attr-defined]
    with (
        pytest.raises(UserError, match=r"no room to write to: about 1.3 GB are needed, 5 MB are free") as caught,
        disk_room.explain_shortage(tmp_path, 1_300_000_000),
    ):
        raise error
    assert str(tmp_path) in str(caught.value)


def test_an_error_that_is_no_shortage_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="a bug"), disk_room.explain_shortage(tmp_path, 10):
        raise RuntimeError("a bug")


def test_a_training_that_the_disk_has_no_room_for_is_refused_before_its_first_step(
    encoder: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(disk_room.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 100, 50_000_000))  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"are needed for checkpoints.* of this training, 50 MB are free"):
        train(settings(encoder, epochs=1), tmp_path / "training", callbacks=[Asking(step=1)])


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
from pathlib import Path
from sentiment.terminal.errors import run_main
from tests.sentiment.training.test_fine_tuning import settings, train
run_main(lambda: train(settings(Path(sys.argv[1]), epochs=1), Path(sys.argv[2])))
"""


def test_a_limit_on_file_sizes_is_one_line(encoder: Path, tmp_path: Path) -> None:  # noqa: F811
    done = subprocess.run([sys.executable, "-c", LIMITED, encoder, tmp_path / "training"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "no room to write to" in done.stderr and "ulimit -f" in done.stderr and "Traceback" not in done.stderr
