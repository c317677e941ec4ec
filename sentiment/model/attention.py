"""BERT's attention for a training on a CPU: the products, one softmax and fast dropout, and nothing between them.

Where there is dropout, torch's `scaled_dot_product_attention` falls back to a slow path on a CPU, and the
eager code of transformers goes over the scores again and again: for the scale, the mask of the padding,
a copy in another precision, the scale of the dropout. Here the first is applied to the queries, the last
to the result, both far smaller, and the mask touches the padding alone. The numbers are those of
"Attention is all you need" (Vaswani et al. 2017), equation 1.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from sentiment.model import flash
from sentiment.model.dropout import apply_mask, draw_mask, keep_scale

CPU_ATTENTION = "cpu_dropout"
# They call the attention with query, key, value, a mask of the padding, scaling and dropout, and nothing else that counts.
KNOWN_MODELS = {"bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"}


def training_attention(model_type: str, device: str, sdpa: bool) -> str:
    """Return the name of the attention that trains fastest, for `attn_implementation`.

    Parameters
    ----------
    model_type : str
        As the model's configuration names it.
    device : str
        cpu, cuda or mps.
    sdpa : bool
        The model's class supports torch's `scaled_dot_product_attention`; one that does not raises where it is asked for.

    Returns
    -------
    str
        On a CPU this module's, on an NVIDIA GPU from Ampere on that of `sentiment.model.flash`, made known to
        transformers by the call; for an architecture that has an attention of its own, eager and
        sdpa, or eager where the class lacks that.
    """
    if device == "cuda" and model_type in KNOWN_MODELS and flash.has_flash():
        return flash.register()
    if device != "cpu":
        return "sdpa" if sdpa else "eager"
    if model_type not in KNOWN_MODELS:
        return "eager"
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(CPU_ATTENTION, _attend)
    AttentionMaskInterface.register(CPU_ATTENTION, _padding)
    return CPU_ATTENTION


def _padding(attention_mask: torch.Tensor | None = None, **_: Any) -> torch.Tensor | None:
    # The mask as the tokenizer gives it, (texts, tokens), True for a token: nothing of the size of the scores.
    return None if attention_mask is None or bool(attention_mask.all()) else attention_mask.bool()


def _hide_padding(scores: torch.Tensor, tokens: torch.Tensor) -> None:
    # scores: (texts, heads, tokens, tokens), changed in place.
    lowest = torch.finfo(scores.dtype).min
    lengths = tokens.sum(dim=1)
    if bool((tokens == (torch.arange(tokens.shape[1]) < lengths[:, None])).all()):  # padded on the right
        for text, length in enumerate(lengths.tolist()):
            scores[text, :, :, length:] = lowest
    else:
        scores.masked_fill_(~tokens[:, None, None, :], lowest)


class _Attention(torch.autograd.Function):
    # All inputs have the shape (texts, heads, tokens, features of a head); texts and heads are one dimension inside.

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, tokens: torch.Tensor | None, scaling: float, dropout: float
    ) -> torch.Tensor:
        shape = query.shape
        query, key, value = (query * scaling).flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1)
        scores = torch.bmm(query, key.transpose(1, 2))
        if tokens is not None:
            _hide_padding(scores.view(*shape[:3], -1), tokens)
        probabilities = torch.softmax(scores, -1, dtype=scores.dtype)
        mask = draw_mask(probabilities.shape, dropout)
        ctx.save_for_backward(query, key, value, probabilities, mask)
        ctx.scaling, ctx.keep_scale = scaling, keep_scale(dropout)
        return torch.bmm(apply_mask(probabilities, mask), value).mul_(ctx.keep_scale).view(shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, probabilities, mask = ctx.saved_tensors
        shape = gradient.shape
        gradient = (gradient * ctx.keep_scale).flatten(0, 1)
        to_value = torch.bmm(apply_mask(probabilities, mask).transpose(1, 2), gradient)
        to_probabilities = apply_mask(torch.bmm(gradient, value.transpose(1, 2)), mask)
        to_scores = torch._softmax_backward_data(to_probabilities, probabilities, -1, probabilities.dtype)
        to_query = torch.bmm(to_scores, key).mul_(ctx.scaling)
        to_key = torch.bmm(to_scores.transpose(1, 2), query)
        return to_query.view(shape), to_key.view(shape), to_value.view(shape), None, None, None


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    scaling = query.size(-1) ** -0.5 if scaling is None else scaling
    if module.training and dropout > 0:
        attended: torch.Tensor = _Attention.apply(query, key, value, attention_mask, scaling, dropout)  # type: ignore[no-untyped-call]
    else:  # without dropout the CPU has a fused kernel
        tokens = attention_mask[:, None, None, :] if attention_mask is not None else None
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=tokens, scale=scaling)
    return attended.transpose(1, 2).contiguous(), None
