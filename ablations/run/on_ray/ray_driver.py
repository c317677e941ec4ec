"""The process that speaks with Ray: it hands the points that lie in a folder to a cluster, and writes there what became of each.

It runs in a session of its own, so that neither Ctrl-C nor a lost terminal reaches it, and in the folder itself: every process
of a cluster of its own has that as its working folder, by which it is found where this process is killed.

Run     python -m ablations.run.on_ray.ray_driver JSON    in the folder
"""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psutil

from sentiment.core.files import read_json, write_json, write_text
from sentiment.terminal.signals import lives

REASON = "reason.txt"  # why this process ended
NO_START = "Ray does not start"
ENDED = ("failed", "lost", "done")
_LOOK_EVERY_SECONDS = 0.5
_ASK_NODES_EVERY_SECONDS = 5.0
_IDLE_SECONDS = 60.0
_CONNECT_SECONDS = 10.0
_OBJECTS_BYTES = 80 * 2**20  # the least that Ray takes: results are a number and a line
_SENT_ALONG = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "SENTIMENT_", "SWANLAB_", "HF_")


def run_in_clone(order: dict[str, Any], variables: dict[str, str]) -> tuple[int, str]:
    """Make one experiment in a clone of its own; this function is sent to workers whole, so it imports nothing of the project.

    Parameters
    ----------
    order : dict
        That of `ablations.run.on_ray.clone_experiment`, and ``work``, ``prefix`` and ``shared``.
    variables : dict
        Environment of the driver that the experiment needs.

    Returns
    -------
    status : int
        0 where the experiment is home.
    reason : str
        The last line of the log where it is not.
    """
    import json
    import os
    import shutil
    import subprocess
    import sys
    import tempfile
    import time
    from pathlib import Path

    import psutil

    def works_in_clone(process: psutil.Process) -> bool:
        try:
            return Path(process.cwd()).is_relative_to(clone)
        except (psutil.Error, OSError):
            return False

    host = os.uname().nodename
    for folder in (order["home"], order["cache"], order["shared"]):
        if not Path(folder).is_dir():
            return 1, f"{host} has no folder {folder}: it must be on storage that all machines share, under the same path"
    log = Path(order["log"])
    clones = Path(order["work"])
    clones.mkdir(parents=True, exist_ok=True)
    clone = tempfile.mkdtemp(prefix=f"{order['name']}-", dir=clones)
    unset = ("PYTHONPATH", "OMP_NUM_THREADS")  # Ray sets the number of threads by itself
    environment = {key: value for key, value in os.environ.items() if key not in unset and not key.startswith(("DVC_", "GIT_"))}
    environment.update(variables)
    environment["PATH"] = str(Path(sys.executable).parent) + os.pathsep + environment.get("PATH", "")
    with log.open("ab") as file:

        def run(*command: str, folder: str = ".") -> int:
            return subprocess.run(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False
            ).returncode

        file.write(f"on {host}\n".encode())
        file.flush()
        status = run("git", "clone", "--quiet", "--no-checkout", order["home"], clone)
        status = status or run("git", "-C", clone, "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", order["commit"])
        if status == 0:
            asked = {key: order[key] for key in ("name", "commit", "options", "home", "cache", "log")}
            command = (sys.executable, "-m", "ablations.run.on_ray.clone_experiment", json.dumps(asked))
            status = run(*command, folder=str(Path(clone) / order["prefix"]))
    until = time.monotonic() + 90  # a stage whose node process was killed saves a checkpoint
    while any(map(works_in_clone, psutil.process_iter())) and time.monotonic() < until:
        time.sleep(0.5)
    shutil.rmtree(clone, ignore_errors=True)
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if status else []
    return status, f"on {host}: {lines[-1]}" if lines else ""


class _Driver:
    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._tasks: dict[Any, dict[str, Any]] = {}
        self._given: set[str] = set()
        self._quiet_since = time.monotonic()
        self._nodes_asked_at = time.monotonic()

    def start(self) -> None:
        """Join a cluster, or start one."""
        import ray

        self._ray = ray
        address = os.environ.get("RAY_ADDRESS")
        _check_address(address or "")
        started: dict[str, Any] = {"address": address} if address else {"address": "local", **self._own_cluster()}
        ray.init(**started, log_to_driver=False, logging_level="error")
        signal.signal(signal.SIGTERM, _end)  # Ray's own prints a stack
        self._raylet = [child for child in psutil.Process().children(recursive=True) if child.name() == "raylet"]
        gpus = self._settings["gpus"]
        if gpus is None:
            gpus = 1 if ray.cluster_resources().get("GPU") else 0
        self._task = ray.remote(num_cpus=self._settings["cpus"], num_gpus=gpus, max_retries=0)(run_in_clone)

    def run(self) -> str:
        """Work until nothing comes any more, and return why it ended."""
        while True:
            if fault := self._fault():
                return fault
            self._take_up()
            self._note_ends()
            if self._tasks:
                self._quiet_since = time.monotonic()
            elif time.monotonic() - self._quiet_since > _IDLE_SECONDS:
                return ""
            time.sleep(_LOOK_EVERY_SECONDS)

    def _own_cluster(self) -> dict[str, Any]:
        return {
            "num_cpus": self._settings["cpus"] * self._settings["jobs"],
            "include_dashboard": False,
            "object_store_memory": _OBJECTS_BYTES,
        }

    def _fault(self) -> str:
        if self._raylet and not any(lives(process) for process in self._raylet):
            return "Ray's node process is gone"
        if time.monotonic() - self._nodes_asked_at > _ASK_NODES_EVERY_SECONDS:
            self._nodes_asked_at = time.monotonic()
            here = self._ray.get_runtime_context().get_node_id()
            if not any(node["Alive"] for node in self._ray.nodes() if node["NodeID"] == here):
                return "the Ray node of this machine is gone"
        return ""

    def _take_up(self) -> None:
        variables = {key: value for key, value in os.environ.items() if key.startswith(_SENT_ALONG)}
        for order in sorted(map(_read, Path("points").glob("*.json")), key=lambda order: order["at"]):
            if len(self._tasks) >= self._settings["jobs"]:
                return
            if not order["token"] or order["token"] in self._given or Path("states", f"{order['name']}.json").exists():
                continue
            self._given.add(order["token"])
            self._write(order, "given", "")
            self._tasks[self._task.options(name=order["name"]).remote(order, variables)] = order

    def _note_ends(self) -> None:
        from ray.exceptions import RayError

        ended, _ = self._ray.wait(list(self._tasks), timeout=0) if self._tasks else ([], [])
        for reference in ended:
            order = self._tasks.pop(reference)
            try:
                status, reason = self._ray.get(reference)
            except RayError as error:
                self._write(order, "lost", f"its Ray worker is gone ({type(error).__name__})")
            except Exception as error:  # what the task itself raised
                self._write(order, "failed", " ".join(str(error).split())[-300:])
            else:
                self._write(order, "failed" if status else "done", reason)

    def _write(self, order: dict[str, Any], state: str, reason: str) -> None:
        write_json(Path("states", f"{order['name']}.json"), {"state": state, "reason": reason, "token": order["token"]})


def _check_address(address: str) -> None:
    """Refuse an address at which nothing listens: Ray tries it for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise ConnectionError(f"nothing answers there ({error.strerror or error})") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(read_json(path))
    except OSError:
        return {"token": "", "at": 0}  # taken back at this moment


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)  # Ray ends its processes on the way out


def _main() -> None:
    driver, reason = _Driver(json.loads(sys.argv[1])), f"{NO_START}: "
    try:
        driver.start()
        reason = ""
        reason = driver.run()
    except Exception as error:  # Ray's own, of many kinds: the engine shows it
        reason += f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    write_text(Path(REASON), reason)


if __name__ == "__main__":
    _main()
