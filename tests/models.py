"""A small random BERT with a tokenizer of its own, for tests that need a model but not what it knows."""

from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast, set_seed

WORDS = "the a and of it is was not no good great bad boring dull film movie story ending acting i you but so very never".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def vocabulary() -> list[str]:
    """Return special tokens, letters and digits (alone and inside words), punctuation and a few words."""
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789")
    return [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *".,!?'-", *(word for word in WORDS if len(word) > 1)]


def tiny_bert(folder: Path, **config: Any) -> Path:
    """Save a BERT of two small layers and its tokenizer to a folder; the same bytes each time.

    `config` overrides fields of transformers' BertConfig.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = vocabulary()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True, model_max_length=64)
    tokenizer.save_pretrained(folder)
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "initializer_range": 0.1,
    }
    with torch.random.fork_rng():
        set_seed(0)
        BertForMaskedLM(BertConfig(vocab_size=len(words), **{**sizes, **config})).save_pretrained(folder)
    return folder
