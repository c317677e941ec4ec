"""The train stage as a whole: interrupted and resumed, tracked, and its model used."""

import hashlib
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.conftest import Project


def digests(project: Project) -> dict[str, str]:
    files = [*(project.root / "models/classifier").iterdir(), *(project.root / "reports/train").iterdir()]
    return {str(path.relative_to(project.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_training_goes_on_to_the_same_bytes(project: Project, number: int, wait_for: Callable[..., None]) -> None:
    project.run("python", "-c", edit("train", "epochs", 12))
    project.run("python", "-m", "stages.train")
    whole = digests(project)
    project.forget_training()

    environment = {**project.environment, "PYTHONUNBUFFERED": "1"}
    command = ["python", "-m", "stages.train"]
    process = subprocess.Popen(command, cwd=project.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(lambda: any((project.root / ".checkpoints").glob("*/checkpoint-*/manifest.json")), 120, "a checkpoint")
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    if number == signal.SIGTERM:
        assert "run the same command again to go on" in output
    assert digests(project) == whole, "an interrupted training must leave the earlier outputs alone"

    again = project.run("python", "-m", "stages.train")
    assert "goes on from step" in again.stdout
    assert digests(project) == whole
    project.run("python", "-m", "stages.eval")
    assert project.checkpoints() == []


def test_a_training_killed_on_a_machine_that_is_gone_goes_on_from_the_mirror(project: Project, tmp_path: Path, wait_for: Callable[..., None]) -> None:
    mirror = tmp_path / "store/checkpoints"
    address = mirror.as_uri()
    project.run("python", "-c", edit("train", "epochs", 12))
    project.run("python", "-m", "stages.train")
    whole = digests(project)
    project.forget_training()

    environment = {**project.environment, "SENTIMENT_CHECKPOINTS": address}
    process = subprocess.Popen(["python", "-m", "stages.train"], cwd=project.root, env=environment, stdout=subprocess.DEVNULL)
    wait_for(lambda: any(mirror.glob("*/checkpoint-*/manifest.json")), 120, "a checkpoint in the mirror")
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    for folder in (".checkpoints", "models/classifier", "reports/train"):
        shutil.rmtree(project.root / folder)

    again = project.run("python", "-m", "stages.train", SENTIMENT_CHECKPOINTS=address)
    assert f"from {address}" in again.stdout and "goes on from step" in again.stdout
    assert digests(project) == whole
    assert len(list(mirror.glob("*/checkpoint-*/manifest.json"))) <= 2
    project.run("python", "-m", "stages.eval", SENTIMENT_CHECKPOINTS=address)
    assert project.checkpoints() == [] and not list(mirror.iterdir())


def test_a_training_whose_outputs_dvc_lost_is_not_repeated(project: Project) -> None:
    project.run("python", "-c", edit("train", "epochs", 1))
    project.dvc("repro", "train")  # eval has not run: DVC may have died before it saved anything
    whole = digests(project)
    shutil.rmtree(project.root / "models/classifier")
    shutil.rmtree(project.root / "reports/train")
    again = project.run("python", "-m", "stages.train").stdout
    assert "only the outputs are to be written" in again and "validation loss" not in again
    assert digests(project) == whole
    project.dvc("repro")
    assert project.checkpoints() == []


def test_two_processes_never_train_the_same_thing(project: Project, wait_for: Callable[..., None]) -> None:
    project.run("python", "-c", edit("train", "epochs", 40))
    first = subprocess.Popen(["python", "-m", "stages.train"], cwd=project.root, env=project.environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: any((project.root / ".checkpoints").glob("*/checkpoint-*")), 120, "a checkpoint")
        second = project.run("python", "-m", "stages.train", check=False)
        assert second.returncode == 1
        assert second.stderr.startswith("error: another process is at this very training")
    finally:
        first.kill()
        first.wait()


def test_the_model_answers_with_class_names_also_to_a_long_text(project: Project) -> None:
    card = (project.root / "models/classifier/README.md").read_text(encoding="utf-8")
    code = card.split("```python\n")[1].split("```")[0]
    program = f"{code}\nprint(classify('not a bad film ' * 750)[0]['label'])"
    done = project.run("python", "-c", program)
    assert done.stdout.split()[-1] in ("negative", "positive")


@pytest.mark.parametrize("mode", ["local", "offline", "disabled"])
def test_every_tracking_mode_trains_to_the_same_bytes(project: Project, mode: str) -> None:
    before = digests(project)
    project.forget_training()
    project.run("python", "-m", "stages.train", SWANLAB_MODE=mode)
    assert digests(project) == before
    assert bool(list((project.root / "swanlog").glob("run-*"))) == (mode != "disabled")


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"SWANLAB_MODE": "online"}, "there is no key; recording offline"),
        ({"SWANLAB_MODE": "online", "SWANLAB_API_KEY": "x" * 21, "SWANLAB_API_HOST": "http://127.0.0.1:9"}, "does not answer; recording offline"),
        ({"SWANLAB_MODE": "nonsense"}, "is none of local, offline, online, disabled"),
        ({"SWANLAB_MODE": "offline", "SWANLAB_LOG_DIR": "/proc/none"}, "this run is not recorded"),
    ],
)
def test_a_tracker_that_cannot_record_costs_one_line(project: Project, environment: dict[str, str], line: str, tmp_path: Path) -> None:
    before = digests(project)
    done = project.run("python", "-m", "stages.train", HOME=str(tmp_path), **environment)
    assert [text for text in done.stdout.splitlines() if text.startswith("SwanLab:") and line in text]
    assert digests(project) == before


def test_the_test_joins_the_trainings_run_in_offline_mode(project: Project) -> None:
    project.run("python", "-m", "stages.train", SWANLAB_MODE="offline")
    done = project.run("python", "-m", "stages.eval", SWANLAB_MODE="offline")
    assert "no run" not in done.stdout
    folders = list((project.root / "swanlog").glob("run-*"))
    assert len(folders) == 2
    assert len({folder.name.rsplit("-", 1)[-1] for folder in folders}) == 1


def test_a_test_whose_training_came_from_the_cache_says_so(project: Project) -> None:
    done = project.run("python", "-m", "stages.eval", SWANLAB_MODE="offline")
    assert "the training was not run here" in done.stdout


def edit(section: str, key: str, value: object) -> str:
    return (
        "import yaml, pathlib; path = pathlib.Path('params.yaml'); content = yaml.safe_load(path.read_text());"
        f"content[{section!r}][{key!r}] = {value!r}; path.write_text(yaml.safe_dump(content, sort_keys=False))"
    )
