"""The runner over DVC's real queue, on a pipeline whose training takes a second: killed, interrupted, failing, called again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml

from ablations.run import runner
from ablations.run.cores import share_out
from sentiment.terminal.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(__file__).parent / "toy"
PLAN = {
    "seeds": [42],
    "margin": 0.01,
    "arms": {"baseline": {"set": {}}, "baseline_bs32": {"against": "baseline", "set": {"train.batch_size": 32}}},
}
NAMES = ["baseline", "baseline_bs32"]


class Toy:
    """A repository with the toy pipeline, and what is asked of it.

    `above` is the root of the git repository, where that is a folder further up.
    """

    def __init__(self, root: Path, above: Path | None = None) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_", "OMP_", "SENTIMENT_"))}
        self.environment = {**keep, "OMP_NUM_THREADS": "1", "TOY_SECONDS": "0.3", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{keep['PATH']}"}
        for folder in ("sentiment", "ablations"):
            shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
        for folder in ("stages", "data", "reports"):
            (root / folder).mkdir()
        for name in ("params.yaml", ".gitignore", ".dvcignore"):
            shutil.copy(ROOT / name, root / name)
        for name in ("prepare", "split"):
            shutil.copy(ROOT / "stages" / f"{name}.py", root / "stages")
        for name in ("reference", "train", "eval"):
            shutil.copy(TOY / f"{name}.py", root / "stages")
        (root / "stages" / "__init__.py").touch()
        shutil.copy(TOY / "dvc.yaml", root)
        lines = (ROOT / "data" / "reviews.jsonl").read_text().splitlines(keepends=True)[:300]
        (root / "data" / "reviews.jsonl").write_text("".join(lines))
        shutil.copy(ROOT / "data" / "challenge.jsonl", root / "data")
        (root / "data" / ".gitignore").write_text("/prepared\n/split\n")
        (root / "reports" / ".gitignore").write_text("/prepare\n/split\n/train\n/eval\n/reference\n")
        (root / "ablations.yaml").write_text(yaml.safe_dump(PLAN, sort_keys=False))
        for command in (
            f"git init -q -b main {above or root}",
            "git config user.name test",
            "git config user.email test@example.org",
            f"dvc init -q{' --subdir' if above else ''}",
            "dvc config core.analytics false",
            "dvc repro -q reference",
            "git add -A",
            "git commit -qm toy",
        ):
            self.run(*command.split())

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, cwd=self.root, env={**self.environment, **environment}, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def ablations(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "ablations", *arguments, check=check, **environment)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a run in a session of its own, as a terminal does."""
        command = [sys.executable, "-m", "ablations", "run", *arguments]
        return subprocess.Popen(
            command,
            cwd=self.root,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A shell has its background jobs ignore Ctrl-C, and they would pass that on. There are no threads here.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    def finished(self) -> list[str]:
        lines = self.run("git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout.splitlines()
        return sorted(line.split("/")[-1] for line in lines if len(line.split("/")[2]) == 2)

    def trainings(self) -> list[str]:
        started = self.root / ".checkpoints" / "started.txt"
        return [line.split()[0] for line in started.read_text().splitlines()] if started.exists() else []

    def worker(self) -> int:
        return int(json.loads((self.root / ".dvc/tmp/exps/celery/dvc-exp-worker-1.json").read_text())["pid"])

    def wait(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "waited in vain"
            time.sleep(0.1)

    def end(self) -> None:
        """End what still works in this repository."""
        for process in psutil.process_iter():
            try:
                if Path(process.cwd()).is_relative_to(self.root):
                    process.kill()
            except (psutil.Error, OSError):
                continue


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    root = tmp_path / "toy"
    root.mkdir()
    made = Toy(root)
    yield made
    made.end()


def test_run_report_and_run_again(toy: Toy) -> None:
    assert "2 of 2 experiments to run" in toy.ablations("run", "--dry-run").stdout
    assert toy.trainings() == []
    toy.ablations("run")
    assert toy.finished() == NAMES
    assert sorted(toy.trainings()) == NAMES

    again = toy.ablations("run")
    assert "nothing to run" in again.stdout
    assert sorted(toy.trainings()) == NAMES
    assert (toy.root / ".checkpoints/references.txt").read_text().splitlines() == ["ran"]  # once for all experiments of a split
    assert toy.run("git", "status", "--short").stdout == ""

    # By hand, and one that failed: the one is an arm of its own, the other left out.
    toy.run("dvc", "exp", "run", "--temp", "-n", "by-hand", "-S", "train.lr=5e-5")
    (toy.root / "toy-fails").write_text("16 1")
    toy.run("dvc", "exp", "run", "--queue", "-n", "failing", "-S", "train.batch_size=16")
    toy.run("dvc", "queue", "start")
    toy.wait(lambda: "Failed" in toy.run("dvc", "queue", "status").stdout)
    toy.wait(lambda: not psutil.pid_exists(toy.worker()))  # or it would take up the next one
    toy.run("dvc", "exp", "run", "--queue", "-n", "waiting", "-S", "train.batch_size=64")
    told = toy.ablations("report").stdout
    assert "baseline_bs32 against baseline" in told
    report = json.loads((toy.root / "reports/ablations/report.json").read_text())
    assert [(arm["name"], arm["against"]) for arm in report["arms"]] == [("baseline", None), ("baseline_bs32", "baseline"), ("by-hand", "baseline")]
    assert {one["name"]: one["reason"] for one in report["refused"]} == {"failing": "failed", "waiting": "is still waiting in the queue"}
    assert report["missing"] == []

    told = toy.ablations("run", "--dry-run").stdout
    assert "0 of 2 experiments to run" in told


def test_a_plan_on_other_data_is_a_study_of_its_own(toy: Toy) -> None:
    plan = {**PLAN, "base": {"prepare.source": "data/other.jsonl", "prepare.group_column": None, "split.max_train_examples": 100}}
    (toy.root / "other.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    refused = toy.ablations("run", "--plan", "other.yaml", check=False)
    assert refused.stderr.startswith("error: prepare.source = data/other.jsonl is not in git")

    shutil.copy(toy.root / "data/reviews.jsonl", toy.root / "data/other.jsonl")
    toy.run("git", "add", "data/other.jsonl")
    toy.ablations("run")
    toy.ablations("run", "--plan", "other.yaml")
    assert toy.finished() == sorted([*NAMES, *(f"other_{name}" for name in NAMES)])
    assert "all 2 experiments are there" in toy.ablations("run", "--plan", "other.yaml").stdout
    assert "all 2 experiments are there" in toy.ablations("run").stdout
    toy.ablations("report", "--plan", "other.yaml")
    report = json.loads((toy.root / "reports/other/report.json").read_text())
    assert not (toy.root / "reports/ablations").exists()
    assert "other_baseline" in json.dumps(report)

    with (toy.root / "data/other.jsonl").open("a") as file:
        file.write((toy.root / "data/reviews.jsonl").read_text().splitlines(keepends=True)[0])
    assert "2 of 2 experiments to run" in toy.ablations("run", "--plan", "other.yaml", "--dry-run").stdout


def test_results_of_other_threads_are_made_again_where_they_must_be(toy: Toy) -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core")

    def plan(**arms: dict[str, int]) -> None:
        made = {"baseline": {"set": {}}, **{name: {"against": "baseline", "set": change} for name, change in arms.items()}}
        (toy.root / "ablations.yaml").write_text(yaml.safe_dump({"seeds": [42], "margin": 0.01, "arms": made}, sort_keys=False))

    def started() -> list[str]:
        return (toy.root / ".checkpoints" / "started.txt").read_text().splitlines()

    plan()
    toy.ablations("run")
    plan(longer={"train.epochs": 4})
    del toy.environment["OMP_NUM_THREADS"]
    toy.ablations("run")  # goes on with the one thread of what is there
    assert started() == ["baseline 1", "baseline_epoch4 1"]

    plan(longer={"train.epochs": 4}, longest={"train.epochs": 5})
    told = toy.ablations("run", OMP_NUM_THREADS="2").stdout
    assert "run again, because this study uses 2 threads in bf16 and they used 1 thread in bf16: baseline, baseline_epoch4" in told
    assert sorted(started()[2:]) == ["baseline 2", "baseline_epoch4 2", "baseline_epoch5 2"]
    assert toy.finished() == ["baseline", "baseline-before1", "baseline_epoch4", "baseline_epoch4-before1", "baseline_epoch5"]
    toy.ablations("report")
    report = json.loads((toy.root / "reports/ablations/report.json").read_text())
    assert [one["name"] for one in report["refused"]] == ["baseline-before1", "baseline_epoch4-before1"]
    assert "another number of threads (1 instead of 2)" in report["refused"][0]["reason"]


def test_failures_are_tried_again_twice_and_then_named(toy: Toy) -> None:
    (toy.root / "toy-fails").write_text("32 1")
    toy.ablations("run")
    assert toy.finished() == NAMES
    assert len(toy.trainings()) == 3

    (toy.root / "stages" / "train.py").open("a").write("# edited\n")  # all of it is other code now
    (toy.root / "toy-fails").write_text("32 99")
    done = toy.ablations("run", check=False)
    assert done.returncode == 1
    missing = [line for line in done.stdout.splitlines() if line.startswith("missing: ")]
    assert [line.split()[1] for line in missing] == ["baseline_bs32"]
    log = Path(missing[0].split("log: ")[1].rstrip(")"))
    assert "told to fail" in (toy.root / log).read_text()
    assert "1 of 2 experiments are missing after 3 tries each" in done.stderr
    assert toy.trainings()[3:].count("baseline_bs32") == 3
    assert "baseline-before1" in toy.finished()

    (toy.root / "toy-fails").unlink()
    toy.ablations("run")
    assert set(NAMES) <= set(toy.finished())


def test_an_arm_that_diverges_is_tried_once_and_reported(toy: Toy) -> None:
    (toy.root / "toy-diverges").write_text("32")
    told = toy.ablations("run").stdout
    assert "diverged: baseline_bs32: the training loss is nan at step 3 of 30 (learning rate 0.5)" in told
    assert toy.trainings() == NAMES
    kept = toy.root / "reports/ablations/diverged"
    assert sorted(path.name for path in kept.iterdir()) == ["baseline_bs32.json", "baseline_bs32.tsv"]

    shutil.rmtree(toy.root / ".diverged")  # the report, a colleague's too, reads only what is committed with it
    toy.ablations("report")
    report = json.loads((toy.root / "reports/ablations/report.json").read_text())
    assert [(one["name"], one["step"], one["last_loss"]) for one in report["diverged"]] == [("baseline_bs32", 3, 9.0)]
    assert report["missing"] == [] and report["refused"] == []
    assert "Diverged, without a model" in (toy.root / "reports/ablations/report.md").read_text()
    assert sorted(path.name for path in kept.iterdir()) == ["baseline_bs32.json", "baseline_bs32.tsv"]

    assert "nothing to run" in toy.ablations("run").stdout
    assert toy.trainings() == NAMES
    (toy.root / "toy-diverges").unlink()
    (kept / "baseline_bs32.json").unlink()
    toy.ablations("run")
    assert toy.finished() == NAMES
    assert list(kept.iterdir()) == []
    assert [path.name for path in (toy.root / ".checkpoints").iterdir() if path.is_dir()] == []  # the toy's eval removes none


def test_a_killed_worker_leaves_nothing_behind(toy: Toy) -> None:
    run = toy.start(TOY_SECONDS="40")  # an orphan that ends by itself leaves its result in DVC's run cache
    toy.wait(lambda: bool(toy.trainings()))
    time.sleep(2)
    os.kill(run.pid, signal.SIGKILL)  # the terminal is lost as well
    os.kill(toy.worker(), signal.SIGKILL)
    time.sleep(1)
    assert toy.finished() == []
    toy.ablations("run")
    assert toy.finished() == NAMES
    assert sorted(toy.trainings()) == sorted([*NAMES, "baseline"])
    status = toy.run("dvc", "queue", "status").stdout
    assert status.count("Success") == 2
    assert "Running" not in status
    workspaces = [path for path in (toy.root / ".dvc/tmp/exps").iterdir() if path.name.startswith("tmp")]
    toy.wait(lambda: not any(path.exists() for path in workspaces), 15)


def test_what_a_worker_took_up_and_lost_is_made_as_well(toy: Toy) -> None:
    celery, experiments = toy.root / ".dvc/tmp/exps/celery", toy.root / ".dvc/tmp/exps"
    for name, change in (("baseline", "seed=42"), ("baseline_bs32", "train.batch_size=32")):
        toy.run("dvc", "exp", "run", "--queue", "-n", name, "-S", change)
    # The first as a worker leaves it that reads the message before it is written; the second as one that is killed in the
    # midst of setting the workspace up, when the experiment is out of the stash already.
    for message in (celery / "broker/in").glob("*.celery.msg"):
        message.rename(celery / "broker/processed" / message.name)
    revision = toy.run("git", "rev-parse", "refs/exps/celery/stash").stdout.strip()
    toy.run("git", "reflog", "delete", "--rewrite", "--updateref", "refs/exps/celery/stash@{0}")
    workspace = experiments / "tmphalf"
    (workspace / ".git").mkdir(parents=True)
    (experiments / "run" / revision).mkdir(parents=True)
    record = {"git_url": f"file://{workspace}", "root_dir": str(workspace), "dvc_dir": ".dvc", "name": "baseline_bs32", "wdir": ".", "status": 1}
    head = toy.run("git", "rev-parse", "HEAD").stdout.strip()
    (experiments / "run" / revision / f"{revision}.run").write_text(json.dumps({**record, "baseline_rev": head, "location": "dvc-task"}))
    assert "No such file or directory" in toy.run("dvc", "exp", "show", "--json", check=False).stderr

    told = toy.ablations("run").stdout
    assert "baseline: the queue worker that took it up is gone; it is put back into the queue" in told
    assert "baseline_bs32: the queue worker that set it up is gone; it is marked as failed" in told
    assert toy.finished() == NAMES
    assert sorted(toy.trainings()) == NAMES
    assert not workspace.exists()
    status = toy.run("dvc", "queue", "status").stdout
    assert (status.count("Success"), status.count("Failed"), status.count("Running"), status.count("Queued")) == (2, 0, 0, 0)


LITTLE_PATIENCE = """
from ablations.__main__ import main
from ablations.run import queue_engine
from sentiment.terminal.errors import run_main

assert queue_engine._STALLED_SECONDS > 5.0
queue_engine._STALLED_SECONDS = 5.0
run_main(lambda: main(["run"]))
"""


def test_a_worker_that_takes_nothing_up_is_started_anew(toy: Toy) -> None:
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # or it would wait for the worker
    subprocess.run(["dvc", "queue", "start"], cwd=toy.root, env=toy.environment, check=True, **quiet)
    log = toy.root / ".dvc/tmp/exps/celery/dvc-exp-worker-1.out"
    toy.wait(lambda: log.exists() and " ready." in log.read_text())
    stuck = toy.worker()
    os.kill(stuck, signal.SIGSTOP)
    told = toy.run(sys.executable, "-c", LITTLE_PATIENCE).stdout
    assert "the queue's worker takes nothing up: it is started anew" in told
    assert not psutil.pid_exists(stuck)
    assert toy.finished() == NAMES


@pytest.mark.parametrize(("on", "other"), [("queue", "ray"), ("ray", "queue")])
def test_experiments_that_another_engine_runs_are_refused(on: str, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Engine:
        def __init__(self, name: str, commit: str) -> None:
            self.at_work = lambda: name == other
            self.jobs = lambda: {"baseline": None}

    monkeypatch.setattr(runner, "choose_engine", Engine)
    monkeypatch.setattr(runner, "head", lambda: "abc")
    with pytest.raises(UserError, match=f"run on {other} already: `python -m ablations run --on {other}`"):
        runner._refuse_while_at_work({"baseline"}, on)
    runner._refuse_while_at_work({"another"}, on)


def test_ctrl_c_ends_the_watching_and_stop_ends_the_queue(toy: Toy) -> None:
    run = toy.start(TOY_SECONDS="4")
    toy.wait(lambda: bool(toy.trainings()))
    os.kill(run.pid, signal.SIGINT)
    told, _ = run.communicate(timeout=30)
    assert run.returncode == 130, told
    assert "the study continues by itself" in told
    assert "Traceback" not in told
    assert psutil.pid_exists(toy.worker())
    toy.wait(lambda: len(toy.finished()) >= 1)

    stopped = toy.ablations("stop")
    assert "stopped" in stopped.stdout
    time.sleep(1)
    count = len(toy.trainings())
    toy.ablations("run")
    assert toy.finished() == NAMES
    assert len(toy.trainings()) > count - 1


def test_two_workers_share_the_cores(toy: Toy) -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core")
    environment = {key: value for key, value in toy.environment.items() if key != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-m", "ablations", "run", "--jobs", "2"], cwd=toy.root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert toy.finished() == NAMES
    threads = {line.split()[1] for line in (toy.root / ".checkpoints" / "started.txt").read_text().splitlines()}
    assert threads == {str(len(os.sched_getaffinity(0)) // 2)}


def test_an_edited_params_file_is_refused_in_words(toy: Toy) -> None:
    text = (toy.root / "params.yaml").read_text()
    (toy.root / "params.yaml").write_text(text.replace("lr: 2.0e-5", "lr: 5e-5"))
    done = toy.ablations("run", check=False)
    assert done.returncode == 1
    assert "train.lr = 5e-05 (at HEAD 2e-05)" in done.stderr
    assert done.stderr.count("\n") == 1
    (toy.root / "params.yaml").write_text(text.replace("2.0e-5", "2e-05"))  # the same value, written otherwise
    assert toy.ablations("run", "--dry-run").returncode == 0


def test_threads_beyond_the_cores_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = len(os.sched_getaffinity(0))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert "OMP_NUM_THREADS" not in share_out(1).environment
    for jobs in (0, cores + 1):
        with pytest.raises(UserError, match=f"--jobs {jobs}: this machine has {cores} cores"):
            share_out(jobs)
    monkeypatch.setenv("OMP_NUM_THREADS", str(cores))
    with pytest.raises(UserError, match="more threads than"):
        share_out(2) if cores > 1 else share_out(1) and share_out(2)
