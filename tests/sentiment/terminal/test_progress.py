"""What a long job shows of its progress."""

import io
import time

import pytest
from rich.console import Console
from rich.progress import Progress

from sentiment.terminal.progress import ProgressBar


def test_the_time_left_counts_from_the_start_of_the_work(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    bar = ProgressBar("train", 100, None)
    clock = 600.0  # a tracker takes its time to start
    bar.start_from(20)
    clock = 620.0
    bar.update(40)
    assert capsys.readouterr().out == "train: 40/100  about 60 s left\n"


def test_the_bar_on_a_terminal_does_so_too() -> None:
    clock = 0.0
    progress = Progress(console=Console(file=io.StringIO()), get_time=lambda: clock)
    bar = ProgressBar("train", 100, progress)
    clock = 600.0
    bar.start_from(20)
    (task,) = progress.tasks
    clock = 620.0
    assert (task.completed, task.elapsed) == (20, 20.0)
