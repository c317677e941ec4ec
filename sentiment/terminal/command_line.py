"""Reading a command line: what is wrong with it in one line, like every other error."""

import argparse
from pathlib import Path
from typing import NoReturn

_MOST_PORT = 65535


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors are one line, with status 2; subcommands get parsers of the same kind."""

    def error(self, message: str) -> NoReturn:
        """End the process."""
        self.exit(2, f"error: {' '.join(message.split())} (`{self.prog} --help` shows what it takes)\n")


def named(text: str) -> str:
    """Read a name that must not be empty, as that of a variable that is not set is."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text


def input_path(text: str) -> Path:
    """Read the path of what is to be read; an empty one would mean the current folder."""
    return Path(named(text))


def output_path(text: str) -> Path:
    """Read the path of a file to write, and refuse it where a folder is or where no file can lie."""
    path = Path(named(text))
    try:
        if path.is_dir():
            raise argparse.ArgumentTypeError(f"{path} is a folder: name a file in it")
        nearest = next(parent for parent in path.absolute().parents if parent.exists())
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path}: {error.strerror}") from None
    if not nearest.is_dir():
        raise argparse.ArgumentTypeError(f"{nearest} is a file, so nothing can lie in it: name another place")
    return path


def port(text: str) -> int:
    """Read the number of a port; 0 takes a free one."""
    if not (text.isascii() and text.isdigit() and int(text) <= _MOST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 to {_MOST_PORT}")
    return int(text)
