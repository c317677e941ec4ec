"""Errors a user can cause, and the one place where they become a line on the terminal."""

import os
import sys
import time
from collections.abc import Callable

from sentiment.terminal.printable import printable
from sentiment.terminal.signals import INTERRUPTED, end_silently_when_asked_again, raise_when_asked_to_stop

_SHOWN = 100  # characters
_FIRST_PRINTS_WITHIN = 5.0  # seconds


class UserError(Exception):
    """Something a user can put right: what is wrong, where, and what to do, in one line."""


class Interrupted(Exception):
    """The user (or the system) asked the process to stop; the message says how to go on."""


def shown(value: object) -> str:
    """Return a value as an error shows it: its `repr`, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}…{text[-_SHOWN // 4 :]}"


def error_line(output: str) -> str:
    """Return the line of a failed command's output that says why it failed.

    Parameters
    ----------
    output : str
        What it printed. Git and DVC mark the line with ``ERROR:``, ``fatal:`` or ``error:``; DVC ends with
        where to ask for help.

    Returns
    -------
    str
        The last marked line, else the last one, else ``no message``.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    marked = [line for line in lines if line.lower().startswith(("error:", "fatal:"))]
    return (marked or lines or ["no message"])[-1]


def run_main(main: Callable[[], None]) -> None:
    """Run a program's `main` and end the process with one line where a user caused the error.

    Parameters
    ----------
    main : callable
        Takes nothing. A `UserError` or an `OSError` it raises ends the process with status 1,
        an interruption (Ctrl-C, SIGTERM, SIGHUP; under DVC the end of the process that runs the stage)
        with status 130; with ``DEBUG=1`` the traceback is shown instead.
        Anything else is a defect of this project and keeps its traceback.
    """
    raise_when_asked_to_stop()
    _open_what_is_closed()
    if os.environ.get("DEBUG") == "1":
        main()
        return
    try:
        main()
    except UserError as error:
        _wait_for_the_first()
        _end(f"error: {error}", status=1)
    except BrokenPipeError:  # who reads the output wants no more of it: `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at the exit
        sys.exit(141)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _wait_for_the_first()
        _end(f"error: {error.strerror or error}{where}", status=1)
    except Interrupted as error:
        _end(f"stopped: {error}", status=INTERRUPTED, first_only=True)
    except KeyboardInterrupt:
        _end("stopped before the end: run the same command again", status=INTERRUPTED, first_only=True)


def _open_what_is_closed() -> None:
    """Lead standard streams that the caller closed (``>&-``) to nowhere: Python has None in their place."""
    for name, flags in (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), "r" if flags == os.O_RDONLY else "w"))


def _wait_for_the_first() -> None:
    """Give the first process of a machine time to print an error that all of them meet, and to end the others with it.

    An error that it does not meet is printed by the process that does.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        end_silently_when_asked_again()
        time.sleep(_FIRST_PRINTS_WITHIN)


def _end(line: str, status: int, first_only: bool = False) -> None:
    end_silently_when_asked_again()
    sys.stdout.flush()
    if not (first_only and os.environ.get("LOCAL_RANK", "0") != "0"):  # of the processes of a machine the first one prints
        print(printable(line), file=sys.stderr, flush=True)
    sys.exit(status)
