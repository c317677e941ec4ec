"""The command serve: `python -m sentiment serve`."""

import argparse
from typing import Any

from sentiment.cli.predict_command import DEFAULT_MODEL, MODEL_HELP, probability
from sentiment.terminal.command_line import named, port


def add_serve(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    command = commands.add_parser("serve", help="the trained model as a web service, with a page")
    command.add_argument("--model", type=named, default=DEFAULT_MODEL, help=MODEL_HELP)
    command.add_argument("--host", type=named, default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine alone)")
    command.add_argument("--port", type=port, default=8000, help="port to listen on (default: 8000)")
    command.add_argument("--abstain-below", type=probability, default=0.0, metavar="P", help="no label where its probability is lower")
    command.set_defaults(run=_serve)


def _serve(arguments: argparse.Namespace) -> None:
    from sentiment.use.quick_start import loading

    with loading():
        from sentiment.use.service.serve import Place, serve
    serve(arguments.model, Place(arguments.host, arguments.port), arguments.abstain_below)
