"""Steps for which the host does not wait: the log is read late, whole steps are replayed, and nothing else changes."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from sentiment.model.attention import CPU_ATTENTION
from sentiment.model.classification import load_classifier
from sentiment.model.encoders import folder_encoder
from sentiment.model.loading import load_tokenizer
from sentiment.model.runtime import Runtime
from sentiment.terminal.errors import Interrupted, UserError
from sentiment.training import asynchronous
from sentiment.training.fine_tuning import fine_tune
from sentiment.training.graphs import GraphedStep, compile_layers
from sentiment.training.history import Outcome
from tests.models import tiny_bert
from tests.sentiment.training.test_fine_tuning import examples, settings, weights


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model") / "tiny")


class Log(TrainerCallback):
    """What a progress bar and a tracker are told, and an interruption after some step."""

    def __init__(self, interrupt_at: int = 0) -> None:
        self.entries: list[tuple[int, float, float, float]] = []
        self.interrupt_at = interrupt_at

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "loss" in logs:
            self.entries.append((state.global_step, logs["epoch"], logs["loss"], logs["learning_rate"]))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.interrupt_at:
            signal_self()


def signal_self() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def train(encoder: Path, folder: Path, log: Log, step: str = "eager", **changes: Any) -> Outcome:
    chosen = settings(encoder, epochs=2, **changes)
    found = folder_encoder(encoder)
    tokenizer = load_tokenizer(found)
    data = examples(tokenizer, 44), examples(tokenizer, 8)
    runtime = replace(Runtime("cpu", "fp32", 1), step=step)
    return fine_tune(lambda: load_classifier(found, ["bad", "good"], "cpu"), *data, chosen, 1, runtime, folder, [log])


def test_a_log_that_is_read_late_holds_the_same(encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, late, stopped = Log(), Log(), Log(interrupt_at=9)
    whole = train(encoder, tmp_path / "at once", at_once)
    monkeypatch.setattr(asynchronous, "_READ_EVERY", {"cpu": 4})
    again = train(encoder, tmp_path / "late", late)
    assert len(at_once.entries) == 12
    assert late.entries == at_once.entries
    assert (again.steps, again.validations, again.tokens, again.flops) == (whole.steps, whole.validations, whole.tokens, whole.flops)
    with pytest.raises(Interrupted, match="step 9 of 12"):
        train(encoder, tmp_path / "stopped", stopped)
    resumed = train(encoder, tmp_path / "stopped", Log())
    assert (resumed.steps, resumed.tokens, resumed.flops) == (whole.steps, whole.tokens, whole.flops)
    assert torch.equal(weights(resumed), weights(whole))


class Replayed:
    """A graph that runs the step anew: what a recorded one does, without a GPU."""

    def __init__(self, step: Callable[..., Any], places: Any, outputs: Any) -> None:
        self.step, self.places, self.outputs = step, places, outputs

    def replay(self) -> None:
        for place, value in zip(self.outputs, self.step(self.places), strict=True):
            place.copy_(value)


def record(self: GraphedStep, inputs: Any) -> Any:
    places, outputs = {name: tensor.clone() for name, tensor in inputs.items()}, (torch.zeros(()), torch.zeros(()))
    return Replayed(self._step, places, outputs), places, outputs


def test_whole_steps_are_the_steps_of_the_trainer(encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GraphedStep, "_run", lambda self, inputs: self._step(inputs))
    monkeypatch.setattr(GraphedStep, "_record", record)
    monkeypatch.setattr(asynchronous, "CUDA_ATTENTION", CPU_ATTENTION)
    changes = {"lr_scheduler": "cosine", "warmup": 0.3, "max_grad_norm": 0.5, "class_weights": "balanced", "label_smoothing": 0.1}
    log, whole_log = Log(), Log()
    eager = train(encoder, tmp_path / "eager", log, **changes)
    whole = train(encoder, tmp_path / "whole", whole_log, step="graph", **changes)
    assert [(record.step, record.epoch, record.lr) for record in whole.steps] == [(record.step, record.epoch, record.lr) for record in eager.steps]
    assert [record.loss for record in whole.steps] == pytest.approx([record.loss for record in eager.steps], rel=1e-4)
    assert [record.grad_norm for record in whole.steps] == pytest.approx([record.grad_norm for record in eager.steps], rel=1e-3)
    assert (eager.step, whole.step) == ("eager", "graph")
    assert whole.validations[-1].loss == pytest.approx(eager.validations[-1].loss, rel=1e-4)


def test_accumulated_parts_are_not_recorded(encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GraphedStep, "_record", lambda *_: pytest.fail("recorded"))
    monkeypatch.setattr(asynchronous, "CUDA_ATTENTION", CPU_ATTENTION)
    eager = train(encoder, tmp_path / "eager", Log(), gradient_accumulation_steps=2)
    asked = train(encoder, tmp_path / "asked", Log(), step="graph", gradient_accumulation_steps=2)
    assert asked.steps == eager.steps
    assert asked.step == "eager"


def test_an_attention_that_asks_the_gpu_is_not_recorded(encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GraphedStep, "__call__", lambda *_: pytest.fail("recorded"))
    assert train(encoder, tmp_path, Log(), step="graph").step == "eager"


def test_layers_are_compiled_once_for_all_and_only_for_training(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []

    def backend(graph: torch.fx.GraphModule, _: Any) -> Any:
        compiled.append(graph)
        return graph.forward

    bare = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, dynamic, options: bare(function, dynamic=dynamic, backend=backend))
    torch.manual_seed(0)
    model = load_classifier(folder_encoder(encoder), ["bad", "good"], "mps")
    before = model.eval()(input_ids=torch.arange(5, 21)[None]).logits
    compile_layers(model)
    assert torch.equal(model(input_ids=torch.arange(5, 21)[None]).logits, before)
    assert compiled == []
    for texts, length in ((2, 8), (3, 16), (4, 24)):
        model.train()(input_ids=torch.full((texts, length), 7)).logits.sum().backward()
    assert len(compiled) == 1


@pytest.mark.parametrize(
    ("batch_size", "parts", "advice"),
    [
        (8, 1, "set train.gradient_accumulation_steps = 2 "),
        (9, 1, "set train.gradient_accumulation_steps = 3 "),
        (8, 8, "set a smaller train.max_length or train.model"),
    ],
)
def test_a_full_gpu_is_one_line_with_a_way_out(batch_size: int, parts: int, advice: str, encoder: Path, tmp_path: Path) -> None:
    class Full(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    with pytest.raises(UserError, match=rf"train\.batch_size = {batch_size} texts of train\.max_length = 32 tokens .*{advice}") as raised:
        train(encoder, tmp_path, Full(), batch_size=batch_size, gradient_accumulation_steps=parts)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)
