"""Classifiers: built on an encoder, with a new head or its own; or loaded as the train stage wrote them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sentiment.model.architecture import Architecture, architecture_of
from sentiment.model.attention import training_attention
from sentiment.model.dropout import use_fast_dropout
from sentiment.model.encoders import Encoder
from sentiment.model.loading import be_quiet, encoder_architecture, first_line, from_hub_or_folder, knows_words, load_config, load_tokenizer
from sentiment.model.runtime import DETERMINISM_VARIABLE, Runtime
from sentiment.model.tokens import pad, tokenize
from sentiment.terminal.errors import UserError

NEW_HEAD, KEEP_HEAD = "new", "keep"


@dataclass(frozen=True)
class Loaded:
    """A classifier ready for training.

    Attributes
    ----------
    model : transformers.PreTrainedModel
        In fp32, on the CPU.
    head : str
        new (the encoder had none), replaced (it had one), or kept.
    """

    model: Any
    head: str


@dataclass(frozen=True)
class Trial:
    """What `try_encoder` found.

    Attributes
    ----------
    head : str
        new (the encoder has none), replaced (it has one), or kept.
    bf16 : bool
        The family can compute in bf16 (autocast).
    """

    head: str
    bf16: bool


def try_encoder(encoder: Encoder, tokenizer: Any, class_names: list[str], head: str, runtime: Runtime) -> Trial:
    """Load a classifier and take one step with it, so that what is wrong with an encoder ends a training before it starts.

    Parameters
    ----------
    encoder, tokenizer : Encoder, transformers tokenizer
        From `find_encoder` and `load_tokenizer`.
    class_names : list of str
        Of the data.
    head : str
        new, or keep.
    runtime : Runtime
        Its device counts.

    Returns
    -------
    Trial
        What becomes of the head, and whether the family can compute in bf16.

    Raises
    ------
    UserError
        Where the encoder cannot be loaded or computed, its tokenizer knows tokens that it has no row for, or its head
        cannot be kept.
    """
    rows, largest = encoder_architecture(encoder).vocabulary, max(tokenizer.get_vocab().values())
    if rows is not None and largest >= rows:
        raise UserError(
            f"{encoder.title}: the tokenizer has token ids up to {largest}, the embedding {rows} rows: they do not belong together; "
            "save the model after `model.resize_token_embeddings(len(tokenizer))`, or take the tokenizer it was trained with"
        )
    loaded = _load(encoder, class_names, head, _attention(encoder, runtime.device))
    model = loaded.model.to(runtime.device)
    if problem := _step(model, tokenizer, replace(runtime, precision="fp32")):
        advice = f": set {DETERMINISM_VARIABLE}=loose to train it all the same" if "deterministic implementation" in str(problem) else ""
        raise UserError(f"{encoder.title}: {type(model).__name__} fails in its first training step ({first_line(problem)}){advice}")
    # DeBERTa's first version fills masked scores with a number that bf16 does not have.
    return Trial(loaded.head, bf16=_step(model, tokenizer, replace(runtime, precision="bf16")) is None)


def load_classifier(encoder: Encoder, class_names: list[str], device: str, head: str = NEW_HEAD) -> Any:
    """Load the encoder with a classification head, set up to train fast on a device.

    A new head's weights are drawn from torch's generator: seed it before. They are the same whether or
    not the weights already have a head.

    Parameters
    ----------
    encoder : Encoder
        From `find_encoder`.
    class_names : list of str
        Become ``id2label`` and ``label2id``.
    device : str
        cpu, cuda or mps: decides on the attention and on where dropout comes from. The model stays on the CPU.
    head : str
        new draws a head always; keep takes the one that the encoder has, its classes brought into the order of `class_names`.

    Returns
    -------
    transformers.PreTrainedModel
        In fp32.

    Raises
    ------
    UserError
        Where it cannot be loaded, or a head to keep is not there or has other classes.
    """
    model = _load(encoder, class_names, head, _attention(encoder, device)).model
    if device == "cpu":
        use_fast_dropout(model)
    return model


def load_trained(folder: Path) -> tuple[Any, Any]:
    """Load the tokenizer and the classifier that the train stage wrote.

    Parameters
    ----------
    folder : Path
        models/classifier.

    Returns
    -------
    tokenizer, model : transformers objects
        The model in fp32, with the attention kernel that is fastest without dropout.

    Raises
    ------
    UserError
        Where the folder holds no classifier that can be loaded.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    be_quiet()
    only_here = {"local_files_only": True, "trust_remote_code": False}
    try:
        if not (folder / "config.json").is_file():
            raise OSError("there is no config.json")
        tokenizer = AutoTokenizer.from_pretrained(folder, **only_here)
        if not knows_words(tokenizer):
            raise OSError("there is no tokenizer")
        sdpa = architecture_of(AutoConfig.from_pretrained(folder, **only_here)).sdpa
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, attn_implementation="sdpa" if sdpa else "eager", dtype=torch.float32, use_safetensors=True, **only_here
        )
    except Exception as error:  # the files may be anything: whatever the libraries raise
        raise UserError(f"{folder}: the model cannot be loaded ({first_line(error)}): `dvc repro train` makes it anew") from None
    return tokenizer, model


def _attention(encoder: Encoder, device: str) -> str:
    return training_attention(load_config(encoder).model_type, device, encoder_architecture(encoder).sdpa)


def _step(model: Any, tokenizer: Any, runtime: Runtime) -> Exception | None:
    # Two texts of different length, so that there is padding; forward and backward.
    texts = tokenize(tokenizer, ["a", "a film and a story"], 8, "head")
    batch = {name: tensor.to(model.device) for name, tensor in pad(texts.token_ids, model.config.pad_token_id, texts.layout).items()}
    model.train()
    try:
        with runtime.autocast():
            logits = model(**batch).logits
        logits.float().sum().backward()
    except Exception as error:  # of any kind: the model's own code
        return error
    finally:
        model.zero_grad()
    return None


def _load(encoder: Encoder, class_names: list[str], head: str, attention: str) -> Loaded:
    import torch
    from transformers import AutoModelForSequenceClassification

    config = load_config(encoder)
    architecture = encoder_architecture(encoder)
    theirs = _class_order(encoder, config, class_names) if head == KEEP_HEAD else []
    _settle(config, class_names, encoder)
    options = {"attn_implementation": attention, "dtype": torch.float32}
    state = torch.random.get_rng_state()
    model, found = from_hub_or_folder(
        encoder,
        AutoModelForSequenceClassification.from_pretrained,
        config=config,
        output_loading_info=True,
        use_safetensors=True,
        ignore_mismatched_sizes=True,
        **options,
    )
    missing, mismatched = set(found["missing_keys"]), {entry[0] for entry in found["mismatched_keys"]}
    _check_weights(encoder, architecture, missing, mismatched)
    had_head = bool(set(architecture.final) - missing)
    if head == KEEP_HEAD:
        if not had_head or architecture.head & (missing | mismatched):
            raise UserError(f"{encoder.title}: train.head = keep, and it has no classification head: set train.head to new")
        _reorder(model, architecture, theirs)
        return Loaded(model, "kept")
    if not had_head:
        return Loaded(model, NEW_HEAD)
    # Once more as if there were none: the head is drawn as for an encoder without.
    drawn = architecture.head | missing | mismatched
    weights = {name: weight for name, weight in model.state_dict().items() if name not in drawn}
    torch.random.set_rng_state(state)
    model = type(model).from_pretrained(None, config=model.config, state_dict=weights, **options)
    return Loaded(model, "replaced")


def _settle(config: Any, class_names: list[str], encoder: Encoder) -> None:
    # What an earlier use left in the configuration would change what the model and transformers' pipeline do.
    config.num_labels = len(class_names)
    config.id2label = dict(enumerate(class_names))
    config.label2id = {name: index for index, name in enumerate(class_names)}
    config.problem_type = "single_label_classification"
    if hasattr(config, "function_to_apply"):
        delattr(config, "function_to_apply")
    if config.pad_token_id is None:
        config.pad_token_id = load_tokenizer(encoder).pad_token_id


def _class_order(encoder: Encoder, config: Any, class_names: list[str]) -> list[int]:
    # For each class of the data the head's index of it; names that differ in case alone are the same.
    theirs = {str(name).casefold(): index for index, name in config.id2label.items()}
    ours = [name.casefold() for name in class_names]
    if len(set(ours)) < len(ours) or len(theirs) < len(config.id2label) or set(ours) != set(theirs):
        raise UserError(
            f"{encoder.title}: train.head = keep, and its head knows the classes {', '.join(map(str, config.id2label.values()))} "
            f"where the data has {', '.join(class_names)}: rename the classes (prepare.class_names), or set train.head to new"
        )
    return [theirs[name] for name in ours]


def _reorder(model: Any, architecture: Architecture, order: list[int]) -> None:
    import torch

    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, axis in architecture.final.items():
            weights[name].copy_(weights[name].index_select(axis, torch.tensor(order)))


def _check_weights(encoder: Encoder, architecture: Architecture, missing: set[str], mismatched: set[str]) -> None:
    # A pooler is drawn anew where pretraining had none; anything else that lacks would be noise in the encoder.
    absent = sorted(name for name in missing - architecture.head if "pooler" not in name)
    other = sorted(mismatched - architecture.head)
    if absent or other:
        what = f"lacks {len(absent)} of the encoder's tensors ({absent[0]})" if absent else f"has {other[0]} in another shape"
        raise UserError(f"{encoder.title}: cannot be loaded: model.safetensors {what}: its config.json belongs to another model")
