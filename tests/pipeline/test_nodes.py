"""A training that two machines share (here two ports of one): the same steps, a machine that dies, and the way on."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.pipeline.conftest import Project
from tests.pipeline.test_processes import curves, without_dropout
from tests.pipeline.test_training import digests, edit


class Machines:
    """Two trainings in sessions of their own, as two machines with one checkout on shared storage."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *, second: dict[str, str] | None = None, **environment: str) -> tuple[subprocess.Popen[str], subprocess.Popen[str]]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        one, two = (
            subprocess.Popen(
                [sys.executable, "-m", "stages.train"],
                cwd=self._project.root,
                env={**self._project.environment, "PYTHONUNBUFFERED": "1", "SENTIMENT_NODE": f"{number}/2@{address}", **environment, **more},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            for number, more in ((0, {}), (1, second or {}))
        )
        self._started += [one, two]
        return one, two

    def train(self) -> tuple[str, str]:
        """Train to the end, and return what both printed."""
        both = self.start()
        printed = [process.communicate(timeout=240) for process in both]
        assert [process.returncode for process in both] == [0, 0], printed
        return printed[0][0], printed[1][0]

    def end(self) -> None:
        for process in self._started:
            send(process, signal.SIGKILL)


def send(process: subprocess.Popen[str], number: int) -> None:
    """Send a signal to all processes of a machine."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    os.killpg(process.pid, number)
    for child in family:
        if child.is_running():
            child.send_signal(number)


@pytest.fixture
def machines(project: Project) -> Iterator[Machines]:
    made = Machines(project)
    yield made
    made.end()


def test_two_machines_take_the_steps_of_one(project: Project, machines: Machines) -> None:
    without_dropout(project)
    project.run("python", "-m", "stages.train")
    alone = curves(project)
    first, second = machines.train()
    assert "machine 0 of 2" in first and "2 processes, 1 thread each" in first
    assert first.count("epoch 1: validation loss") == 1 and "epoch" not in second
    for one, two in zip(alone, curves(project), strict=True):
        for name in one:
            assert two[name] == pytest.approx(one[name], rel=2e-3, abs=2e-4), name


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "silent"])
def test_a_machine_that_is_lost_ends_the_other_and_the_same_commands_resume(
    project: Project, machines: Machines, number: int, wait_for: Callable[..., None]
) -> None:
    project.run("python", "-c", edit("train", "epochs", 12))
    machines.train()
    whole = digests(project)
    project.forget_training()

    one, two = machines.start()
    wait_for(lambda: any((project.root / ".checkpoints").glob("*/checkpoint-*/manifest.json")), 120, "a checkpoint")
    send(two, number)
    lost = time.monotonic()
    _, errors = one.communicate(timeout=90)
    assert time.monotonic() - lost < 60
    assert one.returncode == 1
    assert re.fullmatch(r"error: (another process|machine 1) .*it resumes from its checkpoint\n", errors), errors
    assert digests(project) == whole, "the earlier outputs are left alone"
    send(two, signal.SIGKILL)

    first, _ = machines.train()
    assert "goes on from step" in first
    assert digests(project) == whole


def test_the_first_machine_may_be_the_one_that_is_lost(project: Project, machines: Machines, wait_for: Callable[..., None]) -> None:
    project.run("python", "-c", edit("train", "epochs", 40))
    one, two = machines.start()
    wait_for(lambda: any((project.root / ".checkpoints").glob("*/checkpoint-*/manifest.json")), 120, "a checkpoint")
    send(one, signal.SIGKILL)
    _, errors = two.communicate(timeout=60)
    assert two.returncode == 1
    assert re.fullmatch(r"error: (another process|machine 0) .*it resumes from its checkpoint\n", errors), errors


def test_machines_that_differ_are_refused(machines: Machines) -> None:
    for process in machines.start(second={"OMP_NUM_THREADS": "2"}):
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 1
        assert re.fullmatch(r"error: the machines do not train the same thing: .*\n", errors), errors


@pytest.mark.parametrize("value", ["1", "2/2@host:1", "0/2@host"])
def test_a_place_that_cannot_be_is_one_line(project: Project, value: str) -> None:
    done = project.run("python", "-m", "stages.train", check=False, SENTIMENT_NODE=value)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: SENTIMENT_NODE={value}: it must be NUMBER/COUNT@HOST:PORT") and done.stderr.count("\n") == 1
