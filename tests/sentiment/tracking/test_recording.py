"""SwanLab beside a training: whatever it waits for or cannot write, the training ends, with at most one line about it."""

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentiment.tracking import recording, tracker
from sentiment.tracking.swanlab_process import without_credentials
from sentiment.tracking.tracker import RunInfo, Tracker, start_training_run
from tests.imports import ROOT
from tests.swanlab_server import StandIn, stand_in_server

INFO = RunInfo("baseline", "what it is", ["a-tag"], {"train.lr": 2e-5}, "0123456789abcdef")
KEY = "x" * 21  # SwanLab asks for its length


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("SWANLAB_", "GIT_", "SENTIMENT_", "DVC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SWANLAB_SAVE_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("SWANLAB_MODE", "offline")
    monkeypatch.setattr(recording, "LIMIT_SECONDS", 8.0)
    root = tmp_path / "checkout"
    root.mkdir()
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with stand_in_server() as state:
        monkeypatch.setenv("SWANLAB_MODE", "online")
        monkeypatch.setenv("SWANLAB_API_KEY", KEY)
        monkeypatch.setenv("SWANLAB_API_HOST", state.url)
        monkeypatch.setenv("SWANLAB_WEB_HOST", state.url)
        yield state


def train() -> Tracker:
    run = start_training_run(INFO)
    for step in range(1, 21):
        run.log({"train/loss": 1 / step, "train/grad_norm": float("nan")}, step)
    run.finish()
    return run


def runs(folder: Path) -> list[Path]:
    return sorted(folder.glob("run-*"))


def steps_sent(server: StandIn) -> list[int]:
    return [metric["index"] for body in server.sent("/house/metrics") for metric in body["metrics"]]


def test_a_run_goes_to_the_server(server: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    train()
    assert len(steps_sent(server)) == 20
    assert server.sent("/state")[0]["state"] == "FINISHED"
    assert capsys.readouterr().out == ""


def test_a_server_that_falls_silent_costs_one_line_and_sync_uploads_the_run(server: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    server.silent_from = "/house/metrics"
    train()
    (line,) = capsys.readouterr().out.splitlines()
    assert "the server did not take the run within 8 s; the run is kept: `swanlab sync --id " in line
    server.silent_from = None
    command = re.search("`swanlab (sync .*)` uploads", line)
    assert command is not None
    subprocess.run([sys.executable, "-m", "swanlab", *shlex.split(command[1])], check=True, capture_output=True, timeout=60)
    assert len(steps_sent(server)) == 20
    assert server.sent("/state")[-1]["state"] == "FINISHED"


def test_a_server_that_does_not_start_a_run_leaves_it_offline_for_sync(server: StandIn, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.silent_from = "/login/api_key"  # it answers that it is there, and nothing more
    train()
    (line,) = capsys.readouterr().out.splitlines()
    assert "recording offline (`swanlab sync` uploads it later)" in line
    server.silent_from = None
    subprocess.run([sys.executable, "-m", "swanlab", "sync", str(runs(here / "swanlog")[-1])], check=True, capture_output=True, timeout=60)
    assert len(steps_sent(server)) == 20


def test_without_a_key_or_a_server_a_run_is_recorded_offline(
    server: StandIn, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SWANLAB_API_HOST", "http://127.0.0.1:9")
    train()
    assert "http://127.0.0.1:9 does not answer; recording offline" in capsys.readouterr().out
    assert len(runs(here / "swanlog")) == 1


def test_a_full_disk_costs_one_line(here: Path) -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"  # writing more fails, as on a full disk
        "from tests.sentiment.tracking import test_recording as t\n"
        "run = t.start_training_run(t.INFO)\n"
        "for step in range(3000): run.log({'train/loss': 1.0}, step)\n"
        "run.finish()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert line == f"SwanLab: stopped recording ({here}/swanlog: File too large); the training goes on"


def test_a_folder_that_cannot_be_written_costs_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "swanlog").touch()
    train()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("SwanLab: this run is not recorded (") and "swanlog" in line


def test_a_record_holds_nothing_of_the_machine_unless_asked_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "remote", "add", "origin", "https://someone:SECRET@example.org/x.git"], check=True)

    def recorded() -> str:
        train()
        files = [path for path in runs(here / "swanlog")[-1].rglob("*") if path.is_file() and "debug" not in path.parts]
        return "".join(path.read_text(errors="replace") for path in files)

    usual = recorded()
    for secret in ("SECRET", "example.org", socket.gethostname(), "numpy"):
        assert secret not in usual
    monkeypatch.setenv(tracker.COLLECT_VARIABLE, "1")
    everything = recorded()
    assert socket.gethostname() in everything and "https://example.org/x.git" in everything
    assert "SECRET" not in everything


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://user:TOKEN@host/x.git", "https://host/x.git"),
        ("https://TOKEN@host/x", "https://host/x"),
        ("git@host:x.git", "git@host:x.git"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)
def test_credentials_are_taken_out_of_an_address(address: str, shown: str) -> None:
    assert without_credentials(address) == shown


def test_settings_that_swanlab_refuses_do_not_lose_the_record(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = here / ".dvc/tmp/exps/tmpabc"
    workspace.mkdir(parents=True)
    monkeypatch.chdir(workspace)
    monkeypatch.setenv("SWANLAB_LOG_DIR", "curves")
    monkeypatch.setenv("SWANLAB_PROJ_NAME", "my project: 评论")
    monkeypatch.setenv("SWANLAB_MODE", "ofline")
    train()
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert "recording in my-project" in said[1]
    assert "SWANLAB_MODE=ofline is none of local, offline, online, disabled; recording locally" in said[0]
    assert len(runs(here / "curves")) == 1  # not in the temporary workspace, which is deleted
