"""Ablations: make the experiments of a plan, ablations.yaml by default, and compare them.

Run     python -m ablations run [--on ray] [--jobs N] [--dry-run] [--plan FILE]    make what is missing; can be interrupted and called again
        python -m ablations report [--plan FILE]                                   compare what is there: reports/ablations/
        python -m ablations stop                                                   end what runs; it is saved first
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ablations.plan.plan_file import FILE
from ablations.run.engine_choice import ENGINES
from sentiment.terminal.command_line import CommandParser
from sentiment.terminal.errors import run_main


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = CommandParser(prog="python -m ablations", description="Make the experiments of a plan, and compare them.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="make the experiments that are missing; can be interrupted and called again")
    run.add_argument("--jobs", "-j", type=int, default=1, metavar="N", help="experiments at once (default: 1); the cores are shared out")
    run.add_argument("--on", choices=ENGINES, default=ENGINES[0], help="what runs them: DVC's queue (default), or Ray, also over several machines")
    run.add_argument("--gpus", type=float, metavar="G", help="with --on ray: GPUs of each experiment (default: 1 where there are any)")
    run.add_argument(
        "--through", metavar="REMOTE", help="with --on ray: machines share no folder; experiments travel through this git remote and DVC's storage"
    )
    run.add_argument("--dry-run", action="store_true", help="list what would be run")
    report = commands.add_parser("report", help="compare the experiments: reports/ablations/")
    for command in (run, report):
        command.add_argument(
            "--plan", type=Path, default=FILE, metavar="FILE", help=f"the plan (default: {FILE}); its report goes to reports/<its name>/"
        )
    commands.add_parser("stop", help="end what runs; a training is saved first")
    given = parser.parse_args(arguments)
    # Each command imports its own part: listing a plan needs no matplotlib.
    if given.command == "run":
        from ablations.run.runner import run as run_plan

        run_plan(given.plan, given.jobs, given.dry_run, given.on, given.gpus, given.through)
    elif given.command == "stop":
        from ablations.run.stopping import stop

        stop()
    else:
        from ablations.report.report import write_report

        write_report(given.plan)


if __name__ == "__main__":
    run_main(partial(main, None))
