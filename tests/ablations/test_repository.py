"""DVC asked through its command line: answers that come late, not at all, or broken."""

import sys
import time
from pathlib import Path

import pytest

from ablations import queue_tasks, repository
from ablations.queue_tasks import TakenUp
from sentiment.terminal.errors import UserError

ROW = {"rev": "b" * 40, "name": "waiting", "executor": {"state": "queued", "local": None}, "revs": [{"rev": "b" * 40}]}


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program in the place of `python -m dvc`; it runs the lines of the returned file, with the number of its call in `call`."""
    lines = tmp_path / "lines.py"
    program = tmp_path / "python"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib, time\n"
        f"counter = pathlib.Path({str(tmp_path / 'calls')!r})\n"
        "counter.write_text(counter.read_text() + '.' if counter.exists() else '.')\n"
        "call = len(counter.read_text())\n"
        f"exec(pathlib.Path({str(lines)!r}).read_text())\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(repository, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(repository, "_STATE_WITHIN_SECONDS", 2.0)
    return lines


def test_a_dvc_that_hangs_is_ended_and_asked_again(stand_in: Path) -> None:
    stand_in.write_text(f"if call == 1: time.sleep(300)\nprint(json.dumps([{{'experiments': [{ROW!r}]}}]))\n")
    start = time.monotonic()
    (row,) = repository.unfinished("a" * 40)
    assert time.monotonic() - start < 60
    assert (row.name, row.state) == ("waiting", "queued")
    assert (stand_in.parent / "calls").read_text() == ".."


def test_broken_answers_are_asked_for_again(stand_in: Path) -> None:
    stand_in.write_text("if call == 1: raise SystemExit('ERROR: unexpected error')\nprint('[' if call == 2 else '[]')\n")
    assert repository.unfinished("a" * 40) == []
    assert (stand_in.parent / "calls").read_text() == "..."


def test_a_dvc_that_never_answers_is_named(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "_TRIES", 2)
    monkeypatch.setattr(repository, "_STATE_WITHIN_SECONDS", 1.0)
    stand_in.write_text("time.sleep(300)\n")
    with pytest.raises(UserError, match=r"DVC does not tell .*: `dvc exp show --json …` did not answer within 1 s"):
        repository.unfinished("a" * 40)


def test_a_task_that_is_being_set_up_is_waited_for_and_then_named(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "_TRIES", 2)
    monkeypatch.setattr(queue_tasks, "not_begun", lambda: [TakenUp("bs32", "b" * 40, stand_in, 0.0)])
    monkeypatch.setattr(queue_tasks, "workers_at", lambda task: [4711])
    stand_in.write_text("if call < 5: raise SystemExit('ERROR: unexpected error - [Errno 2]')\nprint('[]')\n")
    assert repository.unfinished("a" * 40) == []
    monkeypatch.setattr(repository, "_SET_UP_WITHIN_SECONDS", 0.0)
    stand_in.write_text("raise SystemExit('ERROR: unexpected error - [Errno 2]')\n")
    with pytest.raises(
        UserError, match=r"\[Errno 2\]; bs32 was taken up by the queue worker with process id 4711 .* end that process, and run this again"
    ):
        repository.unfinished("a" * 40)
