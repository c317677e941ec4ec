"""Two ways to fine-tune the same encoder: the usual tutorial's, and this project's, whole or with one part left out.

It needs torch, transformers, NumPy and PyArrow alone, so that it also runs where nothing else is installed.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from transformers import AttentionInterface, AutoConfig, AutoModelForSequenceClassification, get_linear_schedule_with_warmup
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface
from transformers.utils import logging

from benchmarks.samples import Sample
from sentiment.model.architecture import architecture_of
from sentiment.model.attention import training_attention
from sentiment.model.dropout import use_fast_dropout
from sentiment.model.runtime import Runtime, be_deterministic, has_bf16, keep_freed_memory
from sentiment.model.tokens import length_step, pad
from sentiment.training.data_order import TrainingOrder
from sentiment.training.graphs import DeviceRates, GraphedStep, Inputs, Outputs, compile_layers

CLASSES = 2
BERT_BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 512}
_WEIGHT_DECAY, _MAX_GRAD_NORM = 0.01, 1.0
_READY_AFTER = 2  # steps of a shape: one that compiles and allocates, one that is recorded


@dataclass(frozen=True)
class Recipe:
    """How an encoder is fine-tuned.

    Attributes
    ----------
    bf16 : bool
        Autocast to bfloat16; else fp32 throughout.
    grouping : bool
        Batches of similar length, padded to their longest text; else random order.
    pad_to_maximum : bool
        Every text is padded to the maximum length.
    attention : str
        project (what `sentiment.model.attention` chooses), sdpa or eager, or masked: sdpa with a mask that the host does not look at.
    fast_dropout : bool
        Dropout masks from `sentiment.model.dropout`; only on a CPU.
    allocator : bool
        Keep freed memory (`sentiment.model.runtime.keep_freed_memory`).
    fused_optimizer : bool
        One kernel for AdamW's update; else one a group of tensors.
    compiled : bool
        `torch.compile` with dynamic shapes: of the whole model on a CPU, of the encoder's layers on a GPU.
    graphs : bool
        Whole steps recorded and replayed (`sentiment.training.graphs`); only on a GPU.
    reads_each_step : bool
        Loss and gradient norm are read at each step, which waits for a GPU; else after the epoch.
    determinism : str or None
        strict or loose, as `sentiment.model.runtime.be_deterministic` takes it; None for torch's defaults. Only on a GPU.
    """

    bf16: bool = True
    grouping: bool = True
    pad_to_maximum: bool = False
    attention: str = "project"
    fast_dropout: bool = True
    allocator: bool = True
    fused_optimizer: bool = True
    compiled: bool = False
    graphs: bool = True
    reads_each_step: bool = False
    determinism: str | None = "strict"


PROJECT = Recipe()
TUTORIAL = Recipe(
    bf16=False,
    grouping=False,
    pad_to_maximum=True,
    attention="sdpa",
    fast_dropout=False,
    allocator=False,
    graphs=False,
    reads_each_step=True,
    determinism=None,
)
ARMS: dict[str, Recipe] = {
    "tutorial": TUTORIAL,
    "project": PROJECT,
    "without bf16": replace(PROJECT, bf16=False),
    "without grouping": replace(PROJECT, grouping=False),
    "without attention": replace(PROJECT, attention="eager"),
    "with sdpa": replace(PROJECT, attention="sdpa"),
    "without fast dropout": replace(PROJECT, attention="eager", fast_dropout=False),
    "without allocator": replace(PROJECT, allocator=False),
    "without fused optimizer": replace(PROJECT, fused_optimizer=False),
    # Generated code fuses torch's own dropout and attention; it cannot look into this project's.
    "with compile": replace(PROJECT, compiled=True, attention="eager", fast_dropout=False),
}
GPU_ARMS: dict[str, Recipe] = {
    "tutorial": TUTORIAL,
    "project": PROJECT,
    "with compile": replace(PROJECT, compiled=True),
    "without graphs": replace(PROJECT, graphs=False),  # as SENTIMENT_STEP=eager
    "without bf16": replace(PROJECT, bf16=False),
    "without grouping": replace(PROJECT, grouping=False),
    "without attention": replace(PROJECT, attention="masked"),
    "without fused optimizer": replace(PROJECT, fused_optimizer=False),
    "with reading each step": replace(PROJECT, reads_each_step=True),
    "without graphs and with reading": replace(PROJECT, graphs=False, reads_each_step=True),
    "without strictness": replace(PROJECT, determinism="loose"),
}


def arms_on(device: str) -> dict[str, Recipe]:
    """Return the ways that are compared on a device: the tutorial's, the project's, and the project's with one part changed."""
    return GPU_ARMS if device == "cuda" else ARMS


@dataclass(frozen=True)
class Step:
    """One update: its loss (a tensor without dimensions, on the device), tokens with and without padding."""

    loss: torch.Tensor
    tokens: int
    padded_tokens: int


class Training:
    """An encoder that is being fine-tuned one way.

    Parameters
    ----------
    recipe : Recipe
        The way. What is set for the whole process (the allocator) needs a process of its own.
    folder : Path
        Of the pretrained model.
    device : str
        cpu or cuda.
    batch_size, max_length : int
        Examples a step, tokens a text.
    learning_rate : float
        At the start.
    steps : int
        After which a linear schedule ends at 0; 0 for a constant rate.
    seed : int
        Of the head, the order and dropout.
    """

    def __init__(
        self, recipe: Recipe, folder: Path, device: str, batch_size: int, max_length: int, learning_rate: float, steps: int = 0, seed: int = 0
    ) -> None:
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        if recipe.allocator:
            keep_freed_memory()
        torch.manual_seed(seed)
        if device == "cuda" and recipe.determinism is not None:
            be_deterministic(device, recipe.determinism)
            torch.set_float32_matmul_precision("high")  # as sentiment.model.runtime sets it
        precision = "bf16" if recipe.bf16 and has_bf16(device) else "fp32"
        self.runtime = Runtime(device, precision, torch.get_num_threads())
        self._recipe, self._batch_size, self._max_length, self._seed = recipe, batch_size, max_length, seed
        self.model: Any = _classifier(recipe, folder, device)
        self._forward: Callable[..., Any] = self.model
        if recipe.compiled and device == "cuda":
            compile_layers(self.model)
        elif recipe.compiled:
            self._forward = torch.compile(self.model, dynamic=True)
        self._optimizer = _optimizer(recipe, self.model, learning_rate, device)
        self._schedule = get_linear_schedule_with_warmup(self._optimizer, 0, steps) if steps else None
        self._graphs = GraphedStep(self._update) if recipe.graphs and device == "cuda" else None
        self._rates = DeviceRates(self._optimizer) if self._graphs else None

    @property
    def pads_to_maximum(self) -> bool:
        """Whether every batch has the same length."""
        return self._recipe.pad_to_maximum

    @property
    def shapes(self) -> int:
        """How many shapes of batches have been recorded as graphs."""
        return self._graphs.shapes if self._graphs else 0

    def release(self) -> None:
        """Give the memory of recorded steps back; they are recorded anew when they are needed."""
        if self._graphs:
            self._graphs.forget()

    def epoch(self, sample: Sample, epoch: int = 0) -> Iterator[Step]:
        """Train on each text once."""
        for rows in self._batches(sample, epoch):
            yield self._step(sample.take(rows))

    def make_ready(self, sample: Sample, epoch: int = 0) -> None:
        """Take some steps of each shape that an epoch has: the first ones compile, allocate and record."""
        seen: dict[tuple[int, int], int] = {}
        for rows in self._batches(sample, epoch):
            part = sample.take(rows)
            shape = (len(rows), self._length(part))
            while seen.setdefault(shape, 0) < _READY_AFTER:
                self._step(part)
                seen[shape] += 1

    def _batches(self, sample: Sample, epoch: int) -> Iterator[npt.NDArray[np.int64]]:
        order = TrainingOrder(sample.texts.lengths, self._batch_size, self._recipe.grouping, self._seed)
        order.set_epoch(epoch)
        rows = np.fromiter(order, dtype=np.int64)
        for start in range(0, len(rows), self._batch_size):
            yield rows[start : start + self._batch_size]

    def _step(self, sample: Sample) -> Step:
        batch = self._batch(sample)
        if self._rates is not None:
            self._rates.refresh()
        loss, norm = self._graphs(batch) if self._graphs else self._update(batch)
        if self._schedule is not None:
            self._schedule.step()
        if self._recipe.reads_each_step:
            _ = loss.item(), norm.item()
        return Step(loss, int(sample.texts.lengths.sum()), batch["input_ids"].numel())

    def _update(self, batch: Inputs) -> Outputs:
        with self.runtime.autocast():
            logits = self._forward(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        loss = F.cross_entropy(logits.float(), batch["labels"])
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), _MAX_GRAD_NORM)
        with self._rates.in_place() if self._rates is not None else nullcontext():
            self._optimizer.step()
        self._optimizer.zero_grad()
        return loss.detach(), norm

    def _length(self, sample: Sample) -> int:
        if self._recipe.pad_to_maximum:
            return self._max_length
        step = length_step(self.runtime.device, self._max_length)
        return int(-(-sample.texts.lengths.max() // step) * step)

    def _batch(self, sample: Sample) -> dict[str, torch.Tensor]:
        pad_id = self.model.config.pad_token_id or 0
        batch = pad(sample.texts.token_ids, pad_id)
        missing = self._length(sample) - batch["input_ids"].shape[1]
        if missing > 0:
            batch = {name: F.pad(tensor, (0, missing), value=pad_id if name == "input_ids" else 0) for name, tensor in batch.items()}
        batch["labels"] = torch.from_numpy(sample.labels)
        if self.runtime.device == "cuda":  # as Trainer's loader does
            batch = {name: tensor.pin_memory() for name, tensor in batch.items()}
        return {name: tensor.to(self.runtime.device, non_blocking=True) for name, tensor in batch.items()}


def _classifier(recipe: Recipe, folder: Path, device: str) -> Any:
    config = AutoConfig.from_pretrained(folder)
    attention = recipe.attention
    if attention in ("project", "masked"):
        attention = training_attention(config.model_type, device, architecture_of(config).sdpa) if attention == "project" else _masked_sdpa()
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=CLASSES, attn_implementation=attention, dtype=torch.float32)
    if recipe.fast_dropout and device == "cpu":
        use_fast_dropout(model)
    return model.to(device).train()


def _masked_sdpa() -> str:
    def mask(attention_mask: torch.Tensor, **_: Any) -> torch.Tensor:
        texts, length = attention_mask.shape
        return attention_mask.bool()[:, None, None, :].expand(texts, 1, length, length)

    AttentionInterface.register("masked_sdpa", sdpa_attention_forward)
    AttentionMaskInterface.register("masked_sdpa", mask)
    return "masked_sdpa"


def _optimizer(recipe: Recipe, model: Any, learning_rate: float, device: str) -> torch.optim.AdamW:
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": _WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}],
        lr=learning_rate,
        fused=recipe.fused_optimizer,
        foreach=None if recipe.fused_optimizer else True,
        capturable=recipe.graphs and device == "cuda" and not recipe.fused_optimizer,
    )
