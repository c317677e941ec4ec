"""What lies on the disk beside the results, how large it is, and how it goes."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from sentiment.core import paths
from sentiment.core.checkpoint_mirror import list_mirrors, mirror_address, reason_of, remove_mirror
from sentiment.core.checkpoint_store import KeptTraining, list_checkpoints, remove_checkpoint, size_of
from sentiment.core.files import read_json
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say
from sentiment.terminal.quantities import bytes_in_words, time_in_words

_WIDTH = 110
_OTHERS = {
    ".cache": "make clean (token ids; made again when needed)",
    ".diverged": "make clean (curves of trainings that diverged)",
    "swanlog": "rm -rf swanlog (the recorded curves)",
    ".dvc/cache": "dvc gc -w (see the README, Free disk)",
}


def disk_usage() -> str:
    """Return a table of what takes room in the main checkout, with the command that frees each part."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("what", "size", "state", "freed by"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "size" else "left")
    here = _trained_here()
    for kept in list_checkpoints():
        command = "wait for it to end" if kept.locked else f"python -m sentiment clean {kept.name}"
        table.add_row(f"checkpoints {kept.name}", bytes_in_words(kept.size), _state(kept, here), command)
    for name, size in _mirrors().items():
        table.add_row(f"mirror {name}", bytes_in_words(size), str(mirror_address()), f"python -m sentiment clean {name}")
    root = paths.main_root()
    for name, command in _OTHERS.items():
        if (root / name).is_dir():
            table.add_row(name, bytes_in_words(size_of(root / name)), "", command)
    console = Console(width=_WIDTH)
    with console.capture() as capture:
        console.print(table)
    shown = "\n".join(line.rstrip() for line in capture.get().splitlines())
    return shown if table.row_count else "nothing lies here that could be freed"


def clean_checkpoints(names: list[str], unfinished: bool) -> None:
    """Remove checkpoints and say what that costs.

    Parameters
    ----------
    names : list of str
        Trainings, as `disk_usage` lists them; without any, those whose outputs lie here. Their mirrors go too, and a
        training that only the mirror knows goes by its name alone: another machine may be at it.
    unfinished : bool
        All that no process is at, interrupted trainings too.

    Raises
    ------
    UserError
        Where a name is not there, or a process is at that training.
    """
    kept = {one.name: one for one in list_checkpoints()}
    mirrors = _mirrors() if set(names) - set(kept) else {}
    if strangers := [name for name in names if name not in kept and name not in mirrors]:
        raise UserError(f"there are no checkpoints of {', '.join(strangers)}: `python -m sentiment show --disk` lists them")
    for name in [name for name in names if name not in kept]:
        remove_mirror(name)
        say(f"removed: {name} ({bytes_in_words(mirrors[name])} at {mirror_address()})")
    if not kept and not mirrors:
        say("there are no checkpoints: nothing to remove, no training lost")
    here = _trained_here()
    removed: list[KeptTraining] = []
    for one in kept.values():
        wanted = one.name in names if names else unfinished or one.name == here
        if not wanted:
            say(f"kept: {one.name} ({_state(one, here)}, {bytes_in_words(one.size)})")
        elif remove_checkpoint(one.name):
            removed.append(one)
            say(f"removed: {one.name} ({_state(one, here)}, {bytes_in_words(one.size)})")
        elif names:
            raise UserError(f"{one.name}: a process is at this training: its checkpoints stay")
        else:
            say(f"kept: {one.name} (a process is at this training)")
    lost = [one for one in removed if one.name != here]
    if lost:
        say(
            f"lost: {time_in_words(sum(one.seconds for one in lost))} of training, {sum(one.step for one in lost)} steps; such a training starts anew"
        )


def _mirrors() -> dict[str, int]:
    """Return what the mirror holds, where there is one; one that does not answer costs a line."""
    address = mirror_address()
    try:
        return list_mirrors(address) if address else {}
    except Exception as error:  # whatever the store's package raises
        say(f"the mirror {address} cannot be read: {reason_of(error)}")
        return {}


def _state(kept: KeptTraining, here: str | None) -> str:
    experiment = f"{kept.experiment}, " if kept.experiment else ""
    if kept.locked:
        return f"{experiment}a process is at it"
    if kept.name == here:
        return f"{experiment}its outputs are in this checkout"
    if kept.ended:
        return f"{experiment}all {kept.step} steps trained in {time_in_words(kept.seconds)}; its outputs are not in this checkout"
    return f"{experiment}interrupted at step {kept.step} of {kept.steps} after {time_in_words(kept.seconds)}"


def _trained_here() -> str | None:
    """Return the training whose model and reports lie in this checkout."""
    try:
        name = str(read_json(paths.TRAIN_REPORT / paths.RUN_SUMMARY)["training"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return name if (Path(paths.CLASSIFIER) / "config.json").exists() else None
