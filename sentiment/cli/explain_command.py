"""The command explain: `python -m sentiment explain "A great film."`."""

import argparse
from typing import Any

from sentiment.cli.predict_command import DEFAULT_MODEL, MODEL_HELP
from sentiment.terminal.command_line import named, output_path


def add_explain(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    command = commands.add_parser("explain", help="which words of a text moved the decision")
    command.add_argument("text", metavar="TEXT")
    command.add_argument("--model", type=named, default=DEFAULT_MODEL, help=MODEL_HELP)
    command.add_argument("--class", dest="label", metavar="CLASS", help="the class to explain (default: the most probable one)")
    command.add_argument("--html", type=output_path, metavar="FILE", help="also write a page")
    command.set_defaults(run=_explain)


def _explain(arguments: argparse.Namespace) -> None:
    from sentiment.use.quick_start import loading

    with loading():
        from sentiment.core.files import write_text
        from sentiment.terminal.progress import say
        from sentiment.use.explain import explain
        from sentiment.use.explanation_views import explanation_page, show_explanation
        from sentiment.use.model_source import find_model
        from sentiment.use.predict import Predictor
        from sentiment.use.text_rows import typed_rows

    (row,) = typed_rows([arguments.text])
    explanation = explain(Predictor(find_model(arguments.model)), row.text, arguments.label)
    show_explanation(explanation)
    if arguments.html:
        write_text(arguments.html, explanation_page(explanation))
        say(f"explain: {arguments.html}")
