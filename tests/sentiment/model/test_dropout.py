"""Dropout and attention of a training on a CPU, against torch's own and against transformers' eager code."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from sentiment.model.attention import CPU_ATTENTION, training_attention
from sentiment.model.dropout import FastDropout, apply_mask, draw_mask, keep_scale, use_fast_dropout

LIMITS = {"vocab_size": 60, "max_position_embeddings": 40}
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, **LIMITS}
DISTIL = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, **LIMITS}


@given(probability=st.floats(0.0, 0.95), seed=st.integers(0, 2**31))
def test_the_share_dropped_is_the_probability(probability: float, seed: int) -> None:
    torch.manual_seed(seed)
    mask = draw_mask(torch.Size([40_000]), probability)
    assert set(mask.unique().tolist()) <= {0, -1}
    error = 6 * (probability * (1 - probability) / 40_000) ** 0.5 + 1e-4  # six standard deviations
    assert abs(float((mask == 0).float().mean()) - probability) < error


def test_masks_of_neighbouring_elements_and_of_two_draws_are_independent() -> None:
    torch.manual_seed(0)
    first, second = (draw_mask(torch.Size([400_000]), 0.5).float() + 0.5 for _ in range(2))
    for other in (second, first.roll(1), first.roll(4)):
        assert abs(float((first * other).mean())) < 0.25 * 6 / 400_000**0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_expectation_is_the_input_and_the_gradient_has_the_same_mask(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    values = torch.ones(200_000, dtype=dtype, requires_grad=True)
    dropped = FastDropout(0.1)(values)
    assert float(dropped.detach().float().mean()) == pytest.approx(1.0, abs=0.005)
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())


def test_the_masks_are_those_of_torchs_seed() -> None:
    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.stack([FastDropout(0.3)(torch.ones(1000)) for _ in range(3)])

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert not torch.equal(drawn(1)[0], drawn(1)[1])


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_nothing_and_everything_can_be_dropped(probability: float) -> None:
    assert torch.equal(FastDropout(probability)(torch.ones(8)), torch.full((8,), 1.0 - probability))
    assert torch.equal(FastDropout(0.5).eval()(torch.ones(8)), torch.ones(8))


def test_a_model_keeps_its_weights_and_gets_fast_dropout_everywhere() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.2), nn.Sequential(nn.Dropout(0.4)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    use_fast_dropout(model)
    assert [module.p for module in model.modules() if isinstance(module, FastDropout)] == [0.2, 0.4]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def build(model_type: str, attention: str, dropout: float) -> Any:
    rates = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout", "seq_classif_dropout"), dropout)
    config = AutoConfig.for_model(model_type, **(DISTIL if model_type == "distilbert" else SMALL), **rates)
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(config, attn_implementation=attention).train()


def batch() -> dict[str, torch.Tensor]:
    ids = torch.randint(5, 60, (3, 24), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 16:] = 0
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([0, 1, 1])}


def gradients(model: Any) -> torch.Tensor:
    model(**batch()).loss.backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])


@pytest.mark.parametrize("model_type", ["bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"])
def test_attention_with_next_to_no_dropout_has_the_gradients_of_eager(model_type: str) -> None:
    name = training_attention(model_type, "cpu", True)
    assert name == CPU_ATTENTION
    fast, eager = gradients(build(model_type, name, 1e-9)), gradients(build(model_type, "eager", 0.0))
    assert torch.allclose(fast, eager, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("padded", [slice(6, 9), slice(0, 3)])
def test_attention_with_dropout_is_softmax_then_mask_then_values(padded: slice) -> None:
    from sentiment.model.attention import _Attention

    torch.manual_seed(2)
    query, key, value = (torch.randn(2, 3, 9, 4, dtype=torch.float32, requires_grad=True) for _ in range(3))
    tokens = torch.ones(2, 9, dtype=torch.bool)
    tokens[1, padded] = False
    bias = torch.zeros(2, 1, 1, 9).masked_fill(~tokens[:, None, None, :], -1e9)
    torch.manual_seed(3)
    attended = _Attention.apply(query, key, value, tokens, 0.5, 0.25)
    wanted = torch.randn_like(attended)
    found = torch.autograd.grad(attended, (query, key, value), wanted)
    torch.manual_seed(3)
    mask = draw_mask(torch.Size([6, 9, 9]), 0.25).view(2, 3, 9, 9)
    weights = torch.softmax(query @ key.transpose(2, 3) * 0.5 + bias, -1) * (mask != 0) * keep_scale(0.25)
    assert torch.allclose(attended, weights @ value, atol=1e-5)
    for got, expected in zip(found, torch.autograd.grad(weights @ value, (query, key, value), wanted), strict=True):
        assert torch.allclose(got, expected, atol=1e-5)


def test_a_text_is_answered_alike_alone_and_padded() -> None:
    model = build("bert", training_attention("bert", "cpu", True), 0.1).eval()
    together = batch()
    alone = {"input_ids": together["input_ids"][1:2, :16]}
    with torch.no_grad():
        assert torch.allclose(model(**together).logits[1], model(**alone).logits[0], atol=1e-6)


def test_what_is_masked_is_zero_and_the_rest_untouched() -> None:
    mask = torch.tensor([0, -1, -1, 0], dtype=torch.int16)
    values = torch.tensor([1.5, -2.5, float("inf"), float("nan")])
    assert apply_mask(values, mask).tolist() == [0.0, -2.5, float("inf"), 0.0]


@pytest.mark.parametrize(
    ("model_type", "device", "sdpa", "expected"),
    [("albert", "cpu", True, "eager"), ("deberta-v2", "cpu", False, "eager"), ("bert", "cuda", True, "sdpa"), ("deberta-v2", "cuda", False, "eager")],
)
def test_other_architectures_and_devices_keep_what_they_have(model_type: str, device: str, sdpa: bool, expected: str) -> None:
    assert training_attention(model_type, device, sdpa) == expected
