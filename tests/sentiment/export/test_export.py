"""Exported classifiers: the same answers, without torch, and an honest comparison."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from sentiment.evaluation.metrics import Interval
from sentiment.evaluation.paired_answers import McNemar
from sentiment.export.agreement import Agreement, Exported, compare_answers, page
from sentiment.export.conversion import export_classifier
from sentiment.export.description import read_description
from sentiment.export.onnx_reader import OnnxClassifier
from sentiment.model.runtime import start_runtime
from sentiment.model.text_settings import read_text_settings
from sentiment.model.trained.reader import TextClassifier
from sentiment.model.trained.temperature import Temperature, write_temperature
from sentiment.terminal.errors import UserError
from tests.imports import ROOT
from tests.trained import tiny_classifier

TEXTS = ["a great film", "not good", "so dull", "the ending of a very long movie and its story " * 8, "I was bored, and you?", "z"]
FORMATS = ["onnx", "onnx-int8"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_classifier(tmp_path_factory.mktemp("trained") / "classifier")
    write_temperature(folder, Temperature(value=2.0, unused=None))
    return folder


@pytest.fixture(scope="module")
def exported(classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    export_classifier(classifier, FORMATS, folder)
    return folder


def torch_logits(classifier: Path) -> np.ndarray:
    return TextClassifier(classifier, start_runtime("fp32"), read_text_settings(classifier), 4).read(TEXTS)[0]


def test_an_exported_model_answers_as_pytorch_does(classifier: Path, exported: Path) -> None:
    expected = torch_logits(classifier)
    logits, lengths = OnnxClassifier(exported / "onnx", 4).read(TEXTS)
    assert np.abs(logits - expected).max() < 1e-4 < np.abs(expected).max()
    assert lengths[3] > read_description(exported / "onnx").max_length  # it was cut as PyTorch's is
    rough, _ = OnnxClassifier(exported / "onnx-int8", 4).read(TEXTS)
    assert 0 < np.abs(rough - expected).max() < 0.5 * np.abs(expected).max()
    assert (exported / "onnx-int8" / "model.onnx").stat().st_size < (exported / "onnx" / "model.onnx").stat().st_size


def test_a_model_carries_how_to_read_a_text(exported: Path) -> None:
    stored = {entry.key: json.loads(entry.value) for entry in onnx.load(exported / "onnx" / "model.onnx").metadata_props}
    assert stored == read_description(exported / "onnx").as_metadata()
    assert (stored["class_names"], stored["temperature"], stored["max_length"], stored["fused"]) == (["negative", "positive"], 2.0, 32, True)


def test_predict_answers_without_torch_and_transformers(exported: Path) -> None:
    refuse = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in ('torch', 'transformers'): raise ImportError(name + ' is not here')\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import runpy\n"
        "runpy.run_module('sentiment', run_name='__main__')\n"
    )
    options = ["predict", "--backend", "onnx", "--model", str(exported), "a <b>great</b> film", ""]
    done = subprocess.run([sys.executable, "-c", refuse, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, empty = map(json.loads, done.stdout.splitlines())
    low, high = OnnxClassifier(exported / "onnx", 64).read(["a great film"])[0][0]
    assert first["probability_positive"] == pytest.approx(1 / (1 + np.exp((low - high) / 2.0)))  # at the temperature of 2
    assert empty["label"] is None


def test_what_is_missing_is_said_in_one_line(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"no exported model: set `export.formats: \[onnx\]`"):
        OnnxClassifier(tmp_path, 4)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="onnxruntime is not installed: pip install -r requirements-onnx.txt"):
        OnnxClassifier(exported / "onnx", 4)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match="export.formats: onnx is not installed: pip install -r requirements-onnx.txt"):
        export_classifier(tmp_path, FORMATS, tmp_path)


def agreement(low: float, high: float, p_value: float, changed: int = 5) -> Agreement:
    return Agreement(400, 0.9, 0.9 + (low + high) / 2, Interval(low, high), McNemar(1, 2, p_value), changed, 0.1)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (agreement(0, 0, 1, changed=0), "the same class for every test text"),
        (agreement(-0.005, 0.03, 0.5), "practically as accurate: it costs at most 0.5%"),
        (agreement(-0.03, 0.02, 0.7), "no loss of accuracy is shown, but one of up to 3.0% is not ruled out"),
        (agreement(-0.06, -0.02, 0.001), "it costs accuracy: up to 6.0%"),
    ],
)
def test_a_verdict_says_what_the_interval_allows(found: Agreement, words: str) -> None:
    assert found.verdict.startswith(words)
    assert f"- `onnx-int8`: {words}" in page([Exported("onnx-int8", True, 10, found)])


def test_a_comparison_counts_what_changed() -> None:
    labels = np.array([0, 1, 1, 0])
    before = np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 2.0], [0.0, 2.0]])
    after = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 0.0]])
    found = compare_answers(before, after, labels, None, 500)
    assert (found.accuracy, found.exported_accuracy, found.labels_changed) == (0.75, 0.75, 2)
    assert (found.test.only_first, found.test.only_second, found.test.p_value) == (1, 1, 1.0)
    assert found.largest_change == pytest.approx(np.tanh(1.0))
    assert found.interval.low < 0 < found.interval.high
