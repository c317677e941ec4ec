"""The bfloat16 copies of a model's weights that its products read, made all at once at the start of a step.

Autocast makes each copy where it is needed, and turns each gradient back where it arises: in BERT-base some
three hundred small kernels a step, which together take longer than the bytes they move. Here one kernel makes
all copies and one turns all gradients back. The numbers are autocast's, bit for bit.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class _HalfLinear(nn.Linear):
    half_weight: torch.Tensor
    half_bias: torch.Tensor | None

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if self.training:
            return F.linear(features, self.half_weight, self.half_bias)
        return super().forward(features)


class HalfWeights:
    """Copies for the linear layers of a model in training; in evaluation they read their own weights.

    Parameters
    ----------
    model : torch.nn.Module
        In fp32, on its device, and called under autocast to bfloat16.
    """

    def __init__(self, model: nn.Module) -> None:
        self._layers: list[Any] = [module for module in model.modules() if type(module) is nn.Linear and module.weight.requires_grad]
        self._weights: list[torch.Tensor] = []
        self._copies: list[torch.Tensor] = []
        for layer in self._layers:
            layer.half_weight = self._copy_of(layer.weight)
            layer.half_bias = None if layer.bias is None else self._copy_of(layer.bias)
            layer.__class__ = _HalfLinear

    def refresh(self) -> None:
        """Make the copies anew; before the forward pass."""
        with torch.no_grad():
            torch._foreach_copy_(self._copies, self._weights)

    def hand_over(self) -> None:
        """Give the copies' gradients to the weights, in fp32; after the backward pass of a step that starts without gradients."""
        used = [(weight, copy, copy.grad) for weight, copy in zip(self._weights, self._copies, strict=True) if copy.grad is not None]
        gradients = [torch.empty_like(weight) for weight, *_ in used]
        torch._foreach_copy_(gradients, [gradient for *_, gradient in used])
        for (weight, copy, _), gradient in zip(used, gradients, strict=True):
            weight.grad, copy.grad = gradient, None

    def remove(self) -> None:
        """Leave the model as it was."""
        for layer in self._layers:
            layer.__class__ = nn.Linear
            del layer.half_weight, layer.half_bias

    def _copy_of(self, weight: torch.Tensor) -> torch.Tensor:
        copy = weight.detach().to(torch.bfloat16).requires_grad_()
        self._weights.append(weight)
        self._copies.append(copy)
        return copy
