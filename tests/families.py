"""A small random model of each family that people fine-tune, with the tokenizer of its kind."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from transformers import set_seed

from tests.models import WORDS, vocabulary

CORPUS = [" ".join(WORDS), "a good story and great acting", "a bad film and dull", "the film is not boring", *WORDS]
CHINESE = "一个很好的故事和精彩的表演不差电影无聊片子"
POSITIONS = 64


@dataclass(frozen=True)
class Family:
    """How to make a small model.

    Attributes
    ----------
    config : str
        Class of transformers.
    model : str
        Class whose weights are saved: what pretraining leaves.
    tokenizer : callable
        Makes the tokenizer.
    settings : dict
        For the configuration, beside the sizes.
    """

    config: str
    model: str
    tokenizer: Callable[[], Any]
    settings: dict[str, Any]


def _pieces(kind: str, special: list[str] | None = None, words: list[str] | None = None) -> Any:
    words = words or vocabulary()
    if special:
        words = [*special, *(word for word in words if not word.startswith("["))]
    return getattr(transformers, kind)(vocab={word: index for index, word in enumerate(words)}, model_max_length=POSITIONS)


def _chinese() -> Any:
    return _pieces("BertTokenizer", words=[*vocabulary(), *dict.fromkeys(CHINESE)])


def _byte_pairs(kind: str, special: list[str]) -> Any:
    from tokenizers import ByteLevelBPETokenizer

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(CORPUS, vocab_size=400, min_frequency=1, special_tokens=special, show_progress=False)
    import json

    definition = json.loads(trained.to_str())["model"]
    merges = [tuple(pair) if not isinstance(pair, str) else tuple(pair.split(" ")) for pair in definition["merges"]]
    return getattr(transformers, kind)(vocab=definition["vocab"], merges=merges, model_max_length=POSITIONS)


def _unigrams(kind: str, special: list[str]) -> Any:
    letters = [(letter, -8.0) for letter in "▁abcdefghijklmnopqrstuvwxyz0123456789.,!?'-"]
    pieces = [*((name, 0.0) for name in special), *letters, *((f"▁{word}", -4.0) for word in WORDS)]
    return getattr(transformers, kind)(vocab=pieces, model_max_length=POSITIONS)


def _modernbert() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    names = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"], model_max_length=POSITIONS, **names
    )


_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": POSITIONS}
_AFTER_PADDING = {**_SIZES, "max_position_embeddings": POSITIONS + 2}  # positions are counted from the one after the padding's
_ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_MPNET = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"]
_DEBERTA = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
_FUNNEL = ["<pad>", "<unk>", "<cls>", "<sep>", "<mask>", "<s>", "</s>"]
_V3 = {"relative_attention": True, "max_relative_positions": -1, "position_buckets": 16, "pos_att_type": ["p2c", "c2p"]}
_V3 |= {"norm_rel_ebd": "layer_norm", "share_att_key": True, "position_biased_input": False, "type_vocab_size": 0}

FAMILIES: dict[str, Family] = {
    "bert": Family("BertConfig", "BertForMaskedLM", lambda: _pieces("BertTokenizer"), _SIZES),
    "bert-chinese": Family("BertConfig", "BertForMaskedLM", _chinese, _SIZES),
    "distilbert": Family(
        "DistilBertConfig",
        "DistilBertForMaskedLM",
        lambda: _pieces("DistilBertTokenizer"),
        {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": POSITIONS},
    ),
    "roberta": Family("RobertaConfig", "RobertaForMaskedLM", lambda: _byte_pairs("RobertaTokenizer", _ROBERTA), _AFTER_PADDING),
    "xlm-roberta": Family("XLMRobertaConfig", "XLMRobertaForMaskedLM", lambda: _unigrams("XLMRobertaTokenizer", _ROBERTA), _AFTER_PADDING),
    "camembert": Family(
        "CamembertConfig",
        "CamembertForMaskedLM",
        lambda: _unigrams("CamembertTokenizer", ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]),
        _AFTER_PADDING,
    ),
    "electra": Family("ElectraConfig", "ElectraForPreTraining", lambda: _pieces("ElectraTokenizer"), {**_SIZES, "embedding_size": 16}),
    "albert": Family(
        "AlbertConfig",
        "AlbertForMaskedLM",
        lambda: _unigrams("AlbertTokenizer", ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]),
        {**_SIZES, "embedding_size": 16},
    ),
    "deberta": Family(
        "DebertaConfig",
        "DebertaForMaskedLM",
        lambda: _byte_pairs("DebertaTokenizer", _DEBERTA),
        {**_SIZES, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "type_vocab_size": 0, "position_biased_input": False},
    ),
    "deberta-v2": Family("DebertaV2Config", "DebertaV2ForMaskedLM", lambda: _unigrams("DebertaV2Tokenizer", _DEBERTA), {**_SIZES, **_V3}),
    "mpnet": Family("MPNetConfig", "MPNetForMaskedLM", lambda: _pieces("MPNetTokenizer", _MPNET), _AFTER_PADDING),
    "modernbert": Family(
        "ModernBertConfig",
        "ModernBertForMaskedLM",
        _modernbert,
        {**_SIZES, "pad_token_id": 3, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2, "local_attention": 16},
    ),
    "xlnet": Family(
        "XLNetConfig",
        "XLNetLMHeadModel",
        lambda: _unigrams("XLNetTokenizer", ["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>"]),
        {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64, "pad_token_id": 5, "bos_token_id": 1, "eos_token_id": 2},
    ),
    "funnel": Family(
        "FunnelConfig",
        "FunnelForPreTraining",
        lambda: _pieces("FunnelTokenizer", _FUNNEL),
        {"d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 64, "block_sizes": [1, 1], "num_decoder_layers": 1},
    ),
    "longformer": Family(
        "LongformerConfig",
        "LongformerForMaskedLM",
        lambda: _byte_pairs("RobertaTokenizer", _ROBERTA),
        {**_AFTER_PADDING, "attention_window": 16, "pad_token_id": 1},
    ),
}


def small_model(family: str, folder: Path, **changes: Any) -> Path:
    """Save a small random model of a family and its tokenizer to a folder; the same bytes each time.

    `changes` override fields of the configuration.
    """
    import torch

    kind = FAMILIES[family]
    tokenizer = kind.tokenizer()
    tokenizer.save_pretrained(folder)
    config = getattr(transformers, kind.config)(vocab_size=len(tokenizer), initializer_range=0.1, **{**kind.settings, **changes})
    with torch.random.fork_rng():
        set_seed(0)
        getattr(transformers, kind.model)(config).save_pretrained(folder)
    return folder
