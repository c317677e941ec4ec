"""Work in several processes: results and errors as in one, and no process left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial

import psutil
import pytest

from sentiment.data.process_pool import ProcessPool
from sentiment.terminal.errors import UserError
from tests.imports import ROOT


def numbers(upto: int, fail: bool = False) -> Iterator[int]:
    yield from range(upto)
    if fail:
        raise UserError("the source broke off")


@pytest.mark.parametrize("processes", [1, 3])
def test_results_come_in_the_order_of_the_items(processes: int) -> None:
    with ProcessPool(processes) as workers:
        assert list(workers.map(str, numbers(40))) == [str(number) for number in range(40)]
        assert list(workers.map(abs, [])) == []


@pytest.mark.parametrize("processes", [1, 3])
def test_the_first_error_counts_however_far_the_source_was_read(processes: int) -> None:
    items = ["1", "2", "3", "no number", "5"]

    def broken() -> Iterator[str]:
        yield from items
        raise UserError("the source broke off")

    with ProcessPool(processes) as workers, pytest.raises(ValueError, match="no number"):
        list(workers.map(int, broken()))
    with ProcessPool(processes) as workers:
        results = workers.map(abs, numbers(6, fail=True))
        assert [next(results) for _ in range(6)] == list(range(6))
        with pytest.raises(UserError, match="the source broke off"):
            next(results)


def test_a_worker_that_is_killed_is_said() -> None:
    with ProcessPool(2) as workers, pytest.raises(UserError, match="a worker process was killed.*SENTIMENT_WORKERS=1"):
        list(workers.map(_kill_unless_first, range(6)))


def _kill_unless_first(number: int) -> int:
    if number >= 2:  # the first two are done in this very process
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("value", ["0", "two", "-1", "", "9" * 5000])
def test_a_number_of_processes_that_is_none_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_WORKERS", value)
    with pytest.raises(UserError, match="SENTIMENT_WORKERS"):
        ProcessPool()


def test_workers_end_when_the_process_that_started_them_is_killed() -> None:
    program = (
        "import time\n"
        "from sentiment.data.process_pool import ProcessPool\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPool(2) as workers:\n"
        "        for _ in workers.map(time.sleep, [0.0] * 4 + [60.0] * 4):\n"
        "            print('.', flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(4):
        process.stdout.readline()
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_ctrl_c_while_workers_start_is_one_line() -> None:
    program = (
        "import time\n"
        "from sentiment.data.process_pool import ProcessPool\n"
        "from sentiment.terminal.errors import run_main\n"
        "def main():\n"
        "    with ProcessPool(2) as workers:\n"
        "        print(list(workers.map(time.sleep, [0.0] * 2 + [0.2] * 40)))\n"
        "if __name__ == '__main__':\n"
        "    run_main(main)\n"
    )
    # A shell has its background jobs ignore Ctrl-C, and they would pass that on.
    usual = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-c", program],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=usual,  # noqa: PLW1509
    )
    assert process.stderr is not None
    imports = (line.split("|")[-1].strip() for line in process.stderr)
    for _ in range(2):  # once in the process itself, and then in a worker
        assert any(name == "sentiment.terminal.signals" for name in imports)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    lines = [line for line in told.splitlines() if not line.startswith("import time:")]
    assert (process.returncode, lines) == (130, ["stopped before the end: run the same command again"])
