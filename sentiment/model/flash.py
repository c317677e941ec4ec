"""BERT's attention for a training on an NVIDIA GPU: the flash kernel with dropout, on padded batches.

torch's `scaled_dot_product_attention` takes its fastest kernel only where no mask is given, and transformers
finds out whether one is needed by asking the GPU, which makes the host wait. The kernel itself (Dao 2023,
"FlashAttention-2") reads texts laid end to end and the places where they begin. A padded batch is such a row
too: the padding of a text, after or before it, counts as a text for itself. So no text sees padding, no mask
is built, nothing is copied, and no shape depends on what the texts hold.
"""

from typing import Any

import torch
import torch.nn.functional as F

CUDA_ATTENTION = "cuda_padded"  # transformers looks for a package where a name has "flash" in it
_HALF = {torch.bfloat16, torch.float16}
_LARGEST_HEAD = 256
_AMPERE = (8, 0)


def has_flash() -> bool:
    """Tell whether the GPU at hand runs the kernel: NVIDIA's from Ampere on."""
    return torch.version.cuda is not None and torch.cuda.is_available() and torch.cuda.get_device_capability() >= _AMPERE


def register() -> str:
    """Make the attention known to transformers and return its name, for `attn_implementation`."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(CUDA_ATTENTION, _attend)
    AttentionMaskInterface.register(CUDA_ATTENTION, _mask)
    return CUDA_ATTENTION


def boundaries(tokens: torch.Tensor) -> torch.Tensor:
    """Say where texts and their padding begin in a batch laid end to end.

    Parameters
    ----------
    tokens : Tensor of bool, shape (texts, length)
        True for a token; all padding of a text is on one side of it.

    Returns
    -------
    Tensor of int32, shape (2 × texts + 1,)
        Even places: where a row begins, at last where the batch ends. Odd places: where the row goes over from the
        text to its padding, or from the padding to its text.
    """
    texts, length = tokens.shape
    starts = torch.arange(texts, device=tokens.device, dtype=torch.int32) * length
    counts = tokens.sum(dim=1, dtype=torch.int32)
    inner = torch.stack([starts, starts + torch.where(tokens[:, 0], counts, length - counts)], dim=1).flatten()
    return F.pad(inner, (0, 1), value=texts * length)


def _mask(attention_mask: torch.Tensor | None = None, **_: Any) -> torch.Tensor | None:
    return None if attention_mask is None else boundaries(attention_mask.bool())


def _visible(places: torch.Tensor, length: int) -> torch.Tensor:
    # From `boundaries` to (texts, 1, length, length), True where both are of the text, or both of its padding.
    first = torch.arange(length, device=places.device) < (places[1::2] - places[:-1:2])[:, None]
    return (first[:, :, None] == first[:, None, :])[:, None]


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
    # query, key, value: (texts, heads, length, features of a head); attention_mask: from `boundaries`.
    texts, heads, length, features = query.shape
    if attention_mask is None or query.dtype not in _HALF or features % 8 or features > _LARGEST_HEAD:
        visible = None if attention_mask is None else _visible(attention_mask, length)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=visible, dropout_p=dropout, scale=scaling)
        return attended.transpose(1, 2), None
    rows = (tensor.transpose(1, 2).reshape(texts * length, heads, features) for tensor in (query, key, value))
    attended = torch.ops.aten._flash_attention_forward(*rows, attention_mask, attention_mask, length, length, dropout, False, False, scale=scaling)[0]
    return attended.view(texts, length, heads, features), None
