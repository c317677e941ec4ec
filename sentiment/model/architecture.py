"""What a family of encoders can do and how large it is, known from its configuration before any weight is read."""

import copy
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Architecture:
    """A classifier as transformers builds it for a configuration.

    Attributes
    ----------
    model_class : type
        The class with a classification head.
    head : frozenset of str
        Names of the parameters outside the encoder.
    final : dict of str to int
        Those of `head` that have one entry a class, and the dimension it is in.
    vocabulary : int or None
        Rows of the word embedding.
    positions : int or None
        Longest input; None where nothing limits it.
    """

    model_class: Any
    head: frozenset[str]
    final: dict[str, int]
    vocabulary: int | None
    positions: int | None

    @property
    def sdpa(self) -> bool:
        """Whether torch's `scaled_dot_product_attention` can be asked for: families that lack it raise."""
        return bool(self.model_class._supports_sdpa)


def architecture_of(config: Any) -> Architecture:
    """Build the classifier without memory for its weights and look at it.

    Parameters
    ----------
    config : transformers.PretrainedConfig
        Of the encoder; not changed.

    Raises
    ------
    ValueError
        Where transformers has no classifier for this configuration.
    """
    model, other = (_empty_model(config, classes) for classes in (2, 3))
    encoder = f"{model.base_model_prefix}."
    shapes, others = ({name: tuple(weight.shape) for name, weight in built.named_parameters()} for built in (model, other))
    final = {
        name: next(axis for axis, (two, three) in enumerate(zip(shape, others[name], strict=True)) if two != three)
        for name, shape in shapes.items()
        if shape != others[name]
    }
    words = model.get_input_embeddings()
    return Architecture(
        model_class=type(model),
        head=frozenset(name for name in shapes if not name.startswith(encoder)),
        final=final,
        vocabulary=words.weight.shape[0] if words is not None else None,
        positions=_positions(model, config),
    )


def _empty_model(config: Any, classes: int) -> Any:
    import torch
    from transformers import AutoModelForSequenceClassification

    config = copy.deepcopy(config)
    config.num_labels = classes
    if getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = 0  # some families cannot be built without
    with torch.device("meta"):
        return AutoModelForSequenceClassification.from_config(config, attn_implementation="eager", trust_remote_code=False)


def _positions(model: Any, config: Any) -> int | None:
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
            # RoBERTa and its kin count from the position after the padding's.
            return int(module.num_embeddings) - (module.padding_idx + 1 if module.padding_idx is not None else 0)
    positions = getattr(config, "max_position_embeddings", None)
    return positions if isinstance(positions, int) and positions > 0 else None
