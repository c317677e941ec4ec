"""From texts to batches and predictions: cutting, padding, order."""

import itertools
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from sentiment.model import tokens
from sentiment.model.classification import load_classifier
from sentiment.model.encoders import folder_encoder
from sentiment.model.loading import load_tokenizer
from sentiment.model.prediction import predict
from sentiment.model.runtime import Runtime
from sentiment.model.tokens import pad, tokenize
from sentiment.training.data_order import TrainingOrder
from tests.models import tiny_bert


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def tokenizer(encoder: Path) -> Any:
    return load_tokenizer(folder_encoder(encoder))


TEXTS = ["", "good", "good bad film", " ".join(["good"] * 30 + ["bad"] * 30)]


def test_head_is_what_the_tokenizer_itself_would_cut_to(tokenizer: Any) -> None:
    expected = tokenizer(TEXTS, truncation=True, max_length=16)["input_ids"]
    assert [ids.tolist() for ids in tokenize(tokenizer, TEXTS, 16, "head").token_ids] == expected


def test_tail_and_head_tail_keep_the_end(tokenizer: Any) -> None:
    good, bad = (tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("good", "bad"))
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    assert tokenize(tokenizer, TEXTS, 18, "tail").token_ids[3].tolist() == [start, *[bad] * 16, end]
    assert tokenize(tokenizer, TEXTS, 18, "head_tail").token_ids[3].tolist() == [start, *[good] * 4, *[bad] * 12, end]


@pytest.mark.parametrize("truncation", ["head", "tail", "head_tail"])
def test_lengths_before_and_after_cutting(tokenizer: Any, truncation: str) -> None:
    texts = tokenize(tokenizer, TEXTS, 16, truncation)
    assert texts.full_lengths.tolist() == [2, 3, 5, 62]
    assert texts.lengths.tolist() == [2, 3, 5, 16]


@pytest.fixture(scope="module")
def byte_pairs() -> Any:
    """Return a tokenizer of RoBERTa's kind, to which the space before a word is part of the word."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.train_from_iterator(["good film bad ending"] * 20, trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return PreTrainedTokenizerFast(tokenizer_object=made)


written = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=10) | st.sampled_from(["good", "bad", "film", "ending"])


@given(st.lists(st.lists(written, max_size=60).map(" ".join), max_size=5), st.sampled_from(["head", "tail", "head_tail"]))
def test_texts_cut_before_they_are_tokenised_give_the_same_ids(tokenizer: Any, byte_pairs: Any, texts: list[str], truncation: str) -> None:
    for one in (tokenizer, byte_pairs):
        whole = tokenize(one, texts, 16, truncation)
        with patch.multiple(tokens, _CHUNK=3, _CHUNK_CHARACTERS=80, _PIECE_CHARACTERS=25):
            cut = tokenize(one, texts, 16, truncation)
        assert [ids.tolist() for ids in cut.token_ids] == [ids.tolist() for ids in whole.token_ids]
        assert cut.full_lengths.tolist() == whole.full_lengths.tolist()
    assert [body.tolist() for body in tokens._encode(tokenizer, texts)] == [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


def test_a_very_long_text_is_tokenised_in_pieces_even_where_it_has_no_space(tokenizer: Any) -> None:
    asked: list[int] = []

    def spy(texts: Any, **options: Any) -> Any:
        asked.append(sum(map(len, texts)))
        return tokenizer(texts, **options)

    bodies = tokens._encode(spy, ["!" * 1_700_001, "good film " * 200_000, "good"])
    assert [len(body) for body in bodies] == [1_700_001, 400_000, 1]
    assert max(asked) <= 1_000_000


def test_batches_are_padded_to_a_multiple_of_eight() -> None:
    batch = pad([np.arange(1, 4, dtype=np.int32), np.arange(1, 11, dtype=np.int32)], 0)
    assert batch["input_ids"].shape == (2, 16)
    assert batch["attention_mask"].sum(dim=1).tolist() == [3, 10]
    assert batch["input_ids"][0].tolist() == [1, 2, 3] + [0] * 13


@given(st.lists(st.integers(3, 512), min_size=1, max_size=300), st.integers(1, 40), st.booleans(), st.integers(0, 10_000))
def test_each_epoch_takes_every_example_once_in_an_order_of_its_own(lengths: list[int], batch: int, grouped: bool, seed: int) -> None:
    order, again = (TrainingOrder(np.array(lengths), batch, grouped, seed) for _ in range(2))
    epochs = []
    for epoch in range(2):
        order.set_epoch(epoch)
        again.set_epoch(epoch)
        epochs.append(list(order))
        assert sorted(epochs[-1]) == list(range(len(lengths)))
        assert epochs[-1] == list(again)
    if len(lengths) > 100:
        assert epochs[0] != epochs[1]


def test_grouping_saves_padding_and_shows_no_saw_tooth() -> None:
    lengths = np.minimum(np.random.default_rng(0).lognormal(5, 0.7, 4000), 512).astype(np.int64)

    def batches(grouped: bool) -> np.ndarray:
        return lengths[list(TrainingOrder(lengths, 8, grouped, 3))].reshape(-1, 8)

    grouped, plain = batches(True), batches(False)
    assert grouped.max(axis=1).sum() * 8 < 1.05 * lengths.sum()
    assert plain.max(axis=1).sum() * 8 > 1.5 * lengths.sum()
    means = grouped.mean(axis=1)
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.1


@given(st.integers(1, 200), st.integers(1, 24), st.integers(0, 1000))
def test_only_the_last_batch_of_an_epoch_is_short(examples: int, batch: int, seed: int) -> None:
    lengths = np.random.default_rng(seed).integers(3, 200, size=examples)
    order = list(TrainingOrder(lengths, batch, True, seed))
    whole = examples // batch * batch
    # Up to 50 batches are one pool: there, batches are neighbours by length, so that no two of them overlap.
    if examples <= 50 * batch:
        spans = sorted((lengths[order[start : start + batch]].min(), lengths[order[start : start + batch]].max()) for start in range(0, whole, batch))
        assert all(high <= low for (_, high), (low, _) in itertools.pairwise(spans))
    assert len(order) - whole < batch


def test_both_ways_of_batching_take_the_same_examples_as_the_last_short_batch() -> None:
    lengths = np.arange(3, 106)
    assert list(TrainingOrder(lengths, 10, True, 4))[-3:] == list(TrainingOrder(lengths, 10, False, 4))[-3:]


def test_predictions_come_in_row_order_whatever_the_lengths(encoder: Path, tokenizer: Any) -> None:
    model = load_classifier(folder_encoder(encoder), ["bad", "good"], "cpu")
    texts = [("good " * n + "bad film").strip() for n in (30, 1, 14, 0, 22, 3)]
    labels = np.array([1, 0, 1, 0, 1, 0])
    runtime = Runtime("cpu", "fp32", 1)
    together = predict(model, tokenize(tokenizer, texts, 40, "head"), labels, 4, runtime)
    alone = [predict(model, tokenize(tokenizer, [text], 40, "head"), labels[:1], 1, runtime).probabilities[0] for text in texts]
    assert np.allclose(together.probabilities, alone, atol=1e-5)
    assert together.loss == pytest.approx(-np.log(together.probabilities[np.arange(6), labels]).mean())


def test_a_model_without_finite_answers_is_not_hidden(encoder: Path, tokenizer: Any) -> None:
    import torch

    model = load_classifier(folder_encoder(encoder), ["bad", "good"], "cpu")
    torch.nn.init.constant_(model.classifier.weight, float("nan"))
    answer = predict(model, tokenize(tokenizer, TEXTS[1:3], 16, "head"), np.array([0, 1]), 2, Runtime("cpu", "fp32", 1))
    assert np.isnan(answer.losses).all()
    assert np.allclose(answer.probabilities, 0.5)
