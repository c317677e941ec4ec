"""Dropout on a CPU whose masks come from a generator several times as fast as torch's.

Drawing masks is the largest single cost of a BERT training step on a CPU: torch draws them on one
thread, number by number. Here NumPy's SFC64 (Doty-Humphrey, PractRand) fills them 16 bits an element,
and is seeded by torch's own generator for each mask, so that a run is repeated, and resumed, by
torch's state alone. The probability is met to within 1/65536, and the scale is that of the
probability met: the expectation of the output is the input, as Srivastava et al. (2014) have it.
"""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable

_MASKED_AS = {torch.bfloat16: torch.int16, torch.float16: torch.int16, torch.float32: torch.int32}
_STEPS = 2**15  # 15 random bits decide on an element


def keep_scale(probability: float) -> float:
    """Return what kept elements are multiplied by, for the probability that `draw_mask` meets."""
    return _STEPS / _kept_steps(probability)


def draw_mask(shape: torch.Size, probability: float) -> torch.Tensor:
    """Draw which elements stay.

    Parameters
    ----------
    shape : torch.Size
        Of the mask.
    probability : float
        Of an element to be dropped, in [0, 1).

    Returns
    -------
    Tensor of int16
        All bits set where the element stays, none where it is dropped; for `apply_mask`. One draw is
        taken from torch's global CPU generator.
    """
    elements = shape.numel()
    seed = int(torch.randint(2**63 - 1, ()))
    words = np.random.SFC64(seed).random_raw(-(-elements // 4))
    bits = torch.from_numpy(words.view(np.int16))[:elements].view(shape)
    # In place, as each pass over a mask of this size counts: 15 bits, less the threshold; the sign fills all bits.
    return bits.bitwise_and_(_STEPS - 1).sub_(_kept_steps(probability)).bitwise_right_shift_(15)


def apply_mask(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return `values` (bfloat16, float16 or float32) with zeros where `mask` drops them; nothing is scaled."""
    return (values.contiguous().view(_MASKED_AS[values.dtype]) & mask).view(values.dtype)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, values: torch.Tensor, probability: float) -> torch.Tensor:
        mask = draw_mask(values.shape, probability)
        ctx.save_for_backward(mask)
        ctx.scale = keep_scale(probability)  # type: ignore[attr-defined]
        return apply_mask(values, mask).mul_(keep_scale(probability))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (mask,) = ctx.saved_tensors
        return apply_mask(gradient, mask).mul_(ctx.scale), None


class FastDropout(nn.Dropout):
    """`torch.nn.Dropout` for tensors on a CPU."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Drop elements in training; elsewhere, and on another device, do what `torch.nn.Dropout` does."""
        if not self.training or not 0 < self.p < 1 or values.device.type != "cpu" or values.dtype not in _MASKED_AS:
            return super().forward(values)
        dropped: torch.Tensor = _Dropout.apply(values, self.p)  # type: ignore[no-untyped-call]
        return dropped


def use_fast_dropout(model: nn.Module) -> None:
    """Put a `FastDropout` in the place of each `torch.nn.Dropout` of a model; its weights and its state are not touched."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, FastDropout(child.p).train(child.training))


def _kept_steps(probability: float) -> int:
    return max(1, round((1 - probability) * _STEPS))
