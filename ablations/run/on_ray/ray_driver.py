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

from ablations.run.on_ray import ray_task
from sentiment.core.files import read_json, write_json, write_text
from sentiment.core.paths import diverged_folder
from sentiment.terminal.signals import lives
from sentiment.use.commands import run_git

REASON = "reason.txt"  # why this process ended
NO_START = "Ray does not start"
ENDED = ("failed", "lost", "done")
_LOOK_EVERY_SECONDS = 0.5
_ASK_NODES_EVERY_SECONDS = 5.0
_IDLE_SECONDS = 60.0
_CONNECT_SECONDS = 10.0
_OBJECTS_BYTES = 80 * 2**20  # the least that Ray takes: results are a number and a line
_PROJECT = Path("../../../..")  # of .dvc/tmp/ablations/ray
_SENT_ALONG = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "SENTIMENT_", "SWANLAB_", "HF_")


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
        ray.cloudpickle.register_pickle_by_value(ray_task)
        self._task = ray.remote(num_cpus=self._settings["cpus"], num_gpus=gpus, max_retries=0)(ray_task.run_in_clone)
        self._board = self._start_board() if self._settings["through"] else None

    def _start_board(self) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=False)
        return self._ray.remote(ray_task.Board).options(num_cpus=0, scheduling_strategy=here).remote()

    def run(self) -> str:
        """Work until nothing was handed over for a minute, and return why it ended."""
        while True:
            if fault := self._fault():
                return fault
            self._take_up()
            self._note_printed()
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
            self._tasks[self._task.options(name=order["name"]).remote(order, self._access(), variables, self._board)] = order

    def _access(self) -> dict[str, str]:
        """Read how workers reach DVC's storage and, where they need it, the git remote; a study's files hold none of it."""
        remote, local = self._settings["through"], _PROJECT / ".dvc/config.local"
        local_config = local.read_text(encoding="utf-8") if local.is_file() else ""
        if not remote:
            return {"fetch_url": "", "push_url": "", "local_config": local_config}
        urls = [run_git("-C", str(_PROJECT), "remote", "get-url", *option, remote).strip() for option in ([], ["--push"])]
        fetch_url, push_url = (str((_PROJECT / url).resolve()) if (_PROJECT / url).is_dir() else url for url in urls)
        return {"fetch_url": fetch_url, "push_url": push_url, "local_config": local_config}

    def _note_printed(self) -> None:
        if self._board is None:
            return
        for name, printed in self._ray.get(self._board.take.remote()).items():
            with Path("logs", f"{name}.log").open("ab") as file:
                file.write(printed)

    def _note_ends(self) -> None:
        from ray.exceptions import RayError, RayTaskError

        ended, _ = self._ray.wait(list(self._tasks), timeout=0) if self._tasks else ([], [])
        if ended:
            self._note_printed()
        for reference in ended:
            order = self._tasks.pop(reference)
            try:
                status, reason, diverged = self._ray.get(reference)
            except RayTaskError as error:  # what the task itself raised
                self._write(order, "failed", " ".join(str(error.cause).split())[-300:])
            except RayError as error:
                self._write(order, "lost", f"its Ray worker is gone ({type(error).__name__})")
            else:
                for name, content in diverged.items():
                    kept = diverged_folder(order["name"]) / name
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    kept.write_bytes(content)
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
