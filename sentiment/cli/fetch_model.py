"""Bringing an encoder from outside into the repository: encoders/<name>/, tracked by DVC."""

from pathlib import Path

from sentiment.cli.under_dvc import new_folder, put_under_dvc
from sentiment.core import paths
from sentiment.core.files import replacing
from sentiment.model.encoders import folder_encoder, model_files
from sentiment.model.loading import encoder_architecture, load_tokenizer
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import progress_bar

_BLOCK = 1 << 24


def fetch_model(source: str, name: str | None, and_commit: bool = False) -> Path:
    """Copy an encoder to ``encoders/<name>/`` and put it under DVC.

    Parameters
    ----------
    source : str
        A folder with config.json, weights as safetensors, and the files of a tokenizer. Other files, such as a README or
        pickled weights, are left out.
    name : str or None
        Of the folder in encoders/; by default that of `source`.
    and_commit : bool
        Commit its .dvc file to git.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        Where the source is no folder with a model that can be trained here, or the name is not usable. Nothing is left half written.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        hub = " (a model of the Hub needs no fetching: set train.model to its id)" if source.count("/") == 1 else ""
        raise UserError(f"--model {source}: no such folder{hub}")
    target = new_folder(paths.ENCODERS, name or folder.resolve().name)
    encoder = folder_encoder(folder)
    load_tokenizer(encoder)
    encoder_architecture(encoder)
    files = model_files(folder, str(folder))
    with replacing(target) as partial, progress_bar(f"fetch: {folder.name} (MiB)", sum(path.stat().st_size for path in files) >> 20) as bar:
        partial.mkdir(parents=True)
        done = 0
        for path in files:
            with path.open("rb") as reading, (partial / path.name).open("wb") as writing:
                while block := reading.read(_BLOCK):
                    writing.write(block)
                    done += len(block)
                    bar.update(done >> 20)
    put_under_dvc(target, "train.model", and_commit)
    return target
