"""Which trained model is meant: a folder, a revision or experiment of this repository, or a model of the Hub."""

import shutil
from pathlib import Path
from typing import Any

from sentiment.core import paths
from sentiment.core.files import replacing
from sentiment.core.paths import main_root
from sentiment.model.text_settings import FILE as SETTINGS_FILE
from sentiment.model.text_settings import TextSettings, read_text_settings
from sentiment.terminal.errors import UserError, error_line

_KEPT_MODELS = 3  # from revisions, on disk: the one used the longest ago goes first
_HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
_USUAL_LENGTH = 512


def find_model(name: str, output: Path = paths.CLASSIFIER) -> Path:
    """Return a folder with a trained model.

    Parameters
    ----------
    name : str
        A folder; or a commit, tag, branch or experiment of this repository: its model comes out of DVC's cache, or out of
        the storage, and the workspace is not touched; or a Hub id (``owner/name``, ``owner/name@revision``).
    output : Path
        What is wanted of a revision.

    Raises
    ------
    UserError
        Where there is no model of that name.
    """
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return folder
    if folder.is_dir() or name.startswith((".", "/", "~")) or folder == paths.CLASSIFIER:
        advice = "`make run` trains one there" if folder == paths.CLASSIFIER else "name one that the stage train or `save_pretrained` wrote"
        raise UserError(f"--model {name}: the folder holds no model (config.json): {advice}")
    found = _from_revision(name, output)
    if found is None and output == paths.CLASSIFIER:
        found = _from_hub(name)
    if found is None:
        raise UserError(
            f"--model {name}: no folder, no revision or experiment of this repository (`make show` lists them), and no Hub id (owner/name)"
        )
    return found


def settings_of(folder: Path) -> TextSettings:
    """Return how a model reads a text: what stands beside it, or for a model from elsewhere its tokenizer's own length and HTML removed."""
    if (folder / SETTINGS_FILE).exists():
        return read_text_settings(folder)
    from transformers import AutoConfig, AutoTokenizer

    lengths = [AutoTokenizer.from_pretrained(folder).model_max_length, getattr(AutoConfig.from_pretrained(folder), "max_position_embeddings", None)]
    known = [int(length) for length in lengths if length]
    return TextSettings(min([_USUAL_LENGTH, *known]), "head", strip_html=True, precision="auto")


def _from_revision(name: str, output: Path) -> Path | None:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import RevError, SCMError, resolve_rev

    try:
        repo = Repo()
    except DvcException:
        return None
    with repo:
        try:
            revision = resolve_rev(repo.scm, name)
        except (RevError, SCMError, DvcException):
            return None
        with repo.switch(revision):
            wanted = output.as_posix()
            hashes = [out.hash_info for out in repo.index.outs if out.use_cache and out.hash_info and str(out) == wanted]
        if not hashes:
            raise UserError(f"--model {name}: this revision has no {output} in its dvc.lock: name one that was trained")
        folder: Path = main_root() / ".cache" / "models" / hashes[0].value.removesuffix(".dir")
        if not folder.is_dir():
            _take_out(repo, name, revision, output, hashes[0], folder)
        folder.touch()
        for old in sorted(folder.parent.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)[:-_KEPT_MODELS]:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _take_out(repo: Any, name: str, revision: str, output: Path, hash_info: Any, folder: Path) -> None:
    from dvc.exceptions import DvcException
    from dvc_data.hashfile.tree import Tree

    cache = repo.cache.local

    def entries() -> list[tuple[str, Path]] | None:
        try:
            listed = [("/".join(key), Path(cache.oid_to_path(entry.value))) for key, _, entry in Tree.load(cache, hash_info)]
        except (OSError, DvcException, ValueError):
            return None
        return listed if all(path.is_file() for _, path in listed) else None

    files = entries()
    if files is None:
        try:
            repo.fetch(targets=[output.as_posix()], revs=[revision])
        except (OSError, DvcException) as error:
            reason = error_line(str(error))
            raise UserError(
                f"--model {name}: its model is not in this machine's cache, and the storage does not give it ({reason}): "
                f"`python -m sentiment receive {name}` says what is missing"
            ) from None
        files = entries()
    if files is None:
        raise UserError(f"--model {name}: its model is neither in this machine's cache nor in the storage: `dvc repro` there makes it again")
    with replacing(folder) as partial:
        for relative, path in files:
            (partial / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, partial / relative)


def _from_hub(name: str) -> Path | None:
    identity, _, revision = name.partition("@")
    if identity.count("/") != 1 or not all(identity.split("/")):
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(identity, revision=revision or None, allow_patterns=_HUB_FILES))
    except HFValidationError:
        return None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(f"--model {name}: no folder and no revision here, and the Hub does not give it ({error_line(str(error))})") from None
