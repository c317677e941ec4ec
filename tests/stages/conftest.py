"""Fixtures of the stages' tests."""

from pathlib import Path

import pytest

from tests.stages.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)
