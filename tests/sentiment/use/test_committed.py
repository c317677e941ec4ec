"""What queued and temporary experiments would lack is said beforehand, with the command that helps."""

import subprocess
from pathlib import Path

import pytest

from ablations.plan.survey import check_source
from sentiment.terminal.errors import UserError
from sentiment.use.committed import commit, commit_command, warn_of_uncommitted, what_to_commit

SOURCE = Path("data/mine.jsonl")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "SENTIMENT_MAIN_ROOT"):
        monkeypatch.delenv(name, raising=False)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.org")
    subprocess.run(["git", "init", "-q"], check=True)
    SOURCE.parent.mkdir()
    SOURCE.write_text("{}\n")
    return tmp_path


def test_an_untracked_source_is_refused_with_the_command_that_adds_it(repository: Path) -> None:
    with pytest.raises(UserError, match="would lack it: git add data/mine.jsonl && git commit") as refused:
        check_source(str(SOURCE))
    subprocess.run(["sh", "-c", str(refused.value).partition("would lack it: ")[2]], check=True)
    check_source(str(SOURCE))
    assert what_to_commit(SOURCE) == []
    SOURCE.write_text("{} \n")
    assert what_to_commit(SOURCE) == [str(SOURCE)]


def test_an_untracked_folder_is_said_with_the_command_that_adds_it(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = Path("encoders/mine")
    model.mkdir(parents=True)
    (model / "config.json").touch()
    warn_of_uncommitted("train", model)
    said = capsys.readouterr().out.strip()
    assert said.startswith("train: experiments with --temp or --queue would lack encoders/mine; commit it: git add ")
    subprocess.run(["sh", "-c", said.partition("commit it: ")[2]], check=True)
    warn_of_uncommitted("train", model)
    assert capsys.readouterr().out == ""


def test_nothing_but_the_source_is_committed(repository: Path) -> None:
    Path("other").touch()
    subprocess.run(["git", "add", "other"], check=True)
    Path("data/mine.jsonl.dvc").touch()
    Path("data/.gitignore").write_text("/mine.jsonl\n")
    files = what_to_commit(SOURCE)
    assert files == ["data/mine.jsonl.dvc", "data/.gitignore"]
    assert commit_command(files, "x").startswith("git add data/mine.jsonl.dvc data/.gitignore && ")
    commit(files, "x")
    listed = subprocess.run(["git", "ls-tree", "-r", "--name-only", "HEAD"], capture_output=True, text=True, check=True).stdout.split()
    assert listed == ["data/.gitignore", "data/mine.jsonl.dvc"]


def test_a_temporary_workspace_needs_no_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_MAIN_ROOT", str(repository.parent))
    assert what_to_commit(SOURCE) == []
