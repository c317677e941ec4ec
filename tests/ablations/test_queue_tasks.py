"""Tasks that a queue worker took up and never began: told from those that one is setting up."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ablations import queue_tasks

REVISION = "a1" * 20
FOLDER = Path(".dvc/tmp/exps")
SLEEPS = "import time; time.sleep(120)"
STARTS_AN_EXPERIMENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {SLEEPS!r}, 'exec-run']); time.sleep(120)"


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders of DVC's queue, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for folder in ("celery/broker/in", "celery/broker/processed", "celery/result", "run"):
        (FOLDER / folder).mkdir(parents=True)
    return FOLDER / "celery/broker"


def take_up(queue: Path, name: str = "bs32", task: str = "dvc.repo.experiments.queue.tasks.run_exp") -> Path:
    """Write a message as kombu does, and move it as a worker does."""
    body = [[{"stash_rev": REVISION, "name": name}], {"copy_paths": []}, {"chain": None}]
    content = {"headers": {"task": task, "id": f"id-{name}"}, "body": base64.b64encode(json.dumps(body).encode()).decode()}
    message = queue / "in" / f"1_{name}.celery.msg"
    message.write_text(json.dumps(content))
    return message.rename(queue / "processed" / message.name)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start what looks like a queue worker, in a process group of its own."""
    started = []

    def begin(code: str = SLEEPS, cwd: Path = tmp_path) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", code, "queue-worker"], cwd=cwd, start_new_session=True))
        time.sleep(0.3)
        return started[-1]

    yield begin
    for process in started:
        os.killpg(process.pid, 9)
        process.wait()


def test_a_task_that_nobody_can_be_at_is_lost_and_put_back(queue: Path) -> None:
    message = take_up(queue)
    (task,) = queue_tasks.not_begun()
    assert (task.name, task.revision, task.message) == ("bs32", REVISION, message)
    assert queue_tasks.workers_at(task) == []
    content = message.read_bytes()
    queue_tasks.put_back(task)
    queue_tasks.put_back(task)  # as a second process does, which saw it as well
    assert queue_tasks.not_begun() == []
    assert (queue / "in" / message.name).read_bytes() == content


def test_tasks_that_have_begun_or_ended_and_other_messages_are_no_lost_ones(queue: Path) -> None:
    take_up(queue, "ping", task="dvc_task.other")
    (queue / "processed" / "2_empty.celery.msg").touch()
    take_up(queue, "ended")
    (FOLDER / "celery/result/celery-task-meta-id-ended").touch()
    assert queue_tasks.not_begun() == []
    take_up(queue)
    assert [task.name for task in queue_tasks.not_begun()] == ["bs32"]
    (FOLDER / "run" / REVISION).mkdir()
    (FOLDER / "run" / REVISION / f"{REVISION}.run").write_text("{}")  # the workspace is not ready yet
    assert [task.name for task in queue_tasks.not_begun()] == ["bs32"]
    (FOLDER / "run" / REVISION / f"{REVISION}.json").touch()
    assert queue_tasks.not_begun() == []


def test_a_worker_that_was_there_may_be_setting_it_up(
    queue: Path, start: Callable[..., subprocess.Popen[bytes]], wait_for: Callable[..., None]
) -> None:
    worker = start()
    take_up(queue)
    (task,) = queue_tasks.not_begun()
    assert queue_tasks.workers_at(task) == [worker.pid]
    os.killpg(worker.pid, 9)
    wait_for(lambda: psutil.Process(worker.pid).status() == psutil.STATUS_ZOMBIE, 30, "the end of the worker, which is not reaped yet")
    assert queue_tasks.workers_at(task) == []


def test_later_busy_and_other_workers_cannot_be_at_it(
    queue: Path, start: Callable[..., subprocess.Popen[bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    start(STARTS_AN_EXPERIMENT)
    start(cwd=tmp_path_factory.mktemp("another repository"))
    take_up(queue)
    time.sleep(1 + queue_tasks._CLOCK_SECONDS + 0.2)  # the kernel gives the time of its start in whole seconds
    start()
    (task,) = queue_tasks.not_begun()
    assert queue_tasks.workers_at(task) == []


def test_only_an_experiments_own_workspace_is_removed(queue: Path, tmp_path: Path) -> None:
    take_up(queue)
    (task,) = queue_tasks.not_begun()
    queue_tasks.remove_workspace(task)  # there is no record at all
    record = FOLDER / "run" / REVISION / f"{REVISION}.run"
    record.parent.mkdir()
    (FOLDER / "tmpabc/.git").mkdir(parents=True)
    for root, left in ((tmp_path, True), (FOLDER / "celery", True), (FOLDER / "tmpabc", False)):
        record.write_text(json.dumps({"root_dir": str(root.resolve())}))
        queue_tasks.remove_workspace(task)
        assert root.exists() is left
