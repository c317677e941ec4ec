"""Fine-tuning a small random BERT: accumulation, stopping, keeping, resuming, losses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from sentiment.model.classifiers import load_classifier
from sentiment.model.encoders import folder_encoder
from sentiment.model.loading import load_tokenizer
from sentiment.model.runtime import Runtime
from sentiment.model.tokens import tokenize
from sentiment.terminal.errors import Interrupted
from sentiment.training.fine_tuning import fine_tune
from sentiment.training.history import Examples, Outcome
from sentiment.training.parameters import TrainParameters
from tests.imports import ROOT
from tests.models import tiny_bert

GOOD, BAD = "a good story and great acting", "a bad film and dull"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def encoder_without_dropout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "still"
    return tiny_bert(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


def settings(model: Path, **changes: Any) -> TrainParameters:
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["train"]
    defaults = {"model": str(model), "max_length": 32, "lr": 3e-3, "precision": "fp32"}
    return TrainParameters.model_validate({**values, **defaults, **changes})


def examples(tokenizer: Any, rows: int, flip: bool = False) -> Examples:
    texts = [f"{GOOD if row % 2 else BAD} " + "very " * (row % 7) for row in range(rows)]
    labels = np.array([(row % 2) ^ flip for row in range(rows)], dtype=np.int64)
    return Examples(tokenize(tokenizer, texts, 32, "head"), labels)


def train(chosen: TrainParameters, folder: Path, *, seed: int = 1, flip: bool = False, rows: int = 64, callbacks: Any = ()) -> Outcome:
    found = folder_encoder(Path(chosen.model))
    tokenizer = load_tokenizer(found)
    return fine_tune(
        lambda: load_classifier(found, ["bad", "good"], "cpu"),
        examples(tokenizer, rows),
        examples(tokenizer, 20, flip),
        chosen,
        seed,
        Runtime("cpu", "fp32", 1),
        folder,
        list(callbacks),
    )


def weights(outcome: Outcome) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in outcome.model.parameters()])


def test_it_learns_what_can_be_learned(encoder: Path, tmp_path: Path) -> None:
    outcome = train(settings(encoder, epochs=4), tmp_path)
    assert outcome.validations[-1].accuracy == 1.0
    assert outcome.steps[-1].loss < outcome.steps[0].loss
    assert len(outcome.steps) == 4 * 8
    assert [record.epoch for record in outcome.validations] == [1, 2, 3, 4]


def test_the_same_seed_gives_the_same_bits_and_another_does_not(encoder: Path, tmp_path: Path) -> None:
    first, again, other = (train(settings(encoder, epochs=1), tmp_path / str(run), seed=seed) for run, seed in enumerate((1, 1, 2)))
    assert torch.equal(weights(first), weights(again))
    assert first.steps == again.steps
    assert not torch.equal(weights(first), weights(other))


@pytest.mark.parametrize("changes", [{}, {"label_smoothing": 0.1}, {"class_weights": "balanced"}])
def test_accumulated_micro_batches_make_the_step_of_the_whole_batch(encoder_without_dropout: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    chosen = {"batch_size": 16, "epochs": 1, "lr": 1e-4, **changes}
    whole = train(settings(encoder_without_dropout, **chosen), tmp_path / "whole", rows=56)
    parts = train(settings(encoder_without_dropout, gradient_accumulation_steps=4, **chosen), tmp_path / "parts", rows=56)
    assert [record.loss for record in parts.steps] == pytest.approx([record.loss for record in whole.steps], rel=1e-4)
    assert [record.grad_norm for record in parts.steps] == pytest.approx([record.grad_norm for record in whole.steps], rel=1e-3)
    assert torch.allclose(weights(parts), weights(whole), atol=1e-5)


def test_the_first_loss_is_that_of_guessing(encoder: Path, tmp_path: Path) -> None:
    outcome = train(settings(encoder, epochs=1, lr=1e-6), tmp_path)
    assert outcome.steps[0].loss == pytest.approx(np.log(2), abs=0.15)


def test_training_stops_once_validation_gets_no_better(encoder: Path, tmp_path: Path) -> None:
    # The validation labels are the wrong way round: the better it learns, the worse it gets there.
    outcome = train(settings(encoder, epochs=10, early_stopping_patience=2), tmp_path, flip=True)
    assert len(outcome.validations) < 10
    assert len(outcome.validations) - 1 - outcome.validations.index(outcome.best) == 2


def test_keep_best_returns_the_model_of_the_lowest_validation_loss(encoder: Path, tmp_path: Path) -> None:
    last = train(settings(encoder, epochs=4), tmp_path / "last", flip=True)
    best = train(settings(encoder, epochs=4, keep="best"), tmp_path / "best", flip=True)
    short = train(settings(encoder, epochs=4, early_stopping_patience=1), tmp_path / "short", flip=True)
    assert best.best.epoch == 1
    assert best.steps == last.steps
    assert not torch.equal(weights(best), weights(last))
    # Early stopping with patience 1 ends one epoch after the best one: its curve is the beginning of the others'.
    assert short.validations == last.validations[:2]


def test_a_smoothed_or_weighted_loss_leaves_the_validation_loss_plain(encoder: Path, tmp_path: Path) -> None:
    plain = train(settings(encoder, epochs=1, lr=1e-9), tmp_path / "plain")
    smooth = train(settings(encoder, epochs=1, lr=1e-9, label_smoothing=0.3), tmp_path / "smooth")
    assert smooth.validations[0].loss == pytest.approx(plain.validations[0].loss, abs=1e-4)


def test_an_interrupted_training_resumes_within_an_epoch_to_the_same_bits(encoder: Path, tmp_path: Path) -> None:
    import os
    import signal

    from transformers import TrainerCallback

    class Interrupting(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 11:
                os.kill(os.getpid(), signal.SIGTERM)

    whole = train(settings(encoder, epochs=2), tmp_path / "whole")
    with pytest.raises(Interrupted, match="saved at step 1"):
        train(settings(encoder, epochs=2), tmp_path / "parts", callbacks=[Interrupting()])
    resumed = train(settings(encoder, epochs=2), tmp_path / "parts")
    assert torch.equal(weights(resumed), weights(whole))
    assert resumed.steps == whole.steps
    assert resumed.validations == whole.validations
