"""Which tokens moved a decision: integrated gradients over the word embeddings (Sundararajan, Taly and Yan 2017)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sentiment.model.tokens import TokenizedTexts, pad

_POINTS = (64, 128, 256, 512)
_EXACT = 0.01  # nats: more points are taken until the weights add up to within this
_BATCH = 16  # points of the path a pass: bounds memory, whatever the number of steps


@dataclass(frozen=True)
class Attribution:
    """How much each token of one text adds to the log odds of a class.

    Attributes
    ----------
    weights : ndarray of float64, shape (tokens,)
        In nats; special tokens have 0.
    log_odds, baseline : float
        Of the class, for the text and for a text of padding alone.
    logits : ndarray of float64, shape (classes,)
        Of the text, in fp32.
    """

    weights: npt.NDArray[np.float64]
    log_odds: float
    baseline: float
    logits: npt.NDArray[np.float64]

    @property
    def completeness_error(self) -> float:
        """How far the weights are from adding up to `log_odds` less `baseline`, which exact integration gives."""
        return abs(float(self.weights.sum()) - (self.log_odds - self.baseline))


def attribute(model: Any, text: TokenizedTexts, kept: npt.NDArray[np.bool_], target: int | None = None) -> Attribution:
    """Attribute a decision to tokens.

    The path leads from a text whose tokens are all padding to the text. It is taken at the output of the embedding layer, so any
    encoder will do; the points are those of Gauss and Legendre: 64, and up to 512 where the weights do not add up (families whose
    attention has kinks, such as DeBERTa and Funnel).

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A sequence classifier; computed with in fp32 and evaluation mode, and left as it was.
    text : TokenizedTexts
        One text.
    kept : ndarray of bool, shape (tokens,)
        Special tokens, which stay themselves along the path.
    target : int, optional
        The class; the most probable one where it is None.
    """
    embedding = model.get_input_embeddings()
    padding = model.config.pad_token_id or 0
    padded = pad(text.token_ids, padding, text.layout)
    real = padded["attention_mask"][0].bool()
    batch = {name: tensor[:, real].to(model.device) for name, tensor in padded.items()}
    ids = batch["input_ids"]
    start_ids = torch.where(torch.as_tensor(kept, device=model.device), ids, padding)
    was_training, trainable = model.training, [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval()
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        with torch.no_grad():
            end, start = embedding(ids), embedding(start_ids)
            both = _run(model, batch, torch.cat([end, start]))
        chosen = int(both[0].argmax()) if target is None else target
        odds = _log_odds(both, chosen)
        for points in _POINTS:
            gradients = _mean_gradient(model, batch, start, end, chosen, points)
            weights = ((end - start)[0].double() * gradients).sum(dim=-1).cpu().numpy()
            found = Attribution(weights, float(odds[0]), float(odds[1]), both[0].double().cpu().numpy())
            if found.completeness_error <= _EXACT:
                break
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
        model.train(was_training)
    return found


def _mean_gradient(model: Any, batch: dict[str, torch.Tensor], start: torch.Tensor, end: torch.Tensor, target: int, number: int) -> torch.Tensor:
    points, shares = np.polynomial.legendre.leggauss(number)
    total = torch.zeros_like(end[0], dtype=torch.float64)
    for first in range(0, number, _BATCH):
        along = torch.as_tensor((points[first : first + _BATCH] + 1) / 2, dtype=end.dtype, device=end.device)[:, None, None]
        path = (start + along * (end - start)).detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(_log_odds(_run(model, batch, path), target).sum(), path)
        share = torch.as_tensor(shares[first : first + _BATCH] / 2, dtype=torch.float64, device=end.device)[:, None, None]
        total += (share * gradient.double()).sum(dim=0)
    return total


def _run(model: Any, batch: dict[str, torch.Tensor], embedded: torch.Tensor) -> torch.Tensor:
    # In the place of the embeddings that the layer gives: not every family takes inputs_embeds, and some read the ids for positions.
    expanded = {name: tensor.expand(len(embedded), -1) for name, tensor in batch.items()}
    length = embedded.shape[1]

    def put(_: Any, given: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        ids = given[0]
        if torch.equal(ids[:, :length], expanded["input_ids"]):
            return torch.cat([embedded, output[:, length:]], dim=1)  # Longformer pads to a multiple of its window
        return embedded.transpose(0, 1)  # XLNet reads tokens first

    handle = model.get_input_embeddings().register_forward_hook(put)
    try:
        logits: torch.Tensor = model(**expanded).logits
    finally:
        handle.remove()
    return logits


def _log_odds(logits: torch.Tensor, target: int) -> torch.Tensor:
    others = torch.cat([logits[:, :target], logits[:, target + 1 :]], dim=1)
    odds: torch.Tensor = logits[:, target] - torch.logsumexp(others, dim=1)
    return odds
