"""Git and DVC, asked through their command lines."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ablations import queue_tasks
from sentiment.terminal.errors import UserError, error_line
from sentiment.terminal.progress import say

_TRIES, _PAUSE_SECONDS = 8, 1.5
# It takes a second or two. Where a workspace is deleted under it, it never ends: pygit2 1.21 waits for a blob that is gone.
_STATE_WITHIN_SECONDS = 90.0
_SET_UP_WITHIN_SECONDS = 200.0  # a worker that sets a workspace up asks for DVC's lock 180 times, once a second
_STASH = "refs/exps/celery/stash"


@dataclass(frozen=True)
class QueueEntry:
    """An experiment of DVC's queue that has not ended in success.

    Attributes
    ----------
    name : str
        The experiment.
    state : str
        queued, running or failed.
    task : str
        What `dvc queue remove` calls it.
    root : Path or None
        The workspace it runs in.
    log : Path or None
        What it printed.
    process : int or None
        Process id of the `dvc exp exec-run` that runs it.
    """

    name: str
    state: str
    task: str
    root: Path | None
    log: Path | None
    process: int | None


def git(*arguments: str) -> str:
    """Return what a git command prints; a UserError where it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"`git {' '.join(arguments)}` failed: {error_line(done.stderr)}")
    return done.stdout


def dvc(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    output: Path | None = None,
    show: bool = False,
    within: float | None = None,
) -> str:
    """Run a DVC command and return what it prints.

    Parameters
    ----------
    *arguments : str
        The command.
    environment : mapping, optional
        Instead of this process's.
    output : Path, optional
        A file for what it prints. The command then runs in a session of its own, so that neither
        Ctrl-C nor a lost terminal reaches what it starts (`dvc queue start` blocks with a pipe).
    show : bool
        Let it print to the terminal.
    within : float, optional
        Seconds after which it is ended and has failed; for commands that only read.

    Returns
    -------
    str
        Its output; empty with `output` or `show`.

    Raises
    ------
    UserError
        Where it fails.
    """
    command = [sys.executable, "-m", "dvc", *arguments]
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("a", encoding="utf-8") as file:
            started = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True, check=False
            )
        if started.returncode:
            raise UserError(f"`dvc {' '.join(arguments)}` failed: {error_line(output.read_text(encoding='utf-8'))}")
        return ""
    try:
        done = subprocess.run(command, env=environment, capture_output=not show, text=True, check=False, timeout=within)
    except subprocess.TimeoutExpired:
        raise UserError(f"`dvc {' '.join(arguments[:3])} …` did not answer within {within:.0f} s") from None
    if done.returncode:
        raise UserError(f"`dvc {' '.join(arguments[:3])} …` failed{': ' + error_line(done.stderr) if not show else ''}")
    return done.stdout or ""


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment with this Python first on PATH: DVC starts `dvc` and `python` by name."""
    folder = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": folder + os.pathsep + os.environ.get("PATH", ""), **more}


def head() -> str:
    """Return the commit that new experiments depart from."""
    return git("rev-parse", "HEAD").strip()


def show_file(revision: str, path: Path | str) -> str | None:
    """Return a file as git has it at a revision, None where it has none."""
    done = subprocess.run(["git", "show", f"{revision}:./{path}"], capture_output=True, check=False)
    return None if done.returncode else done.stdout.decode("utf-8", errors="replace")


def unfinished(revision: str) -> list[QueueEntry]:
    """List the queued, running and failed experiments that depart from a commit.

    Parameters
    ----------
    revision : str
        The commit.

    Returns
    -------
    list of QueueEntry

    Raises
    ------
    UserError
        Where `dvc exp show` fails or hangs several times: it does now and then while a worker sets a
        workspace up or takes it down. Tasks that make it fail for good are put right first.
    """
    tries, set_up_until = 0, time.monotonic() + _SET_UP_WITHIN_SECONDS
    while True:
        try:
            return parse_rows(json.loads(dvc("exp", "show", "--json", "--rev", revision, within=_STATE_WITHIN_SECONDS)))
        except (UserError, ValueError) as error:
            set_up = _free_lost_tasks()
            tries += not set_up or time.monotonic() > set_up_until
            if tries == _TRIES:
                raise UserError(f"DVC does not tell the state of its experiments: {error}{_hint(set_up)}") from None
            time.sleep(_PAUSE_SECONDS)


def _free_lost_tasks() -> dict[str, list[int]]:
    """Put back, or mark as failed, what a worker took up and lost; return what one may be setting up, with its process ids."""
    set_up: dict[str, list[int]] = {}
    stashed: set[str] | None = None
    for task in queue_tasks.not_begun():
        if workers := queue_tasks.workers_at(task):
            set_up[task.name] = workers
            continue
        if stashed is None:
            stashed = set(git("reflog", "show", "--format=%H", _STASH, "--").split()) if git("for-each-ref", _STASH) else set()
        if task.revision in stashed:
            queue_tasks.put_back(task)
            say(f"{task.name}: the queue worker that took it up is gone; it is put back into the queue")
            continue
        # What it is made from is out of the stash already: it cannot be taken up again.
        queue_tasks.remove_workspace(task)
        with suppress(UserError):  # another process has done so
            dvc("queue", "kill", task.revision)
        say(f"{task.name}: the queue worker that set it up is gone; it is marked as failed")
    return set_up


def _hint(set_up: Mapping[str, list[int]]) -> str:
    return "".join(
        f"; {name} was taken up by the queue worker with process id {workers[0]} and does not begin: end that process, and run this again"
        for name, workers in list(set_up.items())[:1]
    )


def parse_rows(shown: Sequence[Mapping[str, Any]]) -> list[QueueEntry]:
    """Read the rows that have not ended in success from the output of ``dvc exp show --json``."""
    rows = []
    for commit in shown:
        for experiment in commit.get("experiments") or []:
            executor = experiment.get("executor") or {}
            state = executor.get("state") or "success"
            local = executor.get("local") or {}
            revisions = experiment.get("revs") or []
            task = local.get("task_id") or (revisions[0]["rev"] if revisions else "")
            if state == "success":
                continue
            rows.append(
                QueueEntry(
                    name=str(experiment.get("name") or task[:7]),
                    state=str(state).lower(),
                    task=str(task),
                    root=Path(local["root"]) if local.get("root") else None,
                    log=Path(local["log"]) if local.get("log") else None,
                    process=local.get("pid"),
                )
            )
    return rows


@cache
def lock(revision: str) -> Mapping[str, Any]:
    """Return the stages of dvc.lock at a revision; empty where there is none that can be read."""
    try:
        return parse_lock(show_file(revision, "dvc.lock") or "")
    except UserError:
        return {}


def parse_lock(text: str) -> Mapping[str, Any]:
    """Return the stages of a dvc.lock; a UserError where it is none."""
    try:
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}  # noqa: S506
        return dict(content.get("stages") or {})
    except (yaml.YAMLError, AttributeError, ValueError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        cause = "holds the marks of a merge conflict" if "\n<<<<<<<" in f"\n{text}" else "is damaged"
        raise UserError(
            f"dvc.lock{f', line {mark.line + 1}' if mark else ''}: {cause}: `git checkout HEAD -- dvc.lock` takes the committed one, "
            "`dvc repro` brings it up to date"
        ) from None


def outputs(stages: Mapping[str, Any], stage: str) -> dict[str, str]:
    """Return the hashes of a stage's outputs, by path."""
    return {out["path"]: str(out.get("md5", "")) for out in stages.get(stage, {}).get("outs", [])}


def dependencies(stages: Mapping[str, Any], stage: str) -> dict[str, str]:
    """Return the hashes of a stage's dependencies, by path."""
    return {dep["path"]: str(dep.get("md5", "")) for dep in stages.get(stage, {}).get("deps", [])}
