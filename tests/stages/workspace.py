"""A folder in which stages run as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.imports import ROOT

GOOD = [{"text": f"review number {row} of some length", "label": row % 2, "film": f"film {row // 4}"} for row in range(40)]

CHALLENGE = [{"text": f"hard review number {row}", "label": row % 2, "film": "another", "phenomenon": "turn"} for row in range(4)]


class Workspace:
    """A folder with params.yaml and data, in which stages are run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.parameters: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        (root / "data").mkdir()
        self.write("data/source.jsonl", lines(GOOD))
        self.write("data/challenge.jsonl", lines(CHALLENGE))
        (root / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        self.set("prepare", source="data/source.jsonl")

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def set(self, section: str, **values: Any) -> None:
        """Change parameters."""
        self.parameters[section].update(values)
        self.write("params.yaml", yaml.safe_dump(self.parameters, sort_keys=False))

    def run(self, stage: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a stage here."""
        return subprocess.run(
            [sys.executable, "-m", f"stages.{stage}"],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(ROOT), "SWANLAB_MODE": "disabled", **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def outputs(self) -> dict[str, bytes]:
        """Everything a stage could have written."""
        folders = [self.root / name for name in ("data/prepared", "data/split", "models", "reports")]
        left_over = list(self.root.rglob("*.partial"))
        files = [path for folder in folders if folder.exists() for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in [*files, *left_over] if path.is_file()}

    def refused(self, stage: str, *expected: str, **environment: str) -> None:
        """Run a stage that must end in one line and leave everything as it was."""
        before = self.outputs()
        done = self.run(stage, **environment)
        assert done.returncode == 1, done.stdout + done.stderr
        assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1, done.stderr
        for words in expected:
            assert words in done.stderr
        assert self.outputs() == before


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def with_row(number: int, row: dict[str, Any] | str) -> str:
    """The good rows with another one at a line, counted from 1."""
    texts = lines(GOOD).splitlines(keepends=True)
    texts[number - 1] = (row if isinstance(row, str) else json.dumps(row)) + "\n"
    return "".join(texts)
