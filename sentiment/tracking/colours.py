"""Colours of runs: each name gets the next one of a palette, and keeps it in all charts of a dashboard."""

from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sentiment.core.files import read_json, write_json

# Okabe and Ito 2008, then Tol's muted scheme: told apart also by people who see colours otherwise.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255", "#332288", "#999933", "#aa4499", "#117733", "#661100")
_INDEX = "colours.json"
_LOCK_SECONDS = 10.0


def colour_of(name: str, folder: Path) -> str:
    """Return a run's colour.

    Parameters
    ----------
    name : str
        Of the run.
    folder : Path
        SwanLab's: the index of colours lies beside its runs, and several experiments may ask at once.

    Returns
    -------
    str
        ``#rrggbb``: that of an earlier run of this name, else the one that the fewest names have. Where the folder cannot be
        written, the first.
    """
    with suppress(OSError, Timeout):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{_INDEX}.lock", timeout=_LOCK_SECONDS):
            index = _read(folder / _INDEX)
            if index.get(name) not in PALETTE:
                index[name] = min(PALETTE, key=list(index.values()).count)
                write_json(folder / _INDEX, index)
            return index[name]
    return PALETTE[0]


def _read(path: Path) -> dict[str, str]:
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return {str(name): str(colour) for name, colour in content.items()} if isinstance(content, dict) else {}
