"""One row of the table in docs/encoders.md: a family trained, interrupted and resumed, saved, tested, and read by transformers alone."""

import os
import signal
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml
from transformers import TrainerCallback, pipeline

from sentiment.evaluation.classifier import Classifier
from sentiment.model.classification import load_classifier, try_encoder
from sentiment.model.encoders import folder_encoder
from sentiment.model.loading import load_tokenizer
from sentiment.model.runtime import Runtime
from sentiment.model.text_settings import TextSettings
from sentiment.model.tokens import tokenize
from sentiment.model.trained.temperature import Temperature
from sentiment.terminal.errors import Interrupted
from sentiment.training.fine_tuning import fine_tune
from sentiment.training.history import Examples, Outcome
from sentiment.training.parameters import TrainParameters
from stages.train import save_model
from tests.families import CHINESE
from tests.imports import ROOT
from tests.models import WORDS

CLASSES = ["bad", "good"]
LENGTH = 32
# Far apart after a few steps; smoothed labels keep the probabilities from 0 and 1, where differences would not show.
BAD, GOOD = "a bad film and dull", "a good story and great acting"
CHINESE_SENTENCES = "一个无聊的片子", "很好的故事和精彩的表演"


@dataclass(frozen=True)
class Row:
    """What came of a family in one precision.

    Attributes
    ----------
    family : str
        Which.
    precision : str
        The one computed in: a family that cannot take bf16 is computed in fp32.
    accuracy : float
        Of the last evaluation in training, on texts like those trained on.
    test_accuracy : float
        Of the model as eval loads it, on the same texts.
    resumes : bool
        A training that was interrupted within an epoch came to the same bits.
    difference : float
        Largest difference between a probability of eval's and one of transformers' pipeline.
    """

    family: str
    precision: str
    accuracy: float
    test_accuracy: float
    resumes: bool
    difference: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class _Interrupting(TrainerCallback):
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 1:
            os.kill(os.getpid(), signal.SIGTERM)


def make_row(family: str, encoder_folder: Path, precision: str, work: Path, epochs: int = 10) -> Row:
    """Take a model through everything that is done with one."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["train"]
    changes = {"model": f"encoders/{family}", "max_length": LENGTH, "lr": 3e-3, "epochs": epochs, "precision": precision}
    changes |= {"batch_size": 8, "label_smoothing": 0.2}
    settings = TrainParameters.model_validate({**values, **changes})
    runtime = Runtime("cpu", precision, torch.get_num_threads())
    encoder = folder_encoder(encoder_folder)
    tokenizer = load_tokenizer(encoder)
    trial = try_encoder(encoder, tokenizer, CLASSES, "new", runtime)
    assert trial.head == "new"
    runtime = runtime if trial.bf16 else replace(runtime, precision="fp32")
    # 26 rows: the last step of an epoch is a short one, and some text is cut.
    bad, good, words = (*CHINESE_SENTENCES, list(CHINESE)) if family == "bert-chinese" else (BAD, GOOD, WORDS)
    texts = [f"{good if row % 2 else bad} " + " ".join(words if row == 7 else words[: row % 7]) for row in range(26)]
    labels = np.array([row % 2 for row in range(len(texts))], dtype=np.int64)
    examples = Examples(tokenize(tokenizer, texts, LENGTH, "head"), labels)

    def train(folder: str, *callbacks: TrainerCallback) -> Outcome:
        load = lambda: load_classifier(encoder, CLASSES, "cpu")  # noqa: E731
        return fine_tune(load, examples, examples, settings, 1, runtime, work / folder, list(callbacks))

    whole = train("whole")
    with pytest.raises(Interrupted):
        train("parts", _Interrupting())
    resumed = train("parts")
    reading = TextSettings(LENGTH, "head", False, precision)
    save_model(whole, tokenizer, reading, Temperature(), "", work / "model")
    table = pa.table({"text": texts, "label": labels})
    predictions, _ = Classifier(work / "model", runtime, reading, 8).classify(table, "test")
    return Row(
        family,
        runtime.precision,
        whole.validations[-1].accuracy,
        predictions.accuracy,
        whole.steps == resumed.steps and whole.validations == resumed.validations and same_weights(whole.model, resumed.model),
        float(np.abs(predictions.probabilities - _by_pipeline(work / "model", texts, runtime)).max()),
    )


def same_weights(first: Any, second: Any) -> bool:
    """Tell whether two models have the same bits."""
    theirs = second.state_dict()
    return all(torch.equal(weight, theirs[name]) for name, weight in first.state_dict().items())


def _by_pipeline(folder: Path, texts: list[str], runtime: Runtime) -> np.ndarray:
    classify = pipeline("text-classification", model=str(folder), truncation=True, top_k=None, device="cpu")
    with runtime.autocast():
        answers = classify(texts)
    return np.array([[{score["label"]: score["score"] for score in answer}[name] for name in CLASSES] for answer in answers])
