"""An engine over Ray: experiments as tasks of a cluster, on this machine or on several.

What is handed over lies in ``.dvc/tmp/ablations/ray``: ``points/`` holds what was asked for, ``states/`` what the driver, a process
of its own, wrote of it, ``logs/`` what the experiments print, ``clones/`` their workspaces.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import psutil

from ablations.plan.points import Point
from ablations.repository import git
from ablations.run.cores import THREADS_VARIABLE, cores_here
from ablations.run.engine import SubmittedJob
from ablations.run.on_ray.git_exchange import GitExchange
from ablations.run.on_ray.ray_driver import ENDED, NO_START, REASON
from ablations.run.on_ray.ray_task import machine_folder
from ablations.run.orphans import end_processes_in
from ablations.run.preconditions import check_repository
from ablations.run.queueing import experiment_options, free_name
from sentiment.core.files import read_json, remove, write_json
from sentiment.core.paths import MAIN_ROOT_VARIABLE
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say
from sentiment.use.commands import run_dvc

FOLDER = Path(".dvc/tmp/ablations/ray")
_MADE_BY_STAGES = ("dvc.lock", "reports/")
_TIME_TO_END_SECONDS = 30.0
_MOST_STARTS = 10


class RayCluster:
    """Tasks of a Ray cluster: that of ``RAY_ADDRESS``, else one of this machine's that ends with the study.

    Parameters
    ----------
    commit : str
        What the experiments depart from.
    gpus : float or None
        Of each experiment; None for one where the cluster has any.
    through : str or None
        The git remote through which experiments travel, their outputs through DVC's default storage, where the machines of the
        cluster share no folder; None where all of them see this checkout.
    """

    def __init__(self, commit: str, gpus: float | None = None, through: str | None = None) -> None:
        self._commit, self._gpus = commit, gpus
        self._exchange = GitExchange(through, commit) if through else None
        self._settings: dict[str, Any] = {}
        self._environment: Mapping[str, str] = os.environ
        self._starts = 0

    def check(self) -> None:
        """Refuse to begin without Ray, and with edits that a clone would lack."""
        if importlib.util.find_spec("ray") is None:
            raise UserError("--on ray needs Ray: `python -m pip install -r requirements-ray.txt -c constraints.txt`, then run this again")
        check_repository()
        changed = [line[3:] for line in git("status", "--porcelain", "--untracked-files=no", "--", ".").splitlines()]
        prefix = git("rev-parse", "--show-prefix").strip()
        edited = [path for path in changed if not path.removeprefix(prefix).startswith(_MADE_BY_STAGES)]
        if edited:
            raise UserError(f"--on ray trains what is committed, and {edited[0]} is edited: commit it, or `git stash`, then run this again")
        if self._exchange:
            self._exchange.check()

    def begin(self, environment: Mapping[str, str], jobs: int) -> None:
        """Watch the driver of an earlier call, or clear what a killed one left behind."""
        remove(FOLDER / REASON)
        threads = environment.get(THREADS_VARIABLE, "")
        cpus = int(threads) if threads.isdigit() else cores_here()
        self._environment = environment
        self._settings = {"jobs": jobs, "cpus": cpus, "gpus": self._gpus, "threads": threads, "address": os.environ.get("RAY_ADDRESS", "")}
        self._settings["through"] = self._exchange.remote if self._exchange else ""
        driver = self._driver()
        if driver is not None and any(_recorded().get(key) != value for key, value in self._settings.items()):
            if any(job.state == "running" for job in self.jobs().values()):
                raise UserError(
                    "a Ray driver with other settings (jobs, threads, GPUs, address, --through) is at work: let it end, or end it with "
                    "`python -m ablations stop`, and run this again"
                )
            self.stop()
        elif driver is None:
            self.stop()

    def jobs(self) -> dict[str, SubmittedJob]:
        """Read what lies in the folder; Ray is not asked."""
        alive = self._driver() is not None
        found = {}
        for path in sorted((FOLDER / "points").glob("*.json")):
            order, state = _read(path), _read(FOLDER / "states" / path.name)
            if order.get("commit") != self._commit:
                continue
            if state.get("state") == "done":
                if self._exchange and not self._exchange.receive(path.stem):
                    found[path.stem] = SubmittedJob(path.stem, "running", Path(order["log"]))
                continue
            found[path.stem] = self._job(order, state if state.get("token") == order["token"] else {}, alive)
        return found

    def submit(self, point: Point, forced: bool) -> None:
        """Write what the driver is to make."""
        remove(FOLDER / "states" / f"{point.name}.json")
        if self._exchange and self._exchange.fetch_if_sent(point.name):
            return
        free_name(point.name, self._commit)
        here = Path.cwd().resolve()
        shared = Path(self._environment.get(MAIN_ROOT_VARIABLE) or here).resolve()
        log = (here / FOLDER if self._exchange or shared == here else shared / "ray") / "logs" / f"{point.name}.log"
        for folder in (FOLDER / "points", FOLDER / "states", log.parent):
            folder.mkdir(parents=True, exist_ok=True)
        remove(log)
        order = {
            "name": point.name,
            "commit": self._commit,
            "options": experiment_options(point, forced),
            "prefix": git("rev-parse", "--show-prefix").strip(),
            "identity": _identity(),
            "study": _study(),
            "storage": self._exchange.storage if self._exchange else "",
            "storage_folder": self._exchange.storage_folder if self._exchange else "",
            **(_elsewhere(shared) if self._exchange else _at_home(shared)),
            "log": str(log),
            "token": uuid.uuid4().hex,
            "at": time.time_ns(),  # in the plan's order
        }
        write_json(FOLDER / "points" / f"{point.name}.json", order)

    def collect(self, job: SubmittedJob, attempt: int) -> Path | None:
        """Forget a job, end what still runs of it, and keep its log."""
        if self._driver() is None:
            self._clear()
        for clone in (FOLDER / "clones").glob(f"{job.name}-????????"):
            end_processes_in(clone)
            shutil.rmtree(clone, ignore_errors=True)
        remove(FOLDER / "points" / f"{job.name}.json")
        remove(FOLDER / "states" / f"{job.name}.json")
        if job.log is None or not job.log.exists():
            return None
        kept = FOLDER.parent / "logs" / f"{job.name}-{attempt}.log"
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(job.log, kept)
        return kept

    def keep_going(self, waiting: bool, done: int) -> None:
        """Start the driver where it is needed and not there, and end it once nothing is left to do."""
        if waiting and self._driver() is None:
            reason = _reason()
            self._starts += 1
            if reason.startswith(NO_START) or self._starts > _MOST_STARTS:
                log = FOLDER / "driver.log"
                raise UserError(
                    f"{reason or 'the Ray driver ends again and again'}; RAY_ADDRESS is {os.environ.get('RAY_ADDRESS', 'not set')} (log: {log})"
                )
            self._clear()
            self._start()
        elif not waiting and all(_read(FOLDER / "states" / path.name).get("state") in ENDED for path in (FOLDER / "points").glob("*.json")):
            self.stop()

    def pulse(self) -> Hashable:
        """Return what the driver wrote of each job."""
        states = [(path.stem, _read(path).get("state")) for path in sorted((FOLDER / "states").glob("*.json"))]
        return (self._driver() is not None, *states)

    def at_work(self) -> bool:
        """Return whether the driver lives."""
        return self._driver() is not None

    def stop(self) -> int:
        """End the driver, with it the cluster where it is its own, wait for the trainings to be saved, and forget what was submitted."""
        driver = self._driver()
        running = sum(job.state == "running" for job in self.jobs().values()) if driver else 0
        if driver is not None:
            try:
                driver.terminate()
                driver.wait(_TIME_TO_END_SECONDS)
            except psutil.TimeoutExpired:
                driver.kill()
            except psutil.Error:
                pass
        self._clear()
        shutil.rmtree(FOLDER / "points", ignore_errors=True)
        shutil.rmtree(FOLDER / "states", ignore_errors=True)
        return running

    def _job(self, order: Mapping[str, Any], state: Mapping[str, Any], alive: bool) -> SubmittedJob:
        log = Path(order["log"])
        known = str(state.get("state", "queued"))
        if known in ENDED:
            return SubmittedJob(order["name"], known, log, str(state.get("reason", "")))
        if known == "given" and not alive:
            return SubmittedJob(order["name"], "lost", log, _reason() or "the Ray driver is gone")
        return SubmittedJob(order["name"], "running" if known == "given" and log.exists() else "queued", log)

    def _driver(self) -> psutil.Process | None:
        record = _recorded()
        try:
            process = psutil.Process(int(record["pid"]))
            alive = abs(process.create_time() - float(record["started"])) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, KeyError, TypeError, ValueError):
            return None
        return process if alive else None

    def _start(self) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        remove(FOLDER / REASON)
        environment = {**self._environment, "PYTHONPATH": str(Path.cwd().resolve()), "RAY_USAGE_STATS_ENABLED": "0"}
        command = [sys.executable, "-m", "ablations.run.on_ray.ray_driver", json.dumps(self._settings)]
        with (FOLDER / "driver.log").open("ab") as file:
            started = subprocess.Popen(
                command, cwd=FOLDER, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
        write_json(FOLDER / "driver.json", {"pid": started.pid, "started": str(psutil.Process(started.pid).create_time()), **self._settings})
        say("Ray starts; its workers take the first experiments up in some seconds")

    def _clear(self) -> None:
        """End every process that a driver, which is gone, left behind, and remove the clones."""
        for folder in (FOLDER, machine_folder(_study())):
            end_processes_in(folder)
        for clones in (FOLDER / "clones", machine_folder(_study()) / "work"):
            shutil.rmtree(clones, ignore_errors=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(read_json(path))
    except (OSError, ValueError, TypeError):
        return {}


def _recorded() -> dict[str, Any]:
    return _read(FOLDER / "driver.json")


def _reason() -> str:
    path = FOLDER / REASON
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _study() -> str:
    """Return a name of this checkout among those of all machines."""
    return hashlib.sha256(f"{os.uname().nodename}:{Path.cwd().resolve()}".encode()).hexdigest()[:16]


def _elsewhere(shared: Path) -> dict[str, str]:
    return {"home": "", "cache": "", "work": "", "shared": "" if shared == Path.cwd().resolve() else str(shared)}


def _at_home(shared: Path) -> dict[str, str]:
    root = Path(git("rev-parse", "--show-toplevel").strip()).resolve()
    return {"home": str(root), "cache": str(_cache()), "shared": str(shared), "work": str((FOLDER / "clones").resolve())}


def _identity() -> dict[str, str]:
    """Return git's name and address of who runs this, as far as they are set."""
    found = {}
    for key, variable in (("user.name", "GIT_AUTHOR_NAME"), ("user.email", "GIT_AUTHOR_EMAIL")):
        if value := os.environ.get(variable) or git("config", "--default", "", "--get", key).strip():
            found[key] = value
    return found


def _cache() -> Path:
    """Return DVC's cache; a clone in which nothing was run has none yet, and workers look for the folder."""
    cache = Path(run_dvc("cache", "dir").strip()).resolve()
    cache.mkdir(parents=True, exist_ok=True)
    return cache
