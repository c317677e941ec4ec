"""Running a classifier over many texts: without gradients, sorted by length, answers in row order."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sentiment.model.runtime import Runtime
from sentiment.model.together import processes
from sentiment.model.tokens import TokenizedTexts, pad
from sentiment.model.trained.judgement import Predictions, judge


def predict(
    model: Any,
    texts: TokenizedTexts,
    labels: npt.NDArray[np.int64],
    batch_size: int,
    runtime: Runtime,
    progress: Callable[[int], None] | None = None,
) -> Predictions:
    """Classify texts whose classes are known.

    Parameters
    ----------
    model, texts, batch_size, runtime, progress
        As for `compute_logits`.
    labels : ndarray of int, shape (n,)
        The texts' true classes.

    Returns
    -------
    Predictions
        In the order of `texts`.
    """
    return judge(compute_logits(model, texts, batch_size, runtime, progress), labels)


def compute_logits(
    model: Any, texts: TokenizedTexts, batch_size: int, runtime: Runtime, progress: Callable[[int], None] | None = None
) -> npt.NDArray[np.float64]:
    """Run a classifier over texts.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A sequence classifier; put into evaluation mode, and back into the mode it was in.
    texts : TokenizedTexts
        n texts.
    batch_size : int
        Texts a forward pass. In bf16 it moves a logit by up to 4e-4.
    runtime : Runtime
        Device and precision.
    progress : callable, optional
        Called with the number of texts done.

    Returns
    -------
    ndarray of float64, shape (n, classes)
        In the order of `texts`; not finite where the model gave no finite number.
    """
    batches = texts.batches(batch_size)
    logits = np.zeros((len(texts.token_ids), model.config.num_labels), dtype=np.float64)
    was_training = model.training
    model.eval()
    with torch.inference_mode(), runtime.autocast():
        # Each of several processes takes its share of the batches: the batches themselves are the same for any number.
        for number in range(processes.rank(), len(batches), processes.count()):
            rows = batches[number]
            batch = pad([texts.token_ids[row] for row in rows], model.config.pad_token_id or 0, texts.layout)
            output = model(**{name: tensor.to(model.device) for name, tensor in batch.items()}).logits
            logits[rows] = output.double().cpu().numpy()
            if progress:
                progress(number * batch_size + len(rows))
    model.train(was_training)
    return processes.sum_of(logits, model.device)
