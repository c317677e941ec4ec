"""Studies over Ray: what the queue makes, bit by bit, whatever is killed in the middle (`make test-ray`)."""

import importlib.util
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.ablations.test_runner import NAMES, Toy
from tests.ablations.test_runner_faults import refused

HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: make test-ray")
pytestmark = [pytest.mark.timeout(1200), pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core")]


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    root = tmp_path / "toy"
    root.mkdir()
    made = Toy(root)
    yield made
    made.end()


def processes_in(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def running(toy: Toy, words: str) -> psutil.Process:
    """Return the process of the study whose command line has some words, as soon as there is one."""
    found: list[psutil.Process] = []

    def look() -> bool:
        found[:] = [
            process for process in processes_in(toy.root) if words in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE
        ]
        return bool(found)

    toy.wait(look)
    return found[0]


def begun(toy: Toy, name: str) -> list[int]:
    """Return from which tenth each training of an experiment began."""
    lines = (toy.root / ".checkpoints/begun.txt").read_text().split("\n")
    return [int(line.split()[1]) for line in lines if line.startswith(f"{name} ")]


def nothing_is_left(toy: Toy) -> None:
    toy.wait(lambda: not processes_in(toy.root), 90)
    assert not list((toy.root / ".dvc/tmp/ablations/ray").glob("clones/*"))
    assert toy.run("git", "fsck").stderr.count("error") == 0
    assert toy.run("git", "status", "--short").stdout == ""


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_without_ray_one_line_says_what_to_install(toy: Toy) -> None:
    refused(toy.ablations("run", "--on", "ray", check=False), "python -m pip install -r requirements-ray.txt -c constraints.txt")
    assert toy.trainings() == []


@needs_ray
def test_two_workers_make_what_the_queue_makes_bit_by_bit(toy: Toy, tmp_path: Path) -> None:
    other = tmp_path / "queue"
    shutil.copytree(toy.root, other, symlinks=True)
    shutil.rmtree(toy.root / ".dvc/cache")  # as in a clone in which nothing was run
    toy.ablations("run", "--on", "ray", "--jobs", "2")
    toy.ablations("report")
    assert toy.finished() == NAMES and sorted(toy.trainings()) == NAMES
    assert "all 2 experiments are there: nothing to run" in toy.ablations("run").stdout  # the queue counts what Ray made

    queue = Toy.__new__(Toy)
    queue.root, queue.environment = other, toy.environment
    try:
        queue.ablations("run")
        queue.ablations("report")
        for name in NAMES:
            for file in ("dvc.lock", "params.yaml", "reports/train.json", "reports/eval.json"):
                assert (
                    toy.run("git", "show", f"{revision(toy, name)}:{file}").stdout
                    == queue.run("git", "show", f"{revision(queue, name)}:{file}").stdout
                )
        for file in ("report.json", "report.md", "report.html"):
            assert (toy.root / "reports/ablations" / file).read_bytes() == (other / "reports/ablations" / file).read_bytes(), file
    finally:
        queue.end()
    shutil.rmtree(toy.root / "reports/ablations")
    nothing_is_left(toy)


def revision(toy: Toy, name: str) -> str:
    (line,) = [
        line
        for line in toy.run("git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").stdout.splitlines()
        if line.endswith(f"/{name}")
    ]
    return line.split()[0]


@needs_ray
def test_a_worker_the_node_and_the_driver_are_killed(toy: Toy) -> None:
    run = toy.start("--on", "ray", "--jobs", "2", TOY_SECONDS="30")
    try:
        toy.wait(lambda: len(list((toy.root / ".checkpoints").glob("*/checkpoint-1/tenths.txt"))) == 2, 300)  # a first step is saved
        experiment = running(toy, '"name": "baseline"')
        assert experiment.parent().name().startswith("ray::")
        experiment.parent().kill()
        toy.wait(lambda: len(begun(toy, "baseline")) == 2, 300)
        running(toy, "raylet/raylet").kill()
        toy.wait(lambda: len(begun(toy, "baseline")) == 3, 300)
        running(toy, "ray_driver").kill()
        told, _ = run.communicate(timeout=500)
    finally:
        run.kill()
    assert run.returncode == 0, told
    assert "baseline: its Ray worker is gone (WorkerCrashedError); it is ended and queued again" in told
    assert "Ray's node process is gone; it is ended and queued again" in told
    assert "the Ray driver is gone; it is ended and queued again" in told
    assert "Traceback" not in told
    assert toy.finished() == NAMES
    for name in NAMES:
        steps = begun(toy, name)
        assert steps.count(0) == 1 and steps == sorted(steps), steps  # never from the start again
    nothing_is_left(toy)


@needs_ray
def test_ctrl_c_ends_the_watching_stop_ends_the_study_and_failures_are_named(toy: Toy) -> None:
    (toy.root / "toy-fails").write_text("32 99")
    (toy.root / ".git/info/exclude").open("a").write("toy-fails\n")
    run = toy.start("--on", "ray", "--jobs", "1", TOY_SECONDS="60")
    toy.wait(lambda: bool(list((toy.root / ".checkpoints").glob("*/checkpoint-1/tenths.txt"))), 300)
    os.kill(run.pid, signal.SIGINT)
    told, _ = run.communicate(timeout=30)
    assert run.returncode == 130 and "Traceback" not in told, told
    assert "`python -m ablations run --on ray --jobs 1` shows its progress and completes it" in told
    assert running(toy, "stages.train")
    refused(toy.ablations("run", check=False), "these experiments run on ray already")
    assert "stopped 1 running experiments" in toy.ablations("stop").stdout
    nothing_is_left(toy)

    done = toy.ablations("run", "--on", "ray", check=False)
    assert done.returncode == 1
    assert toy.finished() == ["baseline"]
    assert begun(toy, "baseline")[-1] > 0
    assert "baseline_bs32 failed (try 3 of 3): on " in done.stdout and ": error: baseline_bs32: told to fail: " in done.stdout
    log = Path(done.stdout.split("missing: baseline_bs32 (log: ")[1].split(")")[0])
    assert "told to fail" in (toy.root / log).read_text()
    assert toy.trainings().count("baseline_bs32") == 3
    nothing_is_left(toy)


@pytest.fixture
def machine() -> Iterator[Path]:
    """A folder in place of another machine's own disk; its path is short, as Ray's sockets are in it."""
    folder = Path(tempfile.mkdtemp(prefix="m", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@needs_ray
def test_machines_that_share_no_folder_work_through_git_and_the_storage(toy: Toy, tmp_path: Path, machine: Path) -> None:
    through = ("--on", "ray", "--jobs", "2", "--through", "origin")
    refused(toy.ablations("run", *through, check=False), "git has no remote origin")
    toy.run("git", "clone", "-q", "--bare", str(toy.root), str(tmp_path / "origin.git"))
    toy.run("git", "remote", "add", "origin", str(tmp_path / "origin.git"))
    refused(toy.ablations("run", *through, check=False), "no storage is configured")
    toy.run("dvc", "remote", "add", "-d", "storage", "../storage")
    toy.run("git", "commit", "-qam", "storage")
    refused(toy.ablations("run", *through, check=False), "--through origin: it lacks this commit", "`git push origin HEAD`")
    toy.run("git", "push", "-q", "origin", "HEAD")

    run = toy.start(*through, TOY_SECONDS="20", TMPDIR=str(machine))
    try:
        toy.wait(lambda: len(list(machine.glob("ablations-*/*/shared/.checkpoints/*/checkpoint-1/tenths.txt"))) == 2, 300)
        orders = [one for one in processes_in(machine) if "ablations.run.on_ray.clone_experiment" in one.cmdline()]
        (experiment,) = [one for one in orders if '"name": "baseline"' in one.cmdline()[-1]]
        experiment.parent().kill()
        said, _ = run.communicate(timeout=500)
    finally:
        run.kill()
    assert run.returncode == 0, said
    assert "baseline: its Ray worker is gone (WorkerCrashedError); it is ended and queued again" in said and "Traceback" not in said
    assert toy.finished() == NAMES
    (shared,) = machine.glob("ablations-*/*/shared")
    begins = [line.split() for line in (shared / ".checkpoints/begun.txt").read_text().splitlines()]
    assert [name for name, tenth in begins if tenth == "0"].count("baseline") == 1 and len(begins) == 3
    assert not (toy.root / ".checkpoints/begun.txt").exists() and not list(shared.parent.glob("work/*"))
    assert "baseline is sent" in (toy.root / ".dvc/tmp/ablations/ray/logs/baseline.log").read_text()
    toy.ablations("report")
    for name in NAMES:
        assert toy.run("git", "-C", str(tmp_path / "origin.git"), "rev-parse", revision(toy, name)).returncode == 0

    # Another machine of the team that knows nothing of the study: everything is fetched, nothing is trained.
    for name in NAMES:
        toy.run("dvc", "exp", "remove", name)
    shutil.rmtree(toy.root / ".dvc/cache")
    toy.ablations("run", *through, TMPDIR=str(machine))
    assert toy.finished() == NAMES
    assert len((shared / ".checkpoints/begun.txt").read_text().splitlines()) == 3
    shutil.rmtree(toy.root / "reports/ablations")
    nothing_is_left(toy)


@needs_ray
def test_what_cannot_begin_is_refused_in_one_line(toy: Toy) -> None:
    refused(toy.ablations("run", "--on", "ray", check=False, RAY_ADDRESS="127.0.0.1:1"), "Ray does not start: ", "RAY_ADDRESS is 127.0.0.1:1")
    refused(toy.ablations("run", "--gpus", "0.5", check=False), "--gpus belongs to --on ray")
    refused(toy.ablations("run", "--through", "origin", check=False), "--through belongs to --on ray")
    (toy.root / "stages/eval.py").open("a").write("# edited\n")
    refused(toy.ablations("run", "--on", "ray", check=False), "stages/eval.py is edited: commit it")
    nothing = toy.root / ".checkpoints/started.txt"
    assert not nothing.exists()
