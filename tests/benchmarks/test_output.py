"""Published figures are replaced on request alone; a terminal shows a table."""

import argparse
import io
import sys
from pathlib import Path

import pytest

from benchmarks.output import OWN, PUBLISHED, add_output_options, output_file, show_markdown

MARKDOWN = "| arm | times |\n| --- | ---: |\n| project | 6.2 |\n\nOn two cores."


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_output_options(parser, "--json")
    return parser.parse_args(arguments)


def test_what_is_published_is_replaced_on_request_alone() -> None:
    assert output_file(parse(), "speed") == OWN / "speed.json"
    assert output_file(parse("--publish"), "speed") == PUBLISHED / "speed.json"
    assert output_file(parse("--json", "x.json", "--publish"), "speed") == Path("x.json")


def test_a_terminal_shows_a_table_and_a_pipe_gets_markdown(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for target, expected in ((Terminal(), "│ project │   6.2 │"), (io.StringIO(), "| project | 6.2 |")):
        monkeypatch.setattr(sys, "stdout", target)
        monkeypatch.setenv("NO_COLOR", "1")
        show_markdown(MARKDOWN)
        assert expected in target.getvalue() and "On two cores." in target.getvalue()
        assert ("---" in target.getvalue()) == (not target.isatty())
