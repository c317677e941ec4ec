"""The stages reference and eval where counting words has nothing to count, and on files that were damaged after they were written."""

import copy
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sentiment.evaluation.reference_files import read_reference
from sentiment.terminal.errors import UserError
from tests.models import tiny_bert
from tests.stages.workspace import Workspace, lines

Damage = Callable[[str, bytes], None]

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


def test_private_texts_are_found_in_no_report(finished: Workspace, tmp_path: Path) -> None:
    private = Workspace(tmp_path)
    shutil.copytree(finished.root, private.root, dirs_exist_ok=True)
    private.parameters = copy.deepcopy(finished.parameters)
    private.set("eval", texts_in_reports=False)
    texts = [row["text"] for row in SIGNS]

    def shown() -> set[str]:
        files = [path for name in ("reports", "models") for path in (private.root / name).rglob("*") if path.is_file()]
        tables = [pq.read_table(path).to_pylist() for path in files if path.suffix == ".parquet"]
        content = str(tables) + "".join(path.read_bytes().decode(errors="replace") for path in files)
        return {text for text in texts if text in content}

    assert shown()
    assert "<table>" in (private.root / "reports/eval/report.html").read_text(encoding="utf-8")
    for stage in ("reference", "eval"):
        done = private.run(stage)
        assert done.returncode == 0, done.stdout + done.stderr
    assert not shown()
    mistakes = json.loads((private.root / "reports/eval/mistakes.json").read_text(encoding="utf-8"))
    assert mistakes and all(mistake["text"] is None and mistake["id"] for mistake in mistakes)
    assert json.loads((private.root / "reports/eval.json").read_text()) == json.loads((finished.root / "reports/eval.json").read_text())


@pytest.fixture
def damaged(finished: Workspace) -> Iterator[Damage]:
    """Give other content to files of the workspace; they are whole again after the test."""
    whole: dict[Path, bytes] = {}

    def damage(name: str, content: bytes) -> None:
        path = finished.root / name
        whole.setdefault(path, path.read_bytes())
        path.write_bytes(content)

    yield damage
    for path, content in whole.items():
        path.write_bytes(content)


def flipped(content: bytes, position: int = -1000) -> bytes:
    position %= len(content)
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


@pytest.mark.parametrize(
    ("stage", "name", "written_by"),
    [
        ("reference", "data/split/test.parquet", "split"),
        ("train", "data/split/train.parquet", "split"),
        ("eval", "models/classifier/model.safetensors", "train"),
        ("eval", "reports/reference/summary.json", "reference"),
    ],
)
def test_one_flipped_bit_is_never_accepted(finished: Workspace, damaged: Damage, stage: str, name: str, written_by: str) -> None:
    damaged(name, flipped((finished.root / name).read_bytes()))
    finished.refused(stage, f"{name} is not what the stage {written_by} wrote", f"python -m stages.{written_by}")


def test_half_a_classifier_without_checksums_is_refused_in_one_line(finished: Workspace, damaged: Damage) -> None:
    damaged("models/classifier/checksums.json", b'{"files": {}}')
    content = (finished.root / "models/classifier/model.safetensors").read_bytes()
    damaged("models/classifier/model.safetensors", content[: len(content) // 2])
    finished.refused("eval", "models/classifier: the model cannot be loaded", "dvc repro train")


def test_a_reference_of_another_form_is_refused_in_one_line(finished: Workspace, damaged: Damage) -> None:
    folder = finished.root / "reports/reference"
    for summary in (b"[]", b"{}", b'{"accuracy": "high", "challenge_accuracy": null}', b'{"accuracy": null, "challenge_accuracy": null}'):
        damaged("reports/reference/summary.json", summary)
        with pytest.raises(UserError, match="missing or broken: run the stage reference first"):
            read_reference(folder)
