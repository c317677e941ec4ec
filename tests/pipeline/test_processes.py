"""A training that several processes share: the same batches, the same losses, the same way of stopping."""

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from sentiment.core.files import read_tsv
from tests.models import tiny_bert
from tests.pipeline.conftest import Project
from tests.pipeline.test_training import digests, edit


def without_dropout(project: Project, **changes: object) -> None:
    tiny_bert(project.root / "encoders/still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    for name, value in {"model": "encoders/still", "precision": "fp32", **changes}.items():
        project.run("python", "-c", edit("train", name, value))


def curves(project: Project) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    return read_tsv(project.root / "reports/train/steps.tsv"), read_tsv(project.root / "reports/train/validation.tsv")


@pytest.mark.parametrize("accumulation", [1, 2])
def test_two_processes_take_the_steps_of_one(project: Project, accumulation: int) -> None:
    # 240 rows less test and validation are no multiple of 8: the last batch is an incomplete one.
    without_dropout(project, gradient_accumulation_steps=accumulation)
    project.run("python", "-m", "stages.train")
    alone = curves(project)
    done = project.run("python", "-m", "stages.train", SENTIMENT_PROCESSES="2")
    together = curves(project)
    assert "2 processes, 1 thread each" in done.stdout
    assert done.stdout.count("epoch 1: validation loss") == 1
    assert project.json("reports/train/run.json")["processes"] == 2
    for one, two in zip(alone, together, strict=True):
        assert len(one["step"]) == len(two["step"])
        for name in one:
            assert two[name] == pytest.approx(one[name], rel=2e-3, abs=2e-4), name


def test_two_processes_repeat_themselves_and_differ_in_dropout_alone(project: Project) -> None:
    project.run("python", "-m", "stages.train", SENTIMENT_PROCESSES="2")
    once = digests(project)
    project.forget_training()
    project.run("python", "-m", "stages.train", SENTIMENT_PROCESSES="2")
    assert digests(project) == once


def test_two_interrupted_processes_go_on_to_the_same_bytes(project: Project, wait_for: Callable[..., None]) -> None:
    project.run("python", "-c", edit("train", "epochs", 12))
    project.run("python", "-m", "stages.train", SENTIMENT_PROCESSES="2")
    whole = digests(project)
    project.forget_training()
    environment = {**project.environment, "PYTHONUNBUFFERED": "1", "SENTIMENT_PROCESSES": "2"}
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.train"], cwd=project.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_for(lambda: any((project.root / ".checkpoints").glob("*/checkpoint-*/manifest.json")), 120, "a checkpoint")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output.count("run the same command again to go on") == 1
    assert "Traceback" not in output
    assert digests(project) == whole
    again = project.run("python", "-m", "stages.train", SENTIMENT_PROCESSES="2")
    assert again.stdout.count("goes on from step") == 1
    assert digests(project) == whole


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"SENTIMENT_PROCESSES": "two"}, "SENTIMENT_PROCESSES=two: it must be a number from 1"),
        ({"SENTIMENT_PROCESSES": "3"}, "train.batch_size = 8: 3 processes with 1 accumulated micro-batches each need a multiple of 3"),
    ],
)
def test_a_number_of_processes_that_cannot_be_is_one_line(project: Project, environment: dict[str, str], line: str) -> None:
    before = digests(project)
    done = project.run("python", "-m", "stages.train", check=False, **environment)
    assert done.returncode == 1
    assert done.stderr.strip() == f"error: {line}"
    assert digests(project) == before
