"""What a short command loads, and what it spares itself."""

import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sentiment.use.quick_start import loading
from tests.imports import ROOT
from tests.trained import tiny_classifier

WATCHED = """
import atexit, gc, json, sys
from sentiment.__main__ import main
needless = [name for name in ("pandas", "datasets", "sklearn", "matplotlib", "dvc", "swanlab", "fastapi") ]
found = lambda: [gc.get_freeze_count(), len(gc.get_objects()), [name for name in needless if name in sys.modules]]
atexit.register(lambda: print(json.dumps(found())))
main()
"""


def test_garbage_is_looked_for_again_after_loading() -> None:
    assert gc.isenabled()
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled() and gc.get_freeze_count() > 0
    with pytest.raises(ZeroDivisionError), loading():
        _ = 1 / 0
    assert gc.isenabled()


def test_one_answer_loads_only_what_it_needs_and_ends_without_looking_through_it(tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / "classifier")
    command = [sys.executable, "-c", WATCHED, "predict", "--model", str(model), "good"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    frozen, others, needless = json.loads(done.stdout.splitlines()[-1])
    assert frozen > 20 * others
    assert needless == []
