"""The command publish: `python -m sentiment publish owner/name`."""

import argparse
from typing import Any


def add_publish(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    command = commands.add_parser("publish", help="the trained model to the Hub, with card, curves and report")
    command.add_argument("repository", metavar="OWNER/NAME")
    command.add_argument("--private", action="store_true", help="a new repository is visible to its owner alone")
    command.add_argument("--license", dest="licence", help="as the Hub writes it: apache-2.0, mit, …")
    command.add_argument("--language", help="as the Hub writes it: en, zh, …")
    command.add_argument("--dataset", metavar="OWNER/NAME", help="the Hub's data set that it was trained on")
    command.add_argument("--dataset-revision", metavar="COMMIT")
    command.set_defaults(run=_publish)


def _publish(arguments: argparse.Namespace) -> None:
    from sentiment.use.publishing.publish import Publication, publish

    publish(
        Publication(arguments.repository, arguments.private, arguments.licence, arguments.language, arguments.dataset, arguments.dataset_revision)
    )
