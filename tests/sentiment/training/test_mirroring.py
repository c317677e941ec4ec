"""A mirror of checkpoints: what arrives, what counts, what a store that fails costs."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from transformers import TrainerCallback

from sentiment.cli.disk import clean_checkpoints, disk_usage
from sentiment.core.checkpoint_mirror import check_mirror
from sentiment.core.checkpoint_store import checkpoints_root, remove_checkpoint
from sentiment.terminal.errors import Interrupted, UserError
from sentiment.training.checkpoints import Reached, checkpoint_folder, last_checkpoint, prune_checkpoints, seal
from tests.imports import ROOT
from tests.sentiment.training.test_fine_tuning import encoder, settings, train  # noqa: F401  (a fixture)
from tests.sentiment.training.test_interruptions import Asking, flip, same

NAME = "training"


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the training's folder in the mirror; the machine's own checkpoints are in another one."""
    monkeypatch.setenv("SENTIMENT_MAIN_ROOT", str(tmp_path / "machine"))
    monkeypatch.setenv("SENTIMENT_CHECKPOINTS", (tmp_path / "store").as_uri())
    return tmp_path / "store" / NAME


def save(folder: Path, step: int, content: str = "") -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir()
    (checkpoint / "weights").write_text(content or f"weights of {step}")
    seal(checkpoint, Reached(step, 100, 1.0, False))
    return checkpoint


def whole_in(mirror: Path) -> list[int]:
    return sorted(int(path.parent.name.split("-")[1]) for path in mirror.glob("checkpoint-*/manifest.json"))


def new_machine() -> None:
    shutil.rmtree(checkpoints_root())


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_the_newest_two_are_mirrored_and_another_machine_fetches_them(mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with checkpoint_folder(NAME) as folder:
        for step in (10, 20, 30):
            save(folder, step)
            prune_checkpoints(folder, 2, None)
            wait_until(lambda step=step: step in whole_in(mirror))
        wait_until(lambda: whole_in(mirror) == [20, 30])
    wait_until(lambda: sorted(path.name for path in mirror.iterdir()) == ["checkpoint-20", "checkpoint-30"])

    new_machine()
    with checkpoint_folder(NAME) as folder:
        assert last_checkpoint(folder) == folder / "checkpoint-30"
        assert (folder / "checkpoint-20/weights").read_text() == "weights of 20"
    assert "fetching the checkpoint of step 30" in capsys.readouterr().out
    with checkpoint_folder(NAME) as folder:  # what is here is not fetched again
        assert last_checkpoint(folder) == folder / "checkpoint-30"
    assert capsys.readouterr().out == ""

    assert remove_checkpoint(NAME)
    assert not mirror.exists()


def test_half_of_a_checkpoint_does_not_count_and_a_damaged_one_is_passed_over(mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with checkpoint_folder(NAME) as folder:
        save(folder, 10)
        save(folder, 20)
        wait_until(lambda: whole_in(mirror) == [10, 20])
    half = mirror / "checkpoint-30"
    shutil.copytree(mirror / "checkpoint-20", half)
    (half / "manifest.json").unlink()
    flip(mirror / "checkpoint-20/weights")
    new_machine()
    with checkpoint_folder(NAME) as folder:
        assert not (folder / "checkpoint-30").exists()
        assert last_checkpoint(folder) == folder / "checkpoint-10"
        assert "the checkpoint of step 20 is passed over: weights is damaged" in capsys.readouterr().out
        shutil.rmtree(folder / "checkpoint-20")
        save(folder, 20)  # trained again
        save(folder, 40)
        wait_until(lambda: whole_in(mirror) == [10, 20, 40])
    wait_until(lambda: not half.exists())
    assert (mirror / "checkpoint-20/weights").read_text() == "weights of 20"

    (mirror / "checkpoint-40/weights").unlink()
    new_machine()
    with checkpoint_folder(NAME) as folder:
        assert "it is passed over: " in capsys.readouterr().out
        assert last_checkpoint(folder) == folder / "checkpoint-20"


def test_an_address_that_cannot_be_used_costs_one_line(
    encoder: Path,  # noqa: F811
    mirror: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chosen = settings(encoder, epochs=3, batch_size=16)
    expected = train(chosen, tmp_path / "plain")
    for address in ("file:///proc/none/checkpoints", "nonsense://bucket", "s3://bucket" if "s3fs" not in sys.modules else "other://bucket"):
        monkeypatch.setenv("SENTIMENT_CHECKPOINTS", address)
        with checkpoint_folder(NAME) as folder:
            assert same(train(chosen, folder), expected)
            save(folder, 1000)
            time.sleep(1.2)
            save(folder, 1001)
            time.sleep(1.2)
        assert capsys.readouterr().out.count(f"train: the mirror {address} fails: ") == 1
        assert remove_checkpoint(NAME)  # what eval calls: one line as well
        printed = capsys.readouterr().out
        assert printed.count("\n") <= 1 and "Traceback" not in printed
        if not address.startswith("file"):
            with pytest.raises(UserError, match=f"SENTIMENT_CHECKPOINTS={address}: "):
                check_mirror()


def test_a_slow_store_delays_no_step_and_gets_what_the_training_removed(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    send = LocalFileSystem.put_file

    def slowly(self: Any, *arguments: Any, **options: Any) -> None:
        assert go_on.wait(20)
        send(self, *arguments, **options)

    monkeypatch.setattr(LocalFileSystem, "put_file", slowly)
    with checkpoint_folder(NAME) as folder:
        save(folder, 10)
        wait_until(lambda: any(folder.glob(".removed-mirror-*/manifest.json")))
        for step in (20, 30, 40):
            save(folder, step)
            prune_checkpoints(folder, 2, None)
        assert not mirror.exists()
        go_on.set()
        wait_until(lambda: whole_in(mirror) == [30, 40])
    wait_until(lambda: not list(folder.glob(".removed-mirror-*")))


def test_a_training_that_is_asked_to_end_sends_its_last_checkpoint_first(encoder: Path, mirror: Path) -> None:  # noqa: F811
    with pytest.raises(Interrupted), checkpoint_folder(NAME) as folder:
        train(settings(encoder, epochs=2, batch_size=16), folder, callbacks=[Asking(step=6)])
    assert whole_in(mirror)[-1] == 6


def test_the_best_checkpoint_is_mirrored_while_it_is_needed(encoder: Path, mirror: Path, tmp_path: Path) -> None:  # noqa: F811
    chosen = settings(encoder, epochs=3, keep="best")
    best = train(chosen, tmp_path / "whole", flip=True)
    with pytest.raises(Interrupted), checkpoint_folder(NAME) as folder:
        train(chosen, folder, flip=True, callbacks=[Asking(step=20)])
    assert whole_in(mirror) == [8, 20]
    new_machine()

    class Counting(TrainerCallback):
        steps = 0

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            Counting.steps += 1

    with checkpoint_folder(NAME) as folder:
        assert same(train(chosen, folder, flip=True, callbacks=[Counting()]), best)
    assert Counting.steps == 4


def test_checkpoints_that_a_training_throws_away_leave_the_mirror_too(mirror: Path) -> None:
    with checkpoint_folder(NAME) as folder:
        save(folder, 10)
        wait_until(lambda: whole_in(mirror) == [10])
        prune_checkpoints(folder, 0, None)  # as where it diverged
    assert not mirror.exists()

    with pytest.raises(RuntimeError), checkpoint_folder(NAME):
        raise RuntimeError("before its first checkpoint")
    assert not mirror.exists()


def test_one_that_fails_before_its_first_checkpoint_leaves_the_mirror_alone(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with checkpoint_folder(NAME) as folder:
        save(folder, 10)
        wait_until(lambda: whole_in(mirror) == [10])
    new_machine()
    with monkeypatch.context() as patched:
        patched.setattr(LocalFileSystem, "cat_file", lambda *_, **__: (_ for _ in ()).throw(OSError("no answer")))
        with pytest.raises(RuntimeError), checkpoint_folder(NAME):
            raise RuntimeError("before its first checkpoint")
    assert whole_in(mirror) == [10]


def test_the_disk_commands_know_the_mirror(mirror: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with checkpoint_folder(NAME) as folder:
        save(folder, 10)
        wait_until(lambda: whole_in(mirror) == [10])
    new_machine()
    assert f"python -m sentiment clean {NAME}" in disk_usage() and f"mirror {NAME}" in disk_usage()
    clean_checkpoints([], unfinished=True)  # another machine may be at it
    assert whole_in(mirror) == [10]
    clean_checkpoints([NAME], unfinished=False)
    assert f"removed: {NAME} (" in capsys.readouterr().out
    assert not mirror.exists() and "mirror" not in disk_usage()
    with pytest.raises(UserError, match="there are no checkpoints of training"):
        clean_checkpoints([NAME], unfinished=False)


PROGRAM = """
import os, sys
from sentiment.training.checkpoints import checkpoint_folder
with checkpoint_folder("training") as folder:
    print(sorted(module for module in sys.modules if module.split(".")[0] == "fsspec"))
"""


def test_without_an_address_nothing_is_imported_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_MAIN_ROOT", str(tmp_path))
    for value in ("", str(tmp_path)):
        monkeypatch.setenv("SENTIMENT_CHECKPOINTS", value)
        done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"


KILLED_WHILE_SENDING = """
import os, signal, sys
from pathlib import Path
from fsspec.implementations.local import LocalFileSystem
from sentiment.training.checkpoints import checkpoint_folder
from tests.sentiment.training.test_mirroring import save, wait_until
send, last, count = LocalFileSystem.put_file, int(sys.argv[1]), 0
def put_file(self, *arguments, **options):
    global count
    count += 1
    if count == last:
        os.kill(os.getpid(), signal.SIGKILL)
    send(self, *arguments, **options)
LocalFileSystem.put_file = put_file
with checkpoint_folder("training") as folder:
    save(folder, 10)
    wait_until(lambda: count == 2)
    save(folder, 20)
    wait_until(lambda: False)
"""


@pytest.mark.parametrize(("number", "expected"), [(2, []), (4, [10])])
def test_killed_while_it_sends_the_one_before_counts(mirror: Path, number: int, expected: list[int]) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED_WHILE_SENDING, str(number)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert whole_in(mirror) == expected
    assert json.loads((checkpoints_root() / NAME / "checkpoint-10/manifest.json").read_text())["step"] == 10
    with checkpoint_folder(NAME) as folder:
        assert not list(folder.glob(".removed-*"))
        wait_until(lambda: bool(expected) <= (10 in whole_in(mirror)))
