"""The training loss: cross-entropy with label smoothing and class weights, the same for any number of micro-batches."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from sentiment.training.parameters import TrainParameters


def training_loss(settings: TrainParameters, labels: npt.NDArray[np.int64], classes: int, device: str) -> Callable[..., torch.Tensor]:
    """Return the loss that Trainer calls for each micro-batch.

    Parameters
    ----------
    settings : TrainParameters
        Label smoothing and class weights.
    labels : ndarray of int, shape (n,)
        Of the training set: class weights are balanced over it.
    classes : int
        Number of classes.
    device : str
        cpu, cuda or mps: where the logits are.

    Returns
    -------
    callable
        ``loss(outputs, labels, num_items_in_batch)``: cross-entropy in nats, a scalar tensor.
    """
    weights: torch.Tensor | None = None
    if settings.class_weights == "balanced":
        counts = np.maximum(np.bincount(labels, minlength=classes), 1)
        weights = torch.tensor(len(labels) / (classes * counts), dtype=torch.float32, device=device)

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None) -> torch.Tensor:
        # The sum over a micro-batch by the examples of the whole step: accumulation changes nothing.
        total = F.cross_entropy(
            outputs.logits.float(),
            labels,
            weight=weights,
            label_smoothing=settings.label_smoothing,
            reduction="sum",
        )
        return total / (num_items_in_batch if num_items_in_batch is not None else len(labels))

    return loss
