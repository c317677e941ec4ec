"""One experiment in a clone of its own: made there, and sent to the repository once it is whole.

The clone is at the study's commit. Either it shares DVC's cache with the repository, and pushes the experiment there; or it
sends the outputs to DVC's storage and the experiment to the git remote. Only then has the process ended in success.

Run     python -m ablations.run.on_ray.clone_experiment JSON    in the clone; prints what DVC and the stages print
"""

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from dvc.cli import main as dvc_main
from dvc.config import Config
from dvc.exceptions import DvcException

from sentiment.terminal.errors import UserError, error_line, run_main
from sentiment.terminal.progress import say
from sentiment.terminal.signals import lives
from sentiment.use.commands import run_git
from sentiment.use.experiment_refs import ExperimentReference, find_on, references
from sentiment.use.share import Places, share

_LOOK_EVERY_SECONDS = 1.0
_TRY_AGAIN_AFTER_SECONDS = 3.0
_TIME_TO_SAVE_SECONDS = 120.0
_GIT_REMOTE = "origin"  # as ray_task calls it
_AT_IT_ALREADY = "another process is at this very training already"


@dataclass(frozen=True)
class ExperimentOrder:
    """What to make, and where it belongs.

    Attributes
    ----------
    name, commit : str
        The experiment, and what it departs from.
    options : tuple of str
        Of ``dvc exp run``.
    home : str
        The repository's folder; empty where this machine does not have it: the clone's git remote is used then.
    cache : str
        DVC's cache there, or of this machine.
    log : str
        The file that this process prints to.
    identity : mapping
        Git's ``user.name`` and ``user.email``.
    storage : str
        DVC's name of the storage that outputs come from and go to; empty where the cache is that of the repository.
    storage_folder : str
        The storage's path, where it is a folder.
    """

    name: str
    commit: str
    options: tuple[str, ...]
    home: str
    cache: str
    log: str
    identity: Mapping[str, str]
    storage: str
    storage_folder: str

    @property
    def target(self) -> str:
        """Where git sends the experiment."""
        return self.home or _GIT_REMOTE

    def find(self) -> ExperimentReference | None:
        """Return the experiment where it was sent already."""
        return find_on(self.target, self.name, self.commit)


def make(order: ExperimentOrder) -> None:
    """Make an experiment and send it; nothing is done where an earlier try has sent it.

    Parameters
    ----------
    order : ExperimentOrder
        What to make. The current folder is the project in the clone.

    Raises
    ------
    UserError
        Where a stage fails, or the experiment did not arrive.
    """
    if order.find():
        say(f"{order.name} was sent already")
        return
    _configure(order)
    _run(order)
    made = next((one for one in references() if one.name == order.name), None)
    if made is None:
        raise UserError(f"{order.name}: DVC ended in success and made no experiment")
    if order.storage:
        share([order.name], Places(_GIT_REMOTE, order.storage))
    else:
        run_git("push", "--quiet", order.home, f"{made.path}:{made.path}")
        if order.find() != made:
            raise UserError(f"{order.name} did not arrive at {order.home}")
    say(f"{order.name} is sent")


def end_with(processes: list[psutil.Process]) -> None:
    """End this process at once when one of some others is gone.

    It is DVC: a stage notices that it is gone, saves a checkpoint and ends too.

    Parameters
    ----------
    processes : list of psutil.Process
        The worker, and the node process above it: where that one is killed, Ray lets the worker run on.
    """
    while all(lives(process) for process in processes):
        time.sleep(_LOOK_EVERY_SECONDS)
    os._exit(1)


def _configure(order: ExperimentOrder) -> None:
    for key, value in order.identity.items():
        run_git("config", key, value)
    with Config(str(Path(".dvc").resolve()), validate=False).edit("local") as settings:
        settings.setdefault("cache", {})["dir"] = order.cache
        if order.storage_folder:  # in .dvc/config it may be relative to the repository
            settings.setdefault("remote", {}).setdefault(order.storage, {})["url"] = order.storage_folder


def _run(order: ExperimentOrder) -> None:
    log = Path(order.log)
    until = time.monotonic() + _TIME_TO_SAVE_SECONDS
    while True:
        before = log.stat().st_size if log.exists() else 0
        if dvc_main(["exp", "run", "-n", order.name, *(["--pull"] if order.storage else []), *order.options]) == 0:
            return
        sys.stdout.flush()
        sys.stderr.flush()
        printed = log.read_bytes()[before:].decode(errors="replace") if log.exists() else ""
        if _AT_IT_ALREADY not in printed or time.monotonic() > until:
            raise UserError(f"{order.name}: {_reason(printed)}")
        time.sleep(_TRY_AGAIN_AFTER_SECONDS)  # the training of the try before saves its checkpoint


def _reason(printed: str) -> str:
    """Return the stage's own line, where it has one: DVC's says only that the stage failed."""
    own = [line.removeprefix("error: ") for line in printed.splitlines() if line.startswith("error: ")]
    return own[-1] if own else error_line(printed)


def _main() -> None:
    above = psutil.Process().parents()[:2]
    threading.Thread(target=end_with, args=(above,), daemon=True).start()
    given = json.loads(sys.argv[1])
    try:
        make(ExperimentOrder(**{**given, "options": tuple(given["options"])}))
    except DvcException as error:
        raise UserError(str(error)) from None


if __name__ == "__main__":
    run_main(_main)
