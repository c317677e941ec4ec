"""The local dashboard shows one run a training, with the test's figures in front and each figure below its own name."""

import base64
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sentiment.model.trained.judgement import Predictions
from sentiment.tracking import recording
from sentiment.tracking.tracker import RunInfo, log_folder, record_evaluation, start_training_run

INFO = RunInfo("baseline", "what it is", ["a-tag"], {"train.lr": 2e-5}, "0123456789abcdef")
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg==")
ANOTHER = RunInfo("baseline", "the same with other code", ["a-tag"], {}, "fedcba9876543210")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith(("SWANLAB_", "GIT_", "SENTIMENT_", "DVC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SWANLAB_SAVE_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("SWANLAB_LOG_DIR", str(tmp_path / "swanlog"))
    monkeypatch.setenv("SWANLAB_MODE", "local")
    monkeypatch.setattr(recording, "LIMIT_SECONDS", 120.0)
    monkeypatch.chdir(tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "swanboard"]:  # it reads its folder where it is imported
        del sys.modules[name]


def train(last: int, failed: bool = False, info: RunInfo = INFO) -> None:
    run = start_training_run(info)
    for step in range(1, last + 1):
        run.log({"train/loss": 1 / step, "train/grad_norm": float(step)}, step)
    run.finish(failed)


def evaluate(figure: Path) -> None:
    predictions = Predictions(np.array([[0.9, 0.1], [0.2, 0.8]]), np.zeros(2), np.array([0, 1]))
    record_evaluation(INFO, 3, {"accuracy": 0.9, "macro_f1": 0.8, "roc_auc": None}, [figure], predictions, ["negative", "positive"])


def table() -> dict[str, Any]:
    """What the dashboard's table of runs is made of."""
    from swanboard.controller.project import get_project_summary
    from swanboard.db import connect

    connect(autocreate=False, path=str(log_folder()))
    data: dict[str, Any] = json.loads(bytes(get_project_summary().body))["data"]
    return data


def test_a_resumed_training_replaces_what_was_interrupted() -> None:
    train(2, failed=True)
    train(3)
    assert table()["summaries"] == {"baseline": {"train/loss": 1 / 3, "train/grad_norm": 3.0}}
    assert len(list(log_folder().glob("run-*"))) == 1


def test_another_training_and_one_that_ended_well_stay() -> None:
    train(2, failed=True)
    train(3, info=ANOTHER)
    train(3, info=ANOTHER)
    assert len(table()["summaries"]) == 3


def test_the_tests_figures_come_first_and_are_no_charts(tmp_path: Path) -> None:
    (tmp_path / "confusion.png").write_bytes(b"a picture")
    train(3)
    evaluate(tmp_path / "confusion.png")
    (tmp_path / "confusion.png").write_bytes(b"another picture")
    evaluate(tmp_path / "confusion.png")  # again
    shown = table()
    figures = {"test/accuracy": 0.9, "test/macro_f1": 0.8, "train/loss": 1 / 3, "train/grad_norm": 3.0, "figures/confusion": ["confusion.png"]}
    assert shown["summaries"] == {"baseline": figures}
    assert shown["tags"][:2] == ["test/accuracy", "test/macro_f1"]
    from swanboard.db.models import Chart

    names = [chart.name for chart in Chart.select() if chart.experiment_id is not None]
    assert sorted(names) == ["figures/confusion", "train/grad_norm", "train/loss"]
    (picture,) = log_folder().glob("run-*/media/*/confusion.png")
    assert picture.read_bytes() == b"another picture"


def test_the_test_of_a_training_from_the_cache_gets_a_run_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "confusion.png").write_bytes(PIXEL)
    evaluate(tmp_path / "confusion.png")
    assert list(table()["summaries"]) == ["baseline-eval"]
    assert "it has no run: the test gets one of its own" in capsys.readouterr().out
