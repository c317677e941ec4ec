"""The README's pictures: figures side by side, curves replayed into a dashboard, and one line where something is missing."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sentiment.evaluation.paths import EVAL_REPORT
from sentiment.terminal.errors import UserError
from sentiment.tracking.tracker import RunInfo
from tools import pictures


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    EVAL_REPORT.mkdir(parents=True)
    for name, colour, size in zip(pictures.FIGURES, ("red", "green", "blue"), ((400, 300), (500, 330), (320, 300)), strict=True):
        Image.new("RGB", size, colour).save(EVAL_REPORT / f"{name}.png")
    return tmp_path


def test_figures_are_side_by_side_in_their_order(project: Path) -> None:
    pictures.result_picture(project / "whole.png")
    whole = Image.open(project / "whole.png")
    assert whole.width <= pictures.WIDTH and whole.height <= pictures.HEIGHT
    middle = whole.height // 2
    seen = [whole.getpixel((x, middle)) for x in (10, whole.width // 2, whole.width - 10)]
    assert seen == [(255, 0, 0), (0, 128, 0), (0, 0, 255)]
    assert not pictures.is_uniform(project / "whole.png")
    Image.new("RGB", (30, 30), "white").save(project / "empty.png")
    assert pictures.is_uniform(project / "empty.png")


def test_curves_are_recorded_as_the_training_did(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[tuple[dict[str, float], int]] = []
    started: list[RunInfo] = []

    class Run:
        def log(self, values: dict[str, float], step: int) -> None:
            logged.append((values, step))

        def finish(self) -> None:
            started.append(started[0])

    def start(info: RunInfo) -> Any:
        started.append(info)
        return Run()

    steps = b"step\tloss\tgrad_norm\tlr\n1\t0.7\t2.5\t1e-5\n2\t0.6\t2.0\t0\n"
    curves = {"steps.tsv": steps, "validation.tsv": b"step\tloss\taccuracy\n2\t0.65\t0.6\n"}
    monkeypatch.setattr(pictures, "start_training_run", start)
    monkeypatch.setattr(pictures, "read_output", lambda path, revision: curves[Path(path).name])
    pictures.replay("baseline", "abc", 0)
    assert logged == [
        ({"train/loss": 0.7, "train/grad_norm": 2.5, "train/lr": 1e-5}, 1),
        ({"train/loss": 0.6, "train/grad_norm": 2.0, "train/lr": 0}, 2),
        ({"validation/loss": 0.65, "validation/accuracy": 0.6}, 2),
    ]
    assert started[0].name == "baseline" and len(started) == 2

    monkeypatch.setattr(pictures, "read_output", lambda path, revision: None)
    with pytest.raises(UserError, match="baseline: its curves are neither in the cache nor on a remote: `make ablations` makes them"):
        pictures.replay("baseline", "abc", 0)


def test_what_is_missing_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="none of chromium, chromium-browser, google-chrome is installed"):
        pictures.main()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(UserError, match="there is no test report: `make run` first"):
        pictures.main()
