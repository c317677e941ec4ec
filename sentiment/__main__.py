"""Bring data in, look at results, use the trained model, share experiments.

python -m sentiment COMMAND --help   shows the options of a command
"""

import argparse

from sentiment.cli.explain_command import add_explain
from sentiment.cli.predict_command import add_predict
from sentiment.cli.publish_command import add_publish
from sentiment.cli.serve_command import add_serve
from sentiment.terminal.command_line import CommandParser, named, port
from sentiment.terminal.errors import UserError, run_main


def _fetch(arguments: argparse.Namespace) -> None:
    given = arguments
    if given.model:
        from sentiment.cli.fetch_model import fetch_model

        for option in ("source", "revision", "config", "split", "cache_dir"):
            if getattr(given, option):
                name = option.upper() if option == "source" else f"--{option.replace('_', '-')}"
                raise UserError(f"{name} is for a dataset: --model PATH goes with --name and --commit alone")
        fetch_model(given.model, given.name, given.commit)
        return
    if not given.source:
        raise UserError("name what to fetch: a dataset (a file, a folder or a Hub id), or --model PATH for an encoder")
    from sentiment.cli.fetch import Request, fetch

    place = (given.source, given.name, given.revision, given.config, given.split, given.cache_dir, given.commit)
    fetch(Request(*place, given.encoding, given.header, given.dry_run))


def _show(arguments: argparse.Namespace) -> None:
    if arguments.disk:
        from sentiment.cli.disk import disk_usage

        print(disk_usage())
        return
    from sentiment.cli.hub_news import hub_news
    from sentiment.cli.show import overview
    from sentiment.tracking.tracker import has_run

    print(overview(arguments.all, has_run()))
    for line in hub_news():
        print(line)


def _clean(arguments: argparse.Namespace) -> None:
    from sentiment.cli.disk import clean_checkpoints

    clean_checkpoints(arguments.names, arguments.unfinished)


def _share(arguments: argparse.Namespace) -> None:
    from sentiment.use.share import Places, share

    share(arguments.names, Places(arguments.git_remote, arguments.remote), arguments.force)


def _receive(arguments: argparse.Namespace) -> None:
    from sentiment.use.share import Places, receive

    receive(arguments.names, Places(arguments.git_remote, arguments.remote), arguments.force, arguments.apply)


def _watch(arguments: argparse.Namespace) -> None:
    from sentiment.tracking.tracker import watch

    watch(arguments.host, arguments.port)


def _parameters(_: argparse.Namespace) -> None:
    from sentiment.settings.readme_table import parameter_table

    print(parameter_table())


def main() -> None:
    """Parse the command line and do what it says."""
    parser = CommandParser(prog="python -m sentiment", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="command")

    add_predict(commands)
    add_explain(commands)
    add_serve(commands)
    add_publish(commands)

    command = commands.add_parser("fetch", help="bring a dataset into data/<name>/, or an encoder into encoders/<name>/, tracked by DVC")
    command.add_argument("source", nargs="?", help="a file, a folder, or the id of a dataset on the Hub (stanfordnlp/imdb)")
    command.add_argument("--model", metavar="PATH", help="a folder with an encoder (config.json, safetensors, tokenizer) instead of a dataset")
    command.add_argument("--name", help="folder under data/ or encoders/ (default: the last part of the source)")
    command.add_argument("--revision", help="commit, tag or branch of a Hub dataset")
    command.add_argument("--config", help="configuration of a Hub dataset")
    split = "take only this split, and call it train, validation or test; may be repeated"
    command.add_argument("--split", action="append", metavar="THEIRS[=OURS]", help=split)
    command.add_argument("--cache-dir", help="where the Hub's files are kept (default: the Hub's own cache)")
    command.add_argument("--commit", action="store_true", help="commit the .dvc file to git: `dvc exp run` un-stages it otherwise")
    command.add_argument("--encoding", help="of a local text file, where what was found out is wrong: cp1252, gb18030, utf-16, …")
    command.add_argument("--header", action=argparse.BooleanOptionalAction, help="whether the first row holds the names of the columns")
    command.add_argument("--dry-run", action="store_true", help="show the first rows of a local file as they would be read, and write nothing")
    command.set_defaults(run=_fetch)

    command = commands.add_parser("show", help="a short table of the experiments")
    command.add_argument("--all", action="store_true", help="those of every commit")
    command.add_argument("--disk", action="store_true", help="instead: what takes room on the disk, and the command that frees it")
    command.set_defaults(run=_show)

    command = commands.add_parser("clean", help="remove checkpoints whose outputs lie here, or those of the trainings named")
    command.add_argument("names", nargs="*", metavar="NAME", help="a training, as `show --disk` lists it")
    command.add_argument("--unfinished", action="store_true", help="all of them, interrupted trainings too")
    command.set_defaults(run=_clean)

    for name, run, does in (
        ("share", _share, "push experiments to git and their outputs to the storage, and verify both"),
        ("receive", _receive, "fetch experiments from git and their outputs from the storage, and verify them"),
    ):
        command = commands.add_parser(name, help=does, description=does)
        command.add_argument("names", nargs="+", metavar="NAME", help="an experiment, as `make show` lists it")
        command.add_argument("--remote", metavar="STORAGE", help="DVC's name of the storage (default: the configured one)")
        command.add_argument("--git-remote", default="origin", metavar="NAME", help="git's name of the other repository (default: origin)")
        command.add_argument("--force", action="store_true", help="replace another experiment of the same name")
        command.set_defaults(run=run)
    command.add_argument("--apply", action="store_true", help="bring it into the workspace too")

    command = commands.add_parser("watch", help="SwanLab's curves in the browser")
    command.add_argument("--host", type=named, default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine alone)")
    command.add_argument("--port", type=port, default=5092, help="port to listen on (default: 5092)")
    command.set_defaults(run=_watch)

    command = commands.add_parser("parameters", help="the table of parameters, in Markdown")
    command.set_defaults(run=_parameters)

    arguments = parser.parse_args()
    run_main(lambda: arguments.run(arguments))


if __name__ == "__main__":
    main()
