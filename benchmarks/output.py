"""Where a benchmark's figures go: to a folder that git ignores unless they are to be published, and to the terminal as a table."""

import argparse
import subprocess
import sys
from pathlib import Path

PUBLISHED = Path(__file__).resolve().parent / "results"
OWN = Path(__file__).resolve().parents[1] / ".cache/benchmarks"


def add_output_options(parser: argparse.ArgumentParser, option: str) -> None:
    """Add ``--publish``, and `option` for a file of one's choice."""
    parser.add_argument("--publish", action="store_true", help=f"replace the results in git, {PUBLISHED.parent.name}/{PUBLISHED.name}/")
    parser.add_argument(option, type=Path, dest="json", metavar="FILE", help="write the results there (default: .cache/benchmarks/)")


def output_file(options: argparse.Namespace, name: str) -> Path:
    """Return the JSON file that a benchmark writes.

    Parameters
    ----------
    options : argparse.Namespace
        With what `add_output_options` added.
    name : str
        The benchmark.
    """
    if options.json is not None:
        return Path(options.json)
    folder = PUBLISHED if options.publish else OWN
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.json"


def commit_here() -> str:
    """Return the commit of this checkout, for a record."""
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=PUBLISHED.parents[1], capture_output=True, text=True, check=True).stdout.strip()


def command_line(module: str) -> str:
    """Return the command that runs, with its options but those on where the record goes."""
    options = [option for option in sys.argv[1:] if option != "--publish"]
    return " ".join(["python -m", f"benchmarks.{module}", *options])


def show_markdown(text: str) -> None:
    """Print Markdown: on a terminal its tables are drawn, elsewhere it stays as it is."""
    if not sys.stdout.isatty():
        print(text)
        return
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:  # the benchmark of speed needs no more than torch and transformers
        print(text)
        return
    console = Console()
    table: Table | None = None
    for line in [*text.splitlines(), ""]:
        if not line.startswith("|"):
            if table is not None:
                console.print(table)
                table = None
            console.print(line, markup=False, highlight=False)
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if table is None:
            table = Table(*cells)
        elif set("".join(cells)) <= set("-: "):
            for column, cell in zip(table.columns, cells, strict=True):
                column.justify = "right" if cell.endswith(":") else "left"
        else:
            table.add_row(*cells)
