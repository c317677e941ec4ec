"""Folders of models in which something is missing, cut off or does not belong to the rest: one line that names the file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sentiment.terminal.errors import UserError
from sentiment.use.predict import Predictor
from tests.trained import tiny_classifier

SETTINGS = {"max_length": 32, "truncation": "head", "strip_html": True, "precision": "fp32"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_classifier(tmp_path_factory.mktemp("model") / "classifier")


def half(name: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[: (folder / name).stat().st_size // 2])


def holding(name: str, content: Any) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))


def without(name: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).unlink()


def config(**values: Any) -> Callable[[Path], Any]:
    return lambda folder: holding("config.json", {**json.loads((folder / "config.json").read_text()), **values})(folder)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (half("model.safetensors"), "cannot be loaded"),
        (without("model.safetensors"), "cannot be loaded"),
        (half("config.json"), "cannot be loaded"),
        (holding("config.json", []), "cannot be loaded"),
        (half("tokenizer.json"), "cannot be loaded"),
        (without("tokenizer.json"), "there is no tokenizer"),
        (config(vocab_size=10), "cannot be loaded"),
        (config(id2label={"0": "a", "1": "a"}, label2id={"a": 0}), "two classes bear the same name"),
        (half("text_settings.json"), "text_settings.json: missing or broken"),
        (holding("text_settings.json", {**SETTINGS, "max_length": "32"}), "text_settings.json: max_length is '32'"),
        (holding("text_settings.json", {**SETTINGS, "max_length": True}), "text_settings.json: max_length is True"),
        (holding("text_settings.json", {**SETTINGS, "max_length": 2}), "text_settings.json: max_length is 2"),
        (holding("text_settings.json", {**SETTINGS, "max_length": 100_000}), "the model reads 64 tokens at most"),
        (holding("text_settings.json", {**SETTINGS, "truncation": "middle"}), "text_settings.json: truncation is 'middle'"),
        (holding("text_settings.json", {**SETTINGS, "strip_html": "no"}), "text_settings.json: strip_html is 'no'"),
        (holding("text_settings.json", {**SETTINGS, "precision": "fp8"}), "text_settings.json: precision is 'fp8'"),
        (holding("temperature.json", ""), "temperature.json: broken"),
        (holding("temperature.json", '{"value": NaN}'), "temperature.json: broken"),
        (holding("temperature.json", '{"value": -1}'), "temperature.json: broken"),
        (holding("temperature.json", '{"value": 1e400}'), "temperature.json: broken"),
        (holding("temperature.json", '{"value": true}'), "temperature.json: broken"),
    ],
)
def test_it_is_refused_in_one_line(model: Path, tmp_path: Path, harm: Callable[[Path], Any], words: str) -> None:
    folder = shutil.copytree(model, tmp_path / "harmed")
    harm(folder)
    with pytest.raises(UserError) as refused:
        Predictor(folder)
    assert words in str(refused.value) and str(folder) in str(refused.value)
