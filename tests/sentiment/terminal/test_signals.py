"""Programs that are asked to end: one line, status 130, no partial files, whoever asks and when."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sentiment.terminal.signals import stop_signals
from tests.imports import ROOT
from tests.stages.workspace import Workspace

PROGRAM = """
import sys, time
from pathlib import Path
from sentiment.core.files import replacing
from sentiment.terminal.errors import run_main
from sentiment.terminal.signals import watch_parent
def main():
    watch_parent()
    with replacing(Path(sys.argv[1])) as partial:
        partial.mkdir()
        (partial / "half").touch()
        time.sleep(60)
run_main(main)
"""
PARENT = "import subprocess, sys; subprocess.run(sys.argv[1:])"
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def wait(condition: object, seconds: float = 60.0) -> None:
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def usual() -> None:
    for number in SIGNALS:  # a test in the background inherits SIGINT as ignored
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def prepare(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The stage prepare in the middle of its work: the challenge set comes through a pipe into which nobody writes."""
    workspace = Workspace(tmp_path)
    (tmp_path / "data/challenge.jsonl").unlink()
    os.mkfifo(tmp_path / "data/challenge.jsonl")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "stages.prepare"]
    process = subprocess.Popen(command, cwd=workspace.root, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=usual)  # noqa: PLW1509
    wait((tmp_path / "data/.prepared.partial/classes.json").exists)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_stage_that_is_asked_to_end_leaves_nothing_partial(prepare: subprocess.Popen[str], tmp_path: Path, number: int) -> None:
    time.sleep(0.3)  # until it waits for the pipe
    prepare.send_signal(number)
    _, told = prepare.communicate(timeout=30)
    assert (prepare.returncode, told) == (130, "stopped before the end: run the same command again\n")
    assert not list(tmp_path.rglob("*.partial*")) and not (tmp_path / "data/prepared").exists()


def test_ctrl_c_during_imports_is_no_traceback(tmp_path: Path) -> None:
    Workspace(tmp_path)
    command = [sys.executable, "-X", "importtime", "-m", "stages.train"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=usual)  # noqa: PLW1509
    assert process.stderr is not None
    for line in process.stderr:
        if line.split("|")[-1].strip() == "numpy":
            break
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert [line for line in told.splitlines() if not line.startswith("import time:")] == ["stopped before anything was done"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("shell", [False, True])
def test_under_dvc_a_stage_ends_when_its_parent_is_gone(tmp_path: Path, number: int, shell: bool) -> None:
    own = [sys.executable, "-c", PROGRAM, str(tmp_path / "out")]
    command = ["sh", "-c", '"$@"; true', "sh", *own] if shell else own
    environment = {**os.environ, "DVC_STAGE": "train", "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *command], env=environment, stderr=subprocess.PIPE, text=True)
    wait((tmp_path / ".out.partial/half").exists)
    (stage,) = [child for child in psutil.Process(parent.pid).children(recursive=True) if PROGRAM in child.cmdline() and child.name() != "sh"]
    parent.send_signal(number)
    wait(lambda: not stage.is_running() or stage.status() == psutil.STATUS_ZOMBIE)
    _, told = parent.communicate(timeout=30)
    assert "is gone: it stops as well" in told and "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def test_under_dvc_a_stage_whose_parent_was_gone_before_it_looked_ends_too(tmp_path: Path) -> None:
    # It stands in for the stage, whose ancestors here would be this test's: the one that is left is no DVC and no Python.
    program = PROGRAM.replace("run_main(main)", "import psutil; psutil.Process.parents = lambda self: [psutil.Process(1)]\nrun_main(main)")
    environment = {**os.environ, "DVC_STAGE": "train", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, str(tmp_path / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130 and "is gone: it stops as well" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_stage_whose_terminal_is_lost_ends_well(tmp_path: Path) -> None:
    process, terminal = pty.fork()
    if process == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests that were started by nohup would pass it on as ignored
        os.execve(sys.executable, [sys.executable, "-c", PROGRAM, str(tmp_path / "out")], {**os.environ, "PYTHONPATH": str(ROOT)})
    wait((tmp_path / ".out.partial/half").exists)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert list(tmp_path.iterdir()) == []


def test_what_was_inherited_as_ignored_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        usual()
        assert stop_signals() == SIGNALS
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        assert stop_signals() == [signal.SIGINT, signal.SIGTERM]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
