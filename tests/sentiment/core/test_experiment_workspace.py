"""In a shallow clone, an experiment that DVC would lose is refused before it trains; one in the workspace is not."""

import subprocess
from pathlib import Path

import pytest

from sentiment.core.experiment_workspace import refuse_lost_results
from sentiment.terminal.errors import UserError


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_experiments_that_dvc_would_lose_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, shallow = tmp_path / "whole", tmp_path / "shallow"
    whole.mkdir()
    git(whole, "init", "-q")
    for message in ("one", "two"):
        git(whole, "commit", "-q", "--allow-empty", "-m", message)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{whole}", str(shallow))
    monkeypatch.delenv("SENTIMENT_MAIN_ROOT", raising=False)
    for repository, is_shallow in ((whole, False), (shallow, True)):
        workspace = repository / ".dvc/tmp/exps/standalone/tmp1"
        workspace.mkdir(parents=True)
        monkeypatch.chdir(repository)
        refuse_lost_results()
        monkeypatch.chdir(workspace)
        if is_shallow:
            with pytest.raises(UserError, match="git fetch --unshallow"):
                refuse_lost_results()
        else:
            refuse_lost_results()
    git(shallow, "fetch", "-q", "--unshallow")
    refuse_lost_results()
