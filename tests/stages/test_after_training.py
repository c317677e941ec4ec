"""The stages reference and eval where counting words has nothing to count, and on files that were damaged after they were written."""

import json
import random

import pytest

from tests.models import tiny_bert
from tests.stages.workspace import Workspace, lines

# No word of two letters in it: the simpler method has nothing to count, the classifier can be trained all the same.
LETTERS = random.Random(0)
SIGNS = [{"text": " ".join(["👎👍"[row % 2], *LETTERS.choices("abcdefgh", k=12)]), "label": row % 2, "film": f"film {row // 4}"} for row in range(40)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which all stages ran."""
    workspace = Workspace(tmp_path_factory.mktemp("finished"))
    workspace.write("data/source.jsonl", lines(SIGNS))
    tiny_bert(workspace.root / "encoders/tiny")
    workspace.set("train", model="encoders/tiny", max_length=32, epochs=1)
    workspace.set("eval", bootstrap_resamples=100)
    for stage in ("prepare", "split", "reference", "train", "eval"):
        done = workspace.run(stage)
        assert done.returncode == 0, done.stdout + done.stderr
    return workspace


def test_where_no_word_can_be_counted_the_reference_says_why(finished: Workspace) -> None:
    assert json.loads((finished.root / "reports/reference.json").read_text())["tfidf_accuracy"] is None
    report = (finished.root / "reports/eval/report.md").read_text(encoding="utf-8")
    assert "not available for comparison: no word of two or more letters or digits occurs in the training texts." in report
    assert json.loads((finished.root / "reports/eval.json").read_text())["accuracy"] >= 0
