"""What is done by hand: bring data in, look at results.

python -m sentiment fetch stanfordnlp/imdb --name imdb      a dataset of the Hub, or a local file or folder
python -m sentiment show                                    a short table of the experiments
python -m sentiment watch                                   SwanLab's curves in the browser
python -m sentiment parameters                              the table of parameters, as in the README
"""

import argparse

from sentiment.terminal.errors import run_main


def _fetch(arguments: argparse.Namespace) -> None:
    from sentiment.cli.fetch import Request, fetch
    from sentiment.terminal.progress import say

    folder = fetch(Request(arguments.source, arguments.name, arguments.revision, arguments.config, arguments.split, arguments.cache_dir))
    say(f"fetch: {folder} is under DVC ({folder}.dvc is staged in git); use it with -S prepare.source={folder}")


def _show(arguments: argparse.Namespace) -> None:
    from sentiment.cli.show import read_experiments, render_table, where_to_look
    from sentiment.tracking.tracker import has_run

    print(render_table(read_experiments(arguments.all)))
    print()
    print(where_to_look(has_run()))


def _watch(arguments: argparse.Namespace) -> None:
    from sentiment.tracking.tracker import watch

    watch(arguments.host, arguments.port)


def _parameters(_: argparse.Namespace) -> None:
    from sentiment.settings.readme_table import parameter_table

    print(parameter_table())


def main() -> None:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m sentiment", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("fetch", help="bring a dataset into data/<name>/, tracked by DVC")
    command.add_argument("source", help="a file, a folder, or the id of a dataset on the Hub (stanfordnlp/imdb)")
    command.add_argument("--name", help="folder under data/ (default: the last part of the source)")
    command.add_argument("--revision", help="commit, tag or branch of a Hub dataset")
    command.add_argument("--config", help="configuration of a Hub dataset")
    split = "take only this split, and call it train, validation or test; may be repeated"
    command.add_argument("--split", action="append", metavar="THEIRS[=OURS]", help=split)
    command.add_argument("--cache-dir", help="where the Hub's files are kept (default: the Hub's own cache)")
    command.set_defaults(run=_fetch)

    command = commands.add_parser("show", help="a short table of the experiments")
    command.add_argument("--all", action="store_true", help="those of every commit")
    command.set_defaults(run=_show)

    command = commands.add_parser("watch", help="SwanLab's curves in the browser")
    command.add_argument("--host", default="127.0.0.1")
    command.add_argument("--port", type=int, default=5092)
    command.set_defaults(run=_watch)

    command = commands.add_parser("parameters", help="the table of parameters, in Markdown")
    command.set_defaults(run=_parameters)

    arguments = parser.parse_args()
    run_main(lambda: arguments.run(arguments))


if __name__ == "__main__":
    main()
