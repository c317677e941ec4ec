"""What a Ray worker does: one experiment in a clone of its own.

All of it is sent to the workers whole, as their machines may have no checkout: it imports nothing of the project.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

_MAIN_ROOT_VARIABLE = "SENTIMENT_MAIN_ROOT"
_DIVERGED = ".diverged"
_CLONE = re.compile(r".+-(?P<process>\d+)-[a-z0-9_]{8}")
_SEND_EVERY_SECONDS = 2.0
_TIME_TO_SAVE_SECONDS = 90.0
_OF_A_REPOSITORY = ("DIR", "WORK_TREE", "INDEX_FILE", "COMMON_DIR", "OBJECT_DIRECTORY", "ALTERNATE_OBJECT_DIRECTORIES", "NAMESPACE", "PREFIX")
_NOT_PASSED_ON = ("PYTHONPATH", "OMP_NUM_THREADS", *(f"GIT_{name}" for name in _OF_A_REPOSITORY))  # Ray sets the number of threads by itself
_ORDER_KEYS = ("name", "commit", "options", "home", "cache", "log", "identity", "storage", "storage_folder")


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


def run_in_clone(order: dict[str, Any], access: dict[str, str], variables: dict[str, str], board: Any) -> tuple[int, str, dict[str, bytes]]:
    """Make one experiment in a clone of its own.

    Parameters
    ----------
    order : dict
        That of `ablations.run.on_ray.clone_experiment`, and ``work``, ``prefix``, ``shared`` and ``study``. With ``storage``, nothing is
        shared with the repository: this machine's own folders take the place of ``cache``, ``work`` and ``log``.
    access : dict
        ``local_config``, what ``.dvc/config.local`` of the repository says; with ``storage``, ``fetch_url`` and ``push_url`` of the git
        remote. They may hold passwords: none of it goes into a command line.
    variables : dict
        Environment of the driver that the experiment needs.
    board : actor handle or None
        The `Board` that what is printed goes to, with ``storage``.

    Returns
    -------
    status : int
        0 where the experiment was sent.
    reason : str
        The last line of the log where it was not.
    diverged : dict
        With ``storage``: the files that a training which diverged has left, by name.
    """
    host = os.uname().nodename
    by = f"{os.getpid()}-" if order["storage"] else ""  # by which a killed worker's clone is known
    if order["storage"]:
        order = _with_own_folders(order)
    for folder in filter(None, (order[key] for key in ("home", "cache", "shared", "storage_folder"))):
        if not Path(folder).is_dir():
            return 1, f"{host} has no folder {folder}: it must be on storage that all machines share, under the same path", {}
    Path(order["work"]).mkdir(parents=True, exist_ok=True)
    clone = Path(tempfile.mkdtemp(prefix=f"{order['name']}-{by}", dir=order["work"]))
    if order["storage"]:
        order["log"] = str(Path(order["log"]) / f"{clone.name}.log")
    log = Path(order["log"])
    environment = {key: value for key, value in os.environ.items() if key not in _NOT_PASSED_ON and not key.startswith("DVC_")}
    environment |= {**variables, _MAIN_ROOT_VARIABLE: order["shared"], "GIT_TERMINAL_PROMPT": "0"}
    environment["PATH"] = str(Path(sys.executable).parent) + os.pathsep + environment.get("PATH", "")
    send = _sender(order["name"], log, board)

    def run(*command: str, folder: Path = Path()) -> int:
        return _run(command, folder, environment, log, send)

    with log.open("ab") as file:
        file.write(f"on {host}\n".encode())
    status = _check_out(clone, order, access, run)
    if status == 0:
        project = clone / order["prefix"]
        if access["local_config"]:
            (project / ".dvc/config.local").write_text(access["local_config"], encoding="utf-8")
        asked = json.dumps({key: order[key] for key in _ORDER_KEYS})
        status = run(sys.executable, "-m", "ablations.run.on_ray.clone_experiment", asked, folder=project)
    until = time.monotonic() + _TIME_TO_SAVE_SECONDS  # a stage whose node process was killed saves a checkpoint
    while _at_work_in(clone) and time.monotonic() < until:
        time.sleep(0.5)
    shutil.rmtree(clone, ignore_errors=True)
    send()
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if status else []
    diverged = {}
    if order["storage"]:
        log.unlink()
        diverged = _take_diverged(Path(order["shared"], _DIVERGED, order["name"]))
    return status, f"on {host}: {lines[-1]}" if lines else "", diverged


def machine_folder(study: str) -> Path:
    """Return where a machine that shares no folder with the repository keeps what a study needs there."""
    return Path(tempfile.gettempdir()).resolve() / f"ablations-{os.getuid()}" / study


def _with_own_folders(order: dict[str, Any]) -> dict[str, Any]:
    """Put folders of this machine in: all experiments of the study share DVC's cache there, and resume there."""
    folder = machine_folder(order["study"])
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    if folder.parent.lstat().st_uid != os.getuid() or not folder.parent.is_dir():
        raise PermissionError(f"{folder.parent} is not a folder of this user: set TMPDIR to another one")
    own = {name: str(folder / name) for name in ("cache", "work", "log")}
    shared = order["shared"] or str(folder / "shared")
    for path in (*own.values(), str(folder / "shared")):
        Path(path).mkdir(parents=True, exist_ok=True)
    for clone in Path(own["work"]).iterdir():
        made = _CLONE.fullmatch(clone.name)
        if made and not psutil.pid_exists(int(made["process"])) and not _at_work_in(clone):
            shutil.rmtree(clone, ignore_errors=True)
    return {**order, **own, "shared": shared}


def _check_out(clone: Path, order: dict[str, Any], access: dict[str, str], run: Callable[..., int]) -> int:
    if order["storage"]:
        status = run("git", "init", "--quiet", str(clone))
        _add_remote(clone, access)
        status = status or run("git", "-C", str(clone), "fetch", "--quiet", "origin")
    else:
        status = run("git", "clone", "--quiet", "--no-checkout", order["home"], str(clone))
    return status or run("git", "-C", str(clone), "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", order["commit"])


def _add_remote(clone: Path, access: dict[str, str]) -> None:
    def quoted(url: str) -> str:
        return '"' + url.replace("\\", "\\\\").replace('"', '\\"') + '"'

    with (clone / ".git/config").open("a", encoding="utf-8") as file:
        file.write(f'[remote "origin"]\n\turl = {quoted(access["fetch_url"])}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n')
        if access["push_url"] != access["fetch_url"]:
            file.write(f"\tpushurl = {quoted(access['push_url'])}\n")


def _take_diverged(folder: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in folder.glob("*") if path.is_file()}
    shutil.rmtree(folder, ignore_errors=True)
    return found


def _run(command: tuple[str, ...], folder: Path, environment: dict[str, str], log: Path, send: Callable[[], None]) -> int:
    with log.open("ab") as file:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
    while True:
        try:
            return process.wait(_SEND_EVERY_SECONDS)
        except subprocess.TimeoutExpired:
            send()


def _sender(name: str, log: Path, board: Any) -> Callable[[], None]:
    """Return a function that sends the new part of a log to the board; an experiment does not end because that fails."""
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
            with suppress(ray.exceptions.RayError):
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
