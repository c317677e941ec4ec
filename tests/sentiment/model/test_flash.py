"""Attention on a GPU, as far as it can be seen without one: texts do not see padding, and the host reads nothing."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoConfig, AutoModelForSequenceClassification

from sentiment.model import flash
from sentiment.model.attention import KNOWN_MODELS, training_attention

SHARED = {"vocab_size": 50, "max_position_embeddings": 64}
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, **SHARED}
DISTILBERT = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, **SHARED}


def padded(lengths: list[int], length: int, left: bool = False) -> torch.Tensor:
    tokens = torch.arange(length) < torch.tensor(lengths)[:, None]
    return tokens.flip(1) if left else tokens


ROWS = st.integers(1, 12).flatmap(lambda length: st.tuples(st.just(length), st.lists(st.integers(1, length), min_size=1, max_size=5)))


@given(ROWS, st.booleans())
def test_boundaries_cut_a_batch_into_texts_and_their_padding(case: tuple[int, list[int]], left: bool) -> None:
    length, lengths = case
    tokens = padded(lengths, length, left)
    places = flash.boundaries(tokens).tolist()
    assert places == sorted(places)
    assert places[::2] == [row * length for row in range(len(lengths) + 1)]
    flat = tokens.flatten().tolist()
    pieces = [set(flat[start:end]) for start, end in pairwise(places)]
    assert all(len(piece) <= 1 for piece in pieces)
    assert sum(piece == {True} for piece in pieces) == len(lengths)


@pytest.fixture
def flash_on_a_cpu() -> Iterator[None]:
    """Give the kernel a slow form for a CPU: every text laid end to end sees itself alone."""

    def attend(query: Any, key: Any, value: Any, places: Any, _: Any, *rest: Any, scale: float, **__: Any) -> Any:
        pieces = []
        for start, end in pairwise(places):
            heads_first = [tensor[start:end].transpose(0, 1)[None] for tensor in (query, key, value)]
            pieces.append(F.scaled_dot_product_attention(*heads_first, scale=scale)[0].transpose(0, 1))
        empty = torch.empty(0)
        return torch.cat(pieces), empty, empty, empty, empty

    library = torch.library.Library("aten", "IMPL")
    library.impl("_flash_attention_forward", attend, "CPU")
    yield
    library._destroy()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 16), min_size=1, max_size=4), st.booleans())
def test_it_is_masked_attention(lengths: list[int], left: bool) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        query, key, value = (torch.randn(len(lengths), 16, 2, 8).transpose(1, 2) for _ in range(3))
    tokens = padded(lengths, 16, left)
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=tokens[:, None, None, :], scale=0.3).transpose(1, 2)
    found, _ = flash._attend(None, query, key, value, flash.boundaries(tokens), scaling=0.3)  # fp32: by way of a mask
    torch.testing.assert_close(found[tokens], expected[tokens])


@pytest.mark.usefixtures("flash_on_a_cpu")
@pytest.mark.parametrize("left", [False, True])
def test_the_kernel_is_given_texts_that_see_themselves_alone(left: bool) -> None:
    lengths = [5, 16, 1]
    query, key, value = (torch.randn(3, 16, 2, 8, dtype=torch.bfloat16).transpose(1, 2) for _ in range(3))
    tokens = padded(lengths, 16, left)
    found, _ = flash._attend(None, query, key, value, flash.boundaries(tokens), scaling=0.3)
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=tokens[:, None, None, :], scale=0.3).transpose(1, 2)
    torch.testing.assert_close(found[tokens], expected[tokens], atol=2e-2, rtol=2e-2)
    assert found.shape == (3, 16, 2, 8)


class HostReads(TorchDispatchMode):
    """Counts where the value of a tensor is asked for: on a GPU the host waits there, and no step can be recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        self.count += function in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default, torch.ops.aten.equal.default)
        return function(*arguments, **(named or {}))


@pytest.mark.usefixtures("flash_on_a_cpu")
@pytest.mark.parametrize("kind", sorted(KNOWN_MODELS))
def test_the_host_reads_nothing_in_a_step(kind: str) -> None:
    flash.register()
    config = AutoConfig.for_model(kind, **(DISTILBERT if kind == "distilbert" else SIZES))
    batch = {"input_ids": torch.full((3, 16), 7), "attention_mask": torch.ones(3, 16, dtype=torch.int64)}
    reads = {}
    for attention in (flash.CUDA_ATTENTION, "sdpa"):
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation=attention).train()
        with HostReads() as mode, torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(**batch).logits
        reads[attention] = mode.count
        assert logits.shape == (3, 2)
    assert reads[flash.CUDA_ATTENTION] == 0 < reads["sdpa"]


def test_a_gpu_without_the_kernel_keeps_torchs_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for capability, expected in (((7, 5), "sdpa"), ((8, 0), flash.CUDA_ATTENTION), ((9, 0), flash.CUDA_ATTENTION)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda capability=capability: capability)
        assert training_attention("bert", "cuda", True) == expected
    assert training_attention("mpnet", "cuda", False) == "eager"
