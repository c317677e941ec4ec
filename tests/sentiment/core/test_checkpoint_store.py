"""All trainings' checkpoints: listed, and removed whole or not at all."""

from pathlib import Path

import pytest

from sentiment.core.checkpoint_store import list_checkpoints, lock_training, remove_checkpoint
from sentiment.core.files import write_json


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A main checkout with checkpoints of two trainings, and what a killed removal left behind."""
    monkeypatch.setenv("SENTIMENT_MAIN_ROOT", str(tmp_path))
    folder = tmp_path / ".checkpoints"
    for name, step in (("abc", 114), ("def", 300)):
        (folder / name / f"checkpoint-{step}").mkdir(parents=True)
        (folder / name / f"checkpoint-{step}" / "weights").write_bytes(bytes(1000))
        manifest = {"files": {}, "step": step, "steps": 300, "seconds": 60.5, "ended": step == 300, "experiment": "baseline"}
        write_json(folder / name / f"checkpoint-{step}" / "manifest.json", manifest)
    (folder / ".removed-old-1/checkpoint-1").mkdir(parents=True)
    return folder


def test_they_are_listed_with_how_far_they_are(root: Path) -> None:
    first, second = list_checkpoints()
    assert (first.name, first.step, first.steps, first.seconds, first.ended, first.locked, first.experiment) == (
        "abc",
        114,
        300,
        60.5,
        False,
        False,
        "baseline",
    )
    assert first.size > 1000
    assert second.ended
    with lock_training("abc") as mine:
        assert mine
        assert [one.locked for one in list_checkpoints()] == [True, False]


def test_removal_takes_the_lock_and_what_an_earlier_one_left(root: Path) -> None:
    assert remove_checkpoint("abc")
    assert [path.name for path in root.iterdir()] == ["def"]
    assert remove_checkpoint("abc")  # once more is no error
    assert [path.name for path in root.iterdir()] == ["def"]


def test_what_a_process_is_at_is_not_removed(root: Path) -> None:
    with lock_training("abc"):
        assert not remove_checkpoint("abc")
    assert (root / "abc/checkpoint-114/weights").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../data", "/tmp", ".removed-old-1"])
def test_a_name_that_is_none_removes_nothing(root: Path, name: str) -> None:
    before = sorted(root.parent.rglob("*"))
    remove_checkpoint(name)
    assert sorted(root.parent.rglob("*")) == before
