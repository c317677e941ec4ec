"""What a long job shows of its progress."""

import io
import os
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from rich.console import Console
from rich.progress import Progress

from sentiment.terminal.progress import ProgressBar
from tests.imports import ROOT


def test_the_time_left_counts_from_the_start_of_the_work(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    bar = ProgressBar("train", 100, None)
    clock = 600.0  # a tracker takes its time to start
    bar.start_from(20)
    clock = 620.0
    bar.update(40)
    assert capsys.readouterr().out == "train: 40/100  about 60 s left\n"


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals, which Windows lacks")
@pytest.mark.parametrize("total", [100, 0])
def test_a_bar_is_drawn_on_a_real_terminal(total: int) -> None:
    program = f"""
from sentiment.terminal.progress import progress_bar
with progress_bar("train", {total}) as bar:
    bar.start_from(20)
    for done in range(20, 61):
        bar.update(done, "epoch 1")
    bar.complete()
"""
    ours, theirs = os.openpty()
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, check=False)
    os.close(theirs)
    drawn = b""
    with suppress(OSError):  # Linux ends so
        while piece := os.read(ours, 65536):
            drawn += piece
    os.close(ours)
    assert done.returncode == 0 and b"Traceback" not in drawn, drawn.decode()
    assert b"60/60" in drawn and b"epoch 1" not in drawn.rpartition(b"60/60")[2]


def test_the_bar_on_a_terminal_does_so_too() -> None:
    clock = 0.0
    progress = Progress(console=Console(file=io.StringIO()), get_time=lambda: clock)
    bar = ProgressBar("train", 100, progress)
    clock = 600.0
    bar.start_from(20)
    (task,) = progress.tasks
    clock = 620.0
    assert (task.completed, task.elapsed) == (20, 20.0)
