"""A study on DVC's queue and on Ray: the same results, the time of each, and what an experiment takes beside its training.

    python -m benchmarks.study_engines               # nine short experiments, three times; then two of three minutes each; 35 minutes
    python -m benchmarks.study_engines --without ray

Each study runs in a clone of HEAD with a cache of its own, so that nothing is made already. The short experiments train one epoch on
200 reviews, with one thread each: on the queue with one worker, on Ray with one and with two. The long ones are two seeds of the
baseline with seven epochs, with all threads: the first one also prepares and splits the data. `--only` writes a record of its own.
Needs `pip install -r requirements-ray.txt -c constraints.txt`.
"""

import argparse
import hashlib
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.output import add_output_options, command_line, commit_here, output_file, show_markdown
from sentiment.core.files import write_json
from sentiment.terminal.errors import UserError, error_line, run_main
from sentiment.terminal.progress import say

ROOT = Path(__file__).resolve().parents[1]
REPORT_FILES = ("report.json", "report.md", "report.html")
_LOOK_EVERY_SECONDS = 0.1
_STAGE = re.compile(rb"Running stage '(\w+)'")
_TRAINING = re.compile(rb"^train: [\d,]+ texts on", re.MULTILINE)
_EVALUATED = re.compile(rb"^eval: [\d.]+% of", re.MULTILINE)

_SHORT: dict[str, Any] = {
    "seeds": [42, 43, 44],
    "margin": 0.01,
    "base": {"split.max_train_examples": 200, "train.epochs": 1},
    "arms": {
        "baseline": {"set": {}},
        "baseline_bs32": {"against": "baseline", "set": {"train.batch_size": 32}},
        "baseline_lr5e-5_bs32": {"against": "baseline_bs32", "set": {"train.lr": 5e-5, "train.batch_size": 32}},
    },
}
_LONG: dict[str, Any] = {"seeds": [42, 43], "margin": 0.01, "base": {"train.epochs": 7}, "arms": {"baseline": {"set": {}}}}


@dataclass(frozen=True)
class Study:
    """A study that is timed.

    Attributes
    ----------
    name : str
        In the table.
    plan : dict
        What a plan file holds.
    engine : str
        queue or ray.
    jobs, threads : int
        Experiments at once, and threads of each.
    """

    name: str
    plan: dict[str, Any]
    engine: str
    jobs: int
    threads: int


def studies(engines: Sequence[str], cores: int) -> list[Study]:
    """Return the studies to time: one engine after the other, short experiments before long ones."""
    short = [Study("nine short experiments", _SHORT, "queue", 1, 1), *(Study("nine short experiments", _SHORT, "ray", jobs, 1) for jobs in (1, 2))]
    long = [Study("two trainings of three minutes", _LONG, engine, 1, cores) for engine in ("queue", "ray")]
    return [study for study in (*short, *long) if study.engine in engines]


class StageClock:
    """When the logs of experiments first had each mark.

    Parameters
    ----------
    *folders : Path
        In which logs appear, at any depth.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self.marks: dict[Path, dict[str, float]] = {}

    def look(self, now: float) -> None:
        """Note marks that are new."""
        found_folders = [(where, names) for folder in self._folders for where, _, names in os.walk(folder)]  # passes over one that is taken away
        for log in (Path(where, name) for where, names in found_folders for name in names if name.endswith((".log", ".out"))):
            try:
                content = log.read_bytes()
            except OSError:
                continue  # taken away at this moment
            found = [match.decode() for match in _STAGE.findall(content)]
            found += ["training"] * bool(_TRAINING.search(content)) + ["evaluated"] * bool(_EVALUATED.search(content))
            for mark in found:
                self.marks.setdefault(log, {}).setdefault(mark, now)

    def experiments(self) -> list[dict[str, float]]:
        """Return the marks of each experiment that was evaluated, in the order of their ends."""
        return sorted((marks for marks in self.marks.values() if "evaluated" in marks), key=lambda marks: marks["evaluated"])


def phases(experiments: Sequence[Mapping[str, float]], start: float, end: float) -> list[dict[str, float]]:
    """Return the seconds of each phase of experiments that ran one after the other.

    Parameters
    ----------
    experiments : sequence of mapping
        As from `StageClock`.
    start, end : float
        Of the study.

    Returns
    -------
    list of dict
        For each experiment, by phase: ``before`` the first stage (from the end of the one before), each stage that ran, ``train start``
        (until it trains), and ``training``; the last experiment also ``after``: its outputs are saved, and the study ends.
    """
    found = []
    for number, marks in enumerate(experiments):
        before = experiments[number - 1]["evaluated"] if number else start
        order = sorted((at, mark) for mark, at in marks.items())
        seconds = {"before": order[0][0] - before}
        for (at, mark), (until, _) in itertools.pairwise(order):
            seconds["train start" if mark == "train" else mark] = until - at
        if number == len(experiments) - 1:
            seconds["after"] = end - marks["evaluated"]
        found.append(seconds)
    return found


def run_study(study: Study, folder: Path, commit: str) -> dict[str, Any]:
    """Run a study in a fresh clone at a commit, and return its times and the digests of what it made."""
    clone = folder / f"{study.engine}-{study.jobs}-{len(study.plan['arms'])}"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    subprocess.run(["git", "-C", str(clone), "checkout", "--quiet", "-B", "study", commit], check=True)
    (clone / "study.yaml").write_text(yaml.safe_dump(study.plan, sort_keys=False), encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": str(study.threads), "SWANLAB_MODE": "disabled"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    command = [sys.executable, "-m", "ablations", "run", "--plan", "study.yaml", "--on", study.engine, "--jobs", str(study.jobs)]
    say(f"study_engines: {study.name}, {study.engine}, {study.jobs} at once, threads: {study.threads}")
    clock = StageClock(clone / ".dvc/tmp/exps/run", clone / ".dvc/tmp/ablations/ray/logs")
    start = time.monotonic()
    with (folder / "output.txt").open("w+b") as output:
        process = subprocess.Popen(command, cwd=clone, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                clock.look(time.monotonic())
                time.sleep(_LOOK_EVERY_SECONDS)
        finally:
            if process.poll() is None:
                process.terminate()
                subprocess.run([sys.executable, "-m", "ablations", "stop"], cwd=clone, env=environment, check=False)
        end = time.monotonic()
        output.seek(0)
        printed = output.read().decode(errors="replace")
    if process.returncode:
        raise UserError(f"`{' '.join(command[1:])}` ended with status {process.returncode}: {error_line(printed)}")
    report = [sys.executable, "-m", "ablations", "report", "--plan", "study.yaml"]
    written = subprocess.run(report, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    if written.returncode:
        raise UserError(f"`python -m ablations report` ended with status {written.returncode}: {error_line(written.stderr)}")
    result: dict[str, Any] = {
        "study": study.name,
        "engine": study.engine,
        "jobs": study.jobs,
        "threads": study.threads,
        "seconds": end - start,
        "models": models_of(clone),
        "report": {name: hashlib.sha256((clone / "reports/study" / name).read_bytes()).hexdigest() for name in REPORT_FILES},
    }
    if study.jobs == 1:
        result["phases"] = phases(clock.experiments(), start, end)
    return result


def models_of(clone: Path) -> dict[str, str]:
    """Return the digest of each experiment's model and metrics, by name."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=clone, check=True, capture_output=True, text=True).stdout

    found = {}
    for line in git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines():
        revision, _, name = line.partition(" ")
        if not name.startswith("refs/exps/exec") and name.count("/") == 4:
            outs = yaml.safe_load(git("show", f"{revision}:dvc.lock"))["stages"]
            made = {out["path"]: out["md5"] for stage in ("train", "eval") for out in outs[stage]["outs"]}
            found[name.rpartition("/")[2]] = " ".join(made[path] for path in ("models/classifier", "reports/train.json", "reports/eval.json"))
    return found


def alike(results: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Tell for each study whether every engine made the same models, metrics and report, to the bit: yes, no, or – where one ran it."""
    by_study: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        by_study.setdefault(result["study"], []).append(result)
    found = {}
    for study, (first, *others) in by_study.items():
        equal = all((one["models"], one["report"]) == (first["models"], first["report"]) for one in others)
        found[study] = "–" if not others else "yes" if equal else "no"
    return found


def overhead(seconds: Mapping[str, float]) -> float:
    """Return the time of an experiment beside its training, as a share of the training."""
    training = seconds["training"]
    return (sum(seconds.values()) - training) / training


def studies_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the tables: the time of each study, and the phases of the experiments that ran one by one."""
    same = alike(results)
    lines = ["| study | engine | at once | threads | seconds | same bits |", "| --- | --- | ---: | ---: | ---: | --- |"]
    for result in results:
        cells = (result["study"], result["engine"], result["jobs"], result["threads"], f"{result['seconds']:.0f}")
        lines.append("| " + " | ".join(map(str, (*cells, same[result["study"]]))) + " |")
    long = [result for result in results if "phases" in result and result["study"] == _long_name()]
    names = list(dict.fromkeys(name for result in long for one in result["phases"] for name in one))
    if long:
        lines += ["", "| phase (seconds) |" + "".join(f" {result['engine']}: first | second |" for result in long)]
        lines.append("| --- |" + " ---: | ---: |" * len(long))
        for name in names:
            cells_of = [f"{one[name]:.1f}" if name in one else "" for result in long for one in result["phases"]]
            lines.append(f"| {name} | " + " | ".join(cells_of) + " |")
        lines.append("| beside training | " + " | ".join(f"{100 * overhead(one):.0f} %" for result in long for one in result["phases"]) + " |")
    return "\n".join(lines)


def _long_name() -> str:
    return next(study.name for study in studies(("queue",), 1) if study.plan is _LONG)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without", choices=("queue", "ray"), help="leave an engine out")
    parser.add_argument("--only", choices=("short", "long"), help="one kind of experiments")
    add_output_options(parser, "--json")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    chosen = studies([engine for engine in ("queue", "ray") if engine != options.without], cores)
    if options.only:
        chosen = [study for study in chosen if (study.plan is _SHORT) == (options.only == "short")]
    results = []
    commit = commit_here()
    for study in chosen:
        with tempfile.TemporaryDirectory(prefix="study_engines-") as folder:
            results.append(run_study(study, Path(folder), commit))
            show_markdown(studies_table(results))
    write_json(
        output_file(options, f"study_engines_{options.only}" if options.only else "study_engines"),
        {"command": command_line("study_engines"), "commit": commit, "results": results},
    )


if __name__ == "__main__":
    run_main(main)
