"""Errors in a training of several processes: each is said once, by whichever process meets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import ROOT

PROGRAM = """
import time
from sentiment.model.together import processes
from sentiment.terminal.errors import UserError, run_main

def main():
    if processes.launch("program"):
        return
    time.sleep(0 if processes.rank() else {first_waits})
    raise UserError(f"met by process {{processes.rank()}}")

if __name__ == "__main__":
    run_main(main)
"""


@pytest.mark.parametrize(("first_waits", "said"), [(1.5, "error: met by process 0"), (60, "error: met by process 1")])
def test_an_error_is_said_once_whichever_process_is_faster(first_waits: float, said: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM.format(first_waits=first_waits))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)]), "SENTIMENT_PROCESSES": "2"}
    done = subprocess.run([sys.executable, "-m", "program"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == [said]
    if first_waits < 60:
        assert done.stderr.splitlines() == [said]
