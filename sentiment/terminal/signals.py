"""How a program ends when it is asked to: Ctrl-C, SIGTERM, a lost terminal, and under DVC a parent that is gone."""

import os
import select
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import psutil


STAGE_VARIABLE = "DVC_STAGE"
INTERRUPTED = 130  # exit status
_LOOK_EVERY_SECONDS = 1.0
_SHELLS = ("sh", "bash", "dash", "zsh", "fish", "ksh")


def stop_signals() -> list[signal.Signals]:
    """Return the signals that ask this process to end, without those that it inherited as ignored.

    ``nohup`` has SIGHUP ignored, and a shell without job control SIGINT for what it runs in the background: they are
    for others then.
    """
    wanted = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    return [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]


def end_at_once_while_importing() -> None:
    """Let a signal end the process in one line until `raise_when_asked_to_stop`: an import has nothing to clean up.

    An exception in the middle of an import of compiled code becomes a traceback of something else.
    """
    for number in stop_signals():
        signal.signal(number, _end_at_once)


def raise_when_asked_to_stop() -> None:
    """Have every signal that asks to end raise a KeyboardInterrupt, so that partial files are removed on the way out."""
    if threading.current_thread() is threading.main_thread():
        for number in stop_signals():
            signal.signal(number, _raise)


def end_silently_when_asked_again() -> None:
    """Let a further signal end the process at once, without a line: it is ending already."""
    if threading.current_thread() is threading.main_thread():
        for number in stop_signals():
            signal.signal(number, lambda *_: os._exit(INTERRUPTED))


def watch_parent() -> None:
    """Under DVC, ask this process to end as soon as the one that runs the stage is gone: nobody would collect its outputs."""
    if STAGE_VARIABLE in os.environ:
        threading.Thread(target=_ask_to_stop_after, args=(stage_runner(),), daemon=True).start()


def stage_runner() -> "psutil.Process | None":
    """Return the process that runs this stage: the nearest ``dvc`` above it, else the nearest Python, which may call DVC as a library.

    Returns
    -------
    psutil.Process or None
        None where there is neither: it was gone before this process could look.
    """
    import psutil  # here, so that a benchmark of speed needs no such package

    ancestors = [(process, *_name_and_words(process)) for process in psutil.Process().parents()]
    running = [process for process, name, words in ancestors if name not in _SHELLS and any(Path(word).name == "dvc" for word in words)]
    pythons = [process for process, name, _ in ancestors if name.startswith(("python", "pypy", "Python"))]
    return next(iter(running or pythons), None)


def _name_and_words(process: "psutil.Process") -> tuple[str, list[str]]:
    import psutil

    try:
        name = str(process.name())
        return name, list(process.cmdline()[:4])
    except psutil.Error:  # gone, or another user's, as the first process of all is
        return "", []


def drop_lost_outputs() -> None:
    """Write to nowhere where the terminal, or the reader of a pipe, is gone: saving must not fail for a line that nobody reads."""
    for descriptor in (1, 2):
        try:
            poll = select.poll()
            poll.register(descriptor, 0)
            lost = bool(poll.poll(0))  # asked for nothing: only errors and hang-ups are reported
        except (OSError, AttributeError):
            continue
        if lost:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


def _ask_to_stop_after(parent: "psutil.Process | None") -> None:
    pause = threading.Event()
    while parent is not None and lives(parent):
        pause.wait(_LOOK_EVERY_SECONDS)
    drop_lost_outputs()
    print("the process that ran this stage is gone: it stops as well", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)


def lives(process: "psutil.Process") -> bool:
    """Return whether a process runs; one that has ended and waits to be collected does not."""
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _end_at_once(number: int, frame: FrameType | None) -> NoReturn:
    drop_lost_outputs()
    os.write(2, b"stopped before anything was done\n")
    os._exit(INTERRUPTED)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    drop_lost_outputs()
    raise KeyboardInterrupt
