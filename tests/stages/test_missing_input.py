"""Stages started too early or with a model that cannot be used: one line, and what stood there before stays."""

from pathlib import Path

import pytest

from tests.models import tiny_bert
from tests.stages.workspace import Workspace


def test_split_before_prepare_says_what_to_run(workspace: Workspace) -> None:
    workspace.refused("split", "data/prepared", "run the stage prepare first")
    (workspace.root / "data/prepared").mkdir()
    workspace.refused("split", "data/prepared", "run the stage prepare first")


def test_a_damaged_table_between_the_stages_is_refused(workspace: Workspace) -> None:
    assert workspace.run("prepare").returncode == 0
    assert workspace.run("split").returncode == 0
    workspace.write("data/prepared/all.parquet", b"PAR1")
    workspace.refused("split", "data/prepared/all.parquet is not what the stage prepare wrote", "python -m stages.prepare")
    (workspace.root / "data/prepared/checksums.json").unlink()  # made by an older version
    workspace.refused("split", "data/prepared/all.parquet: cannot be read as a table")


@pytest.fixture
def trained(workspace: Workspace) -> Workspace:
    """A workspace in which a model stands that an earlier training left."""
    for name in ("models/classifier/config.json", "reports/train/steps.tsv", "reports/train.json"):
        workspace.write(name, "of an earlier training")
    return workspace


def test_train_before_split_says_what_is_missing(trained: Workspace) -> None:
    tiny_bert(trained.root / "encoders/tiny")
    trained.set("train", model="encoders/tiny", max_length=32)
    trained.refused("train", "data/split/train.parquet")


def test_train_refuses_a_folder_without_a_tokenizer(trained: Workspace) -> None:
    for path in tiny_bert(trained.root / "encoders/tiny").iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    trained.set("train", model="encoders/tiny", max_length=32)
    trained.refused("train", "train.model = encoders/tiny", "has no tokenizer")


def test_a_source_folder_without_data_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "data/folder").mkdir()
    (tmp_path / "data/folder/notes.md").touch()
    workspace.set("prepare", source="data/folder")
    workspace.refused("prepare", "prepare.source = data/folder", ".jsonl, .csv")
    workspace.set("prepare", source="data/folder/notes.md")
    workspace.refused("prepare", "unknown kind of file")


def test_half_an_emoji_in_the_source_is_refused_with_its_line(workspace: Workspace) -> None:
    workspace.write("data/source.jsonl", '{"text": "fine", "label": 1, "film": "a"}\n{"text": "cut \\ud83d", "label": 1, "film": "a"}\n')
    workspace.refused("prepare", "data/source.jsonl, line 2", "half a character")
