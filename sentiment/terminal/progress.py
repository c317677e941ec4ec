"""What the terminal shows: plain lines, and one progress bar for what takes long."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LINE_EVERY_SECONDS = 15.0


def say(line: str) -> None:
    """Print one line at once; where several processes share a training, the first one speaks."""
    if _speaks():
        print(line, flush=True)


class ProgressBar:
    """Progress of one long job: a bar on a terminal, a line every 15 seconds elsewhere.

    Parameters
    ----------
    description : str
        What is going on.
    total : int
        Units of work; 0 where nobody knows.
    progress : rich.progress.Progress or None
        Where the bar is drawn; None for lines.
    silent : bool
        Show nothing: the job is short.
    """

    def __init__(self, description: str, total: int, progress: "Progress | None", silent: bool = False) -> None:
        self._silent = silent
        self._description = description
        self._total = total
        self._done = 0
        self._start = self._last_line = time.monotonic()
        self._initial = 0
        self._progress = progress
        self._task: TaskID | None = progress.add_task(description, total=total or None, **self._fields()) if progress else None

    def update(self, done: int, note: str = "") -> None:
        """Show that `done` units are finished; `note` is a short text beside the bar."""
        self._done = done
        if self._silent:
            return
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, note=note)
            return
        now = time.monotonic()
        if now - self._last_line >= _LINE_EVERY_SECONDS or 0 < self._total <= done:
            self._last_line = now
            say(f"{self._description}: {done}{f'/{self._total}' if self._total else ''}{'  ' + note if note else ''}{self._remaining(now)}")

    def start_from(self, done: int) -> None:
        """Begin now, with `done` units finished before: the time left is judged by the others."""
        self._initial = self._done = done
        self._start = self._last_line = time.monotonic()
        if self._progress is not None and self._task is not None:
            self._progress.reset(self._task, completed=done, **self._fields())  # it drops every field that is not given

    def complete(self) -> None:
        """Show that all is done, where the total was an estimate (a header counts as a line)."""
        self._total = self._done
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=self._done, **self._fields())

    def _fields(self) -> dict[str, Any]:
        """Return what the columns of `progress_bar` read."""
        return {"of": f"/{self._total}" if self._total else "", "note": ""}

    def _remaining(self, now: float) -> str:
        worked = self._done - self._initial
        if worked <= 0 or self._done >= self._total:
            return ""
        seconds = (now - self._start) / worked * (self._total - self._done)
        return f"  about {seconds / 60:.0f} min left" if seconds >= 90 else f"  about {seconds:.0f} s left"


def _speaks() -> bool:
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def progress_bar(description: str, total: int, at_least: int = 0) -> Iterator[ProgressBar]:
    """Show a `ProgressBar` while the block runs, or nothing where `total` is under `at_least`."""
    if total < at_least or not sys.stderr.isatty() or not _speaks():
        yield ProgressBar(description, total, None, silent=total < at_least)
        return
    # Here, so that what only prints lines needs no such package.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}{task.fields[of]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield ProgressBar(description, total, progress)
