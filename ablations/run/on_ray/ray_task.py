"""What a Ray worker does: one experiment in a clone of its own.

All of it is sent to the workers whole, as their machines may have no checkout: it imports nothing of the project.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

_MAIN_ROOT_VARIABLE = "SENTIMENT_MAIN_ROOT"
_SEND_EVERY_SECONDS = 2.0
_TIME_TO_SAVE_SECONDS = 90.0
_TAKEN_FROM_DRIVER = ("PYTHONPATH", "OMP_NUM_THREADS")  # Ray sets the number of threads by itself
_ORDER_KEYS = ("name", "commit", "options", "home", "cache", "log", "identity", "storage")


class Board:
    """What experiments on other machines print, until the driver takes it; an actor."""

    def __init__(self) -> None:
        self._printed: dict[str, bytes] = {}

    def add(self, name: str, printed: bytes) -> None:
        """Keep what an experiment has printed since the last time."""
        self._printed[name] = self._printed.get(name, b"") + printed

    def take(self) -> dict[str, bytes]:
        """Return what was added since the last time, by experiment."""
        printed, self._printed = self._printed, {}
        return printed


def run_in_clone(order: dict[str, Any], variables: dict[str, str], local_config: str, board: Any) -> tuple[int, str]:
    """Make one experiment in a clone of its own.

    Parameters
    ----------
    order : dict
        That of `ablations.run.on_ray.clone_experiment`, and ``work``, ``prefix`` and ``shared``. With ``storage``, nothing is shared
        with the repository: ``home`` is its address, and this machine's own folders take the place of ``cache``, ``work`` and ``log``.
    variables : dict
        Environment of the driver that the experiment needs.
    local_config : str
        What ``.dvc/config.local`` of the repository says, with ``storage``.
    board : actor handle or None
        The `Board` that what is printed goes to, with ``storage``.

    Returns
    -------
    status : int
        0 where the experiment is home.
    reason : str
        The last line of the log where it is not.
    """
    host = os.uname().nodename
    try:
        order = _with_own_folders(order) if order["storage"] else order
    except OSError as error:
        return 1, f"{host}: {error}"
    needed = (order["shared"],) if order["storage"] else (order["home"], order["cache"], order["shared"])
    for folder in needed:
        if not Path(folder).is_dir():
            return 1, f"{host} has no folder {folder}: it must be on storage that all machines share, under the same path"
    log = Path(order["log"])
    Path(order["work"]).mkdir(parents=True, exist_ok=True)
    by = f"{os.getpid()}-" if order["storage"] else ""  # by which a killed worker's clone is known
    clone = tempfile.mkdtemp(prefix=f"{order['name']}-{by}", dir=order["work"])
    environment = {key: value for key, value in os.environ.items() if key not in _TAKEN_FROM_DRIVER and not key.startswith(("DVC_", "GIT_"))}
    environment |= {**variables, _MAIN_ROOT_VARIABLE: order["shared"]}
    environment["PATH"] = str(Path(sys.executable).parent) + os.pathsep + environment.get("PATH", "")
    send = _sender(order["name"], log, board)

    def run(*command: str, folder: str = ".") -> int:
        return _run(command, folder, environment, log, send)

    with log.open("ab") as file:
        file.write(f"on {host}\n".encode())
    status = run("git", "clone", "--quiet", "--no-checkout", order["home"], clone)
    status = status or run("git", "-C", clone, "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", order["commit"])
    if status == 0:
        project = Path(clone) / order["prefix"]
        if local_config:
            (project / ".dvc/config.local").write_text(local_config, encoding="utf-8")
        asked = json.dumps({key: order[key] for key in _ORDER_KEYS})
        status = run(sys.executable, "-m", "ablations.run.on_ray.clone_experiment", asked, folder=str(project))
    until = time.monotonic() + _TIME_TO_SAVE_SECONDS  # a stage whose node process was killed saves a checkpoint
    while _at_work_in(Path(clone)) and time.monotonic() < until:
        time.sleep(0.5)
    shutil.rmtree(clone, ignore_errors=True)
    send()
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if status else []
    return status, f"on {host}: {lines[-1]}" if lines else ""


def _with_own_folders(order: dict[str, Any]) -> dict[str, Any]:
    """Put folders of this machine in: for all experiments of the repository, which share DVC's cache there and resume there."""
    mine = Path(tempfile.gettempdir(), f"ablations-{os.getuid()}")
    mine.mkdir(mode=0o700, exist_ok=True)
    if mine.stat().st_uid != os.getuid():
        raise PermissionError(f"{mine} belongs to another user: set TMPDIR to a folder of your own")
    folder = mine / hashlib.sha256(order["home"].encode()).hexdigest()[:16]
    for name in ("cache", "clones", "logs", "shared"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for clone in (folder / "clones").iterdir():
        by = clone.name.split("-")[-2]
        if not (by.isdigit() and psutil.pid_exists(int(by))) and not _at_work_in(clone):
            shutil.rmtree(clone, ignore_errors=True)
    own = {"cache": str(folder / "cache"), "work": str(folder / "clones"), "log": str(folder / "logs" / f"{order['name']}.log")}
    Path(own["log"]).write_bytes(b"")
    return {**order, **own, "shared": order["shared"] or str(folder / "shared")}


def _run(command: tuple[str, ...], folder: str, environment: dict[str, str], log: Path, send: Callable[[], None]) -> int:
    with log.open("ab") as file:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        while True:
            try:
                return process.wait(_SEND_EVERY_SECONDS)
            except subprocess.TimeoutExpired:
                send()


def _sender(name: str, log: Path, board: Any) -> Callable[[], None]:
    """Return what sends the part of a log that was not sent yet."""
    sent = 0

    def send() -> None:
        nonlocal sent
        if board is None:
            return
        import ray

        with log.open("rb") as file:
            file.seek(sent)
            printed = file.read()
        if printed:
            ray.get(board.add.remote(name, printed))
            sent += len(printed)

    return send


def _at_work_in(folder: Path) -> bool:
    def works_there(process: psutil.Process) -> bool:
        try:
            return Path(process.cwd()).is_relative_to(folder)
        except (psutil.Error, OSError):
            return False

    return any(map(works_there, psutil.process_iter()))
