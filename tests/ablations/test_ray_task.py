"""What a Ray worker does on a machine that shares no folder with the repository; Ray itself is not needed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ablations.run.on_ray.ray_task import machine_folder, run_in_clone

STUB = """
import json, os, sys
from pathlib import Path
order = json.loads(sys.argv[1])
print(json.dumps({"order": order, "config": Path(".dvc/config.local").read_text(), "root": os.environ["SENTIMENT_MAIN_ROOT"]}))
print("url: " + os.popen("git remote get-url origin").read().strip())
kept = Path(os.environ["SENTIMENT_MAIN_ROOT"], ".diverged", order["name"])
kept.mkdir(parents=True)
(kept / "run.json").write_text("{}")
sys.exit("error: the loss is nan at step 7")
"""


class Board:
    """Stands for the actor: keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.add = self

    def remote(self, name: str, printed: bytes) -> None:
        self.sent.append(printed)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose experiments diverge, and a machine whose temporary folder is of its own."""
    root = tmp_path / 'so"urce'
    module = root / "ablations/run/on_ray/clone_experiment.py"
    module.parent.mkdir(parents=True)
    module.write_text(STUB)
    (root / ".dvc").mkdir()
    (root / ".dvc/config").touch()
    for command in ("init -q -b main", "add -A", "-c user.name=a -c user.email=a@b commit -qm one"):
        subprocess.run(["git", *command.split()], cwd=root, check=True)
    machine = tmp_path / "machine"
    machine.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(machine))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.chdir(tmp_path)
    return root


def order_for(source: Path, **changes: str) -> dict[str, Any]:
    environment = {key: value for key, value in os.environ.items() if key != "GIT_DIR"}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=source, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    empty = dict.fromkeys(("home", "cache", "work", "log", "shared", "storage_folder", "prefix"), "")
    return {**empty, "name": "baseline", "commit": commit, "options": [], "identity": {}, "storage": "storage", "study": "abc", **changes}


def run(source: Path, board: Any = None, **changes: str) -> tuple[int, str, dict[str, bytes]]:
    access = {"fetch_url": str(source), "push_url": str(source), "local_config": "[remote]\n"}
    return run_in_clone(order_for(source, **changes), access, {"SENTIMENT_MARK": "1"}, board)


def test_a_training_that_diverged_comes_back_with_its_curves(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get=lambda sent: sent, exceptions=SimpleNamespace(RayError=ConnectionError)))
    board = Board()
    status, reason, diverged = run(source, board)
    assert status == 1 and reason == f"on {os.uname().nodename}: error: the loss is nan at step 7"
    assert diverged == {"run.json": b"{}"}
    printed = b"".join(board.sent).decode().splitlines()
    found = json.loads(printed[1])
    mine = machine_folder("abc")
    assert found["config"] == "[remote]\n" and found["root"] == str(mine / "shared") and found["order"]["cache"] == str(mine / "cache")
    assert printed[2] == f"url: {source}" and str(source) not in printed[1]  # the address is in no command line
    assert not list((mine / "work").iterdir()) and not list((mine / "log").iterdir()) and not list((mine / "shared/.diverged").iterdir())
    assert mine.parent.stat().st_mode & 0o077 == 0


def test_clones_of_killed_workers_are_removed_and_those_at_work_stay(source: Path) -> None:
    work = machine_folder("abc") / "work"
    work.mkdir(parents=True)
    machine_folder("abc").parent.chmod(0o700)
    ended = subprocess.Popen(["true"])
    ended.wait()
    names = {"gone": f"baseline-{ended.pid}-abcd1234", "living": f"baseline-{os.getpid()}-abcd1234", "other": "my-team-storage"}
    for name in names.values():
        (work / name).mkdir()
    run(source)
    assert sorted(path.name for path in work.iterdir()) == sorted([names["living"], names["other"]])


def test_a_machine_without_a_folder_that_all_share_is_named(source: Path, tmp_path: Path) -> None:
    status, reason, _ = run(source, storage_folder=str(tmp_path / "storage"))
    assert status == 1 and f"{os.uname().nodename} has no folder {tmp_path / 'storage'}" in reason


def test_a_temporary_folder_of_somebody_else_is_not_used(source: Path, tmp_path: Path) -> None:
    machine_folder("abc").parent.symlink_to(tmp_path)
    if os.getuid() == 0:
        os.chown(machine_folder("abc").parent, 12345, 12345, follow_symlinks=False)
        with pytest.raises(PermissionError, match="set TMPDIR to another one"):
            run(source)
