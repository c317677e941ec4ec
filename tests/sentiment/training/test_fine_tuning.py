"""Fine-tuning a small random BERT: accumulation, stopping, keeping, resuming, losses."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from transformers import TrainerCallback

from sentiment.model.classification import load_classifier
from sentiment.model.encoders import folder_encoder
from sentiment.model.loading import load_tokenizer
from sentiment.model.prediction import predict
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


def examples(tokenizer: Any, rows: int, flip: bool = False, every: int = 2) -> Examples:
    """One text in `every` is a good one."""
    good = [row % every == every - 1 for row in range(rows)]
    texts = [f"{GOOD if one else BAD} " + "very " * (row % 7) for row, one in enumerate(good)]
    return Examples(tokenize(tokenizer, texts, 32, "head"), np.array([one ^ flip for one in good], dtype=np.int64))


def train(
    chosen: TrainParameters,
    folder: Path,
    *,
    seed: int = 1,
    flip: bool = False,
    rows: int = 64,
    every: int = 2,
    dtype: torch.dtype = torch.float32,
    callbacks: Any = (),
) -> Outcome:
    found = folder_encoder(Path(chosen.model))
    tokenizer = load_tokenizer(found)
    return fine_tune(
        lambda: load_classifier(found, ["bad", "good"], "cpu").to(dtype),
        examples(tokenizer, rows, every=every),
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


class Gradients(TrainerCallback):
    """Keeps the gradient of each step."""

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self.steps.append(torch.cat([parameter.grad.flatten() for parameter in more["model"].parameters() if parameter.grad is not None]))


@pytest.mark.parametrize("changes", [{}, {"label_smoothing": 0.1}, {"class_weights": "balanced"}])
def test_accumulated_micro_batches_make_the_step_of_the_whole_batch(encoder_without_dropout: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    # AdamW turns a gradient of rounding size into a step of full size, whose sign is the processor's: so weights that
    # stay where they are, and gradients. One example a step gives the gradients that every larger step is the mean of.
    rows, batch = 56, 16
    frozen = {"epochs": 1, "lr": 1e-30, "max_grad_norm": 1e6, "batching": "random", "weight_decay": 0.0, **changes}
    found: dict[str, tuple[Outcome, list[torch.Tensor]]] = {}
    for name, size in {
        "single": {"batch_size": 1},
        "whole": {"batch_size": batch},
        "parts": {"batch_size": batch, "gradient_accumulation_steps": 4},
    }.items():
        gradients = Gradients()
        chosen = settings(encoder_without_dropout, **frozen, **size)
        found[name] = train(chosen, tmp_path / name, rows=rows, every=4, dtype=torch.float64, callbacks=[gradients]), gradients.steps

    # The model is in float64, the loss in float32 with unit roundoff 2^-24. Loss and derivative of an example take at
    # most 16 roundings relative to its own size, and two trainings are compared: 32 of them, times the mean size.
    bound = 32 * 2.0**-24
    single, singles = found["single"]
    of_step = [slice(start, min(start + batch, rows)) for start in range(0, rows, batch)]
    for outcome, gradients_of_steps in (found["whole"], found["parts"]):
        assert len(outcome.steps) == len(gradients_of_steps) == len(of_step) == 4
        for record, gradient, step in zip(outcome.steps, gradients_of_steps, of_step, strict=True):
            rounding = bound * float(torch.stack(singles[step]).norm(dim=1).mean())
            assert float((gradient - torch.stack(singles[step]).mean(dim=0)).norm()) <= rounding
            assert record.grad_norm == pytest.approx(float(gradient.norm()), abs=rounding)
            assert record.loss == pytest.approx(np.mean([one.loss for one in single.steps[step]]), rel=bound)


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


def test_a_smoothed_or_weighted_loss_trains_and_leaves_the_validation_loss_plain(encoder_without_dropout: Path, tmp_path: Path) -> None:
    # The weights stay where they are, so that the losses of the epoch's steps are those of one model.
    frozen = {"epochs": 1, "lr": 1e-30, "weight_decay": 0.0}
    plain, smooth, weighted = (
        train(settings(encoder_without_dropout, **frozen, **changes), tmp_path / str(number), every=4)
        for number, changes in enumerate(({}, {"label_smoothing": 0.3}, {"class_weights": "balanced"}))
    )
    assert smooth.validations == weighted.validations == plain.validations

    data = examples(load_tokenizer(folder_encoder(encoder_without_dropout)), 64, every=4)
    answer = predict(plain.model, data.texts, data.labels, 8, Runtime("cpu", "fp32", 1))
    uniform = -np.log(answer.probabilities).mean(axis=1)
    weights_of_classes = np.array([64 / (2 * 48), 64 / (2 * 16)])  # rows over classes times the class's own rows
    expected = {
        "plain": answer.losses.mean(),
        "smooth": (0.7 * answer.losses + 0.3 * uniform).mean(),
        "weighted": (weights_of_classes[data.labels] * answer.losses).mean(),
    }
    trained = {name: outcome.train_loss for name, outcome in {"plain": plain, "smooth": smooth, "weighted": weighted}.items()}
    assert trained == pytest.approx(expected, rel=1e-5)
    assert len({round(value, 3) for value in expected.values()}) == 3  # or the comparison would show nothing


def test_an_interrupted_training_resumes_within_an_epoch_to_the_same_bits(encoder: Path, tmp_path: Path) -> None:
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
