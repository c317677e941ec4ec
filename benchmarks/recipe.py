"""Two ways to fine-tune the same encoder: the usual tutorial's, and this project's, whole or with one part left out.

It needs torch, transformers, NumPy and PyArrow alone, so that it also runs where nothing else is installed.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from transformers import AutoConfig, AutoModelForSequenceClassification, get_linear_schedule_with_warmup
from transformers.utils import logging

from sentiment.model.architecture import architecture_of
from sentiment.model.attention import training_attention
from sentiment.model.dropout import use_fast_dropout
from sentiment.model.runtime import Runtime, has_bf16, keep_freed_memory
from sentiment.model.tokens import TokenizedTexts, pad
from sentiment.training.data_order import TrainingOrder

CLASSES = 2
_WEIGHT_DECAY, _MAX_GRAD_NORM = 0.01, 1.0


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
        project (what `sentiment.model.attention` chooses), sdpa or eager.
    fast_dropout : bool
        Dropout masks from `sentiment.model.dropout`; only on a CPU.
    allocator : bool
        Keep freed memory (`sentiment.model.runtime.keep_freed_memory`).
    fused_optimizer : bool
        One kernel for AdamW's update; else one a group of tensors.
    compiled : bool
        `torch.compile` with dynamic shapes.
    """

    bf16: bool = True
    grouping: bool = True
    pad_to_maximum: bool = False
    attention: str = "project"
    fast_dropout: bool = True
    allocator: bool = True
    fused_optimizer: bool = True
    compiled: bool = False


PROJECT = Recipe()
TUTORIAL = Recipe(bf16=False, grouping=False, pad_to_maximum=True, attention="sdpa", fast_dropout=False, allocator=False)
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


@dataclass(frozen=True)
class Sample:
    """Tokenised texts and their labels (class indices, int64, shape (n,))."""

    texts: TokenizedTexts
    labels: npt.NDArray[np.int64]

    def take(self, rows: npt.NDArray[np.int64]) -> "Sample":
        """Return some of the texts."""
        return Sample(TokenizedTexts([self.texts.token_ids[row] for row in rows], self.texts.full_lengths[rows]), self.labels[rows])


@dataclass(frozen=True)
class Step:
    """One update: seconds it took, its loss, tokens with and without padding."""

    seconds: float
    loss: float
    tokens: int
    padded_tokens: int


def read_reviews(path: Path) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Read texts and labels (0 or 1, or negative and positive) from a parquet or jsonl file with the columns text and label."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path, columns=["text", "label"])
        texts, labels = table["text"].to_pylist(), table["label"].to_pylist()
    else:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        texts, labels = [row["text"] for row in rows], [row["label"] for row in rows]
    return texts, np.asarray([{"negative": 0, "positive": 1}.get(label, label) for label in labels], dtype=np.int64)


def save_random_encoder(config: dict[str, Any], tokenizer: Any, folder: Path) -> None:
    """Save an encoder of a BERT configuration with random weights, and a tokenizer, as a model folder."""
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model("bert", vocab_size=len(tokenizer), **config))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


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
        if device == "cuda" and recipe != TUTORIAL:
            torch.set_float32_matmul_precision("high")  # as sentiment.model.runtime sets it
        precision = "bf16" if recipe.bf16 and has_bf16(device) else "fp32"
        self.runtime = Runtime(device, precision, torch.get_num_threads())
        self._recipe, self._batch_size, self._max_length, self._seed = recipe, batch_size, max_length, seed
        config = AutoConfig.from_pretrained(folder)
        attention = training_attention(config.model_type, device, architecture_of(config).sdpa) if recipe.attention == "project" else recipe.attention
        self.model: Any = AutoModelForSequenceClassification.from_pretrained(
            folder, num_labels=CLASSES, attn_implementation=attention, dtype=torch.float32
        ).to(device)
        if recipe.fast_dropout and device == "cpu":
            use_fast_dropout(self.model)
        self.model.train()
        self._forward: Callable[..., Any] = torch.compile(self.model, dynamic=True) if recipe.compiled else self.model
        decayed = [parameter for parameter in self.model.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in self.model.parameters() if parameter.ndim <= 1]
        self._optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": _WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}],
            lr=learning_rate,
            fused=recipe.fused_optimizer,
            foreach=None if recipe.fused_optimizer else True,
        )
        self._schedule = get_linear_schedule_with_warmup(self._optimizer, 0, steps) if steps else None

    @property
    def pads_to_maximum(self) -> bool:
        """Whether every batch has the same length."""
        return self._recipe.pad_to_maximum

    def epoch(self, sample: Sample, epoch: int = 0) -> Iterator[Step]:
        """Train on each text once."""
        order = TrainingOrder(sample.texts.lengths, self._batch_size, self._recipe.grouping, self._seed)
        order.set_epoch(epoch)
        rows = np.fromiter(order, dtype=np.int64)
        for start in range(0, len(rows), self._batch_size):
            yield self._step(sample.take(rows[start : start + self._batch_size]))

    def _step(self, sample: Sample) -> Step:
        start = time.perf_counter()
        batch = self._batch(sample)
        with self.runtime.autocast():
            logits = self._forward(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        loss = F.cross_entropy(logits.float(), batch["labels"])
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), _MAX_GRAD_NORM)
        self._optimizer.step()
        if self._schedule is not None:
            self._schedule.step()
        self._optimizer.zero_grad()
        value, _ = loss.item(), norm.item()  # both are logged at each step, which waits for a GPU
        return Step(time.perf_counter() - start, value, int(sample.texts.lengths.sum()), batch["input_ids"].numel())

    def _batch(self, sample: Sample) -> dict[str, torch.Tensor]:
        pad_id = self.model.config.pad_token_id or 0
        batch = pad(sample.texts.token_ids, pad_id)
        if self._recipe.pad_to_maximum:
            missing = self._max_length - batch["input_ids"].shape[1]
            batch = {name: F.pad(tensor, (0, missing), value=pad_id if name == "input_ids" else 0) for name, tensor in batch.items()}
        batch["labels"] = torch.from_numpy(sample.labels)
        if self.runtime.device == "cuda":  # as Trainer's loader does
            batch = {name: tensor.pin_memory() for name, tensor in batch.items()}
        return {name: tensor.to(self.runtime.device, non_blocking=True) for name, tensor in batch.items()}


def training_flops(model: Any, lengths: npt.NDArray[np.int64]) -> float:
    """Return the floating point operations of one pass forward and back over texts, without padding.

    2 a weight and token forward and twice that back (Kaplan et al. 2020, "Scaling Laws for Neural Language
    Models", section 2.1), for the weights of the encoder's linear layers, and the two products of attention.
    """
    linear = sum(module.weight.numel() for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and "encoder" in name)
    layers, hidden = model.config.num_hidden_layers, model.config.hidden_size
    tokens = lengths.astype(np.float64)
    return float(6 * linear * tokens.sum() + 12 * layers * hidden * np.square(tokens).sum())
