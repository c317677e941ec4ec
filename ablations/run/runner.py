"""Running a plan on an engine: whatever was killed, failed or lost before, it ends with every experiment made once."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from ablations.diverged import FOLDER as DIVERGED
from ablations.diverged import forget_point, keep_point, still_diverged
from ablations.plan.baseline import committed_parameters
from ablations.plan.plan_file import Ablations, load_ablations, plan_option
from ablations.plan.points import Point, make_points
from ablations.plan.survey import Current, Machine, Survey, check_source, survey, this_machine
from ablations.repository import dvc, head
from ablations.run.cores import THREADS_VARIABLE, QueueWorkers, cores_here, share_out
from ablations.run.engine import Engine, SubmittedJob
from ablations.run.engine_choice import ENGINES, QUEUE, RAY, choose_engine
from ablations.run.experiment_log import progress_of
from ablations.run.leftovers import remove_saved_checkpoints
from ablations.run.queue_engine import FOLDER
from sentiment.core.paths import MAIN_ROOT_VARIABLE, REPORTS
from sentiment.settings.schema import flatten
from sentiment.terminal.errors import Interrupted, UserError
from sentiment.terminal.progress import ProgressBar, progress_bar, say
from sentiment.use.experiment_refs import references

_RETRIES = 2
_MOST_LOSSES = 5  # a worker that is gone is no failure of its experiment, unless each one goes
_LOOK_EVERY_SECONDS = 2.0
_ASK_EVERY_SECONDS = 20.0
_SHARED_STAGES = ("split", "reference")


@dataclass
class _Tries:
    """How often a point was submitted by this call, how often what ran it was lost, and the log of its last failure."""

    submitted: int = 0
    lost: int = 0
    log: Path | None = None


@dataclass
class _State:
    """What is known at one moment."""

    survey: Survey
    jobs: dict[str, SubmittedJob]
    open: list[Point] = field(default_factory=list)


def run(file: Path, jobs: int, dry_run: bool, on: str = QUEUE, gpus: float | None = None, through: str | None = None) -> None:
    """Make every experiment of a plan that there is none of.

    Parameters
    ----------
    file : Path
        The plan.
    jobs : int
        Experiments at once.
    dry_run : bool
        List what would be run, and run nothing.
    on : str
        The engine, one of `ENGINES`.
    gpus : float, optional
        GPUs of each experiment, on Ray.
    through : str, optional
        The git remote through which experiments travel, on Ray.

    Raises
    ------
    UserError
        Where params.yaml is edited, or experiments are missing at the end.
    Interrupted
        After Ctrl-C: what was submitted goes on.
    """
    baseline = committed_parameters()
    ablations = load_ablations(file, baseline)
    points = make_points(ablations, flatten(baseline))
    workers = share_out(jobs, on_cluster=on == RAY and bool(os.environ.get("RAY_ADDRESS")))
    if dry_run:
        found = survey(points, head(), Current.of(points, ablations.other_data))
        _list(points, found, ablations, set(still_diverged(points, REPORTS / file.stem)))
        return
    engine = choose_engine(on, head(), gpus, through)
    engine.check()
    _refuse_while_at_work({point.name for point in points}, on)
    os.environ[MAIN_ROOT_VARIABLE] = workers.environment[MAIN_ROOT_VARIABLE]  # what workers leave behind is looked for there
    FOLDER.mkdir(parents=True, exist_ok=True)
    lock = FileLock(FOLDER / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError("another `python -m ablations run` is at work in this repository: it shows the progress of both") from None
    try:
        _Runner(points, ablations, workers, file, engine).run()
    except KeyboardInterrupt:
        state = "the study continues by itself" if engine.at_work() else "nothing is running"
        again = f"python -m ablations run{_engine_options(on, jobs, gpus, through)}{plan_option(file)}"
        raise Interrupted(f"{state}; `{again}` shows its progress and completes it, `python -m ablations stop` ends it") from None
    finally:
        lock.release()


def _engine_options(on: str, jobs: int, gpus: float | None, through: str | None) -> str:
    """Return what a printed command needs to mean the same engine with the same settings."""
    if on == QUEUE:
        return ""
    return f" --on {on} --jobs {jobs}" + (f" --gpus {gpus:g}" if gpus is not None else "") + (f" --through {through}" if through else "")


def _refuse_while_at_work(names: set[str], on: str) -> None:
    """Refuse to begin where another engine is at work on these experiments: both would train them."""
    for other in ENGINES:
        engine = choose_engine(other, head())
        if other != on and engine.at_work() and names & set(engine.jobs()):
            raise UserError(
                f"these experiments run on {other} already: `python -m ablations run --on {other}`, with the options it was started with, "
                "shows their progress, `python -m ablations stop` ends them"
            )


def _list(points: list[Point], found: Survey, ablations: Ablations, diverged: set[str]) -> None:
    for point in points:
        state = "done    " if point.name in found.done else "diverged" if point.name in diverged else "to run  "
        say(f"{state} {point.name}  ({point.arm}, seed {point.seed})")
    found.say_passed_over()
    left = sum(point.name not in {*found.done, *diverged} for point in points)
    say(f"{len(ablations.arms)} arms × {len(ablations.seeds)} seeds: {left} of {len(points)} experiments to run")


class _Runner:
    def __init__(self, points: list[Point], ablations: Ablations, workers: QueueWorkers, file: Path, engine: Engine) -> None:
        self._engine = engine
        self._points = points
        self._option, self._report = plan_option(file), REPORTS / file.stem
        self._diverged = still_diverged(points, self._report)
        self._precision = str(points[0].parameters["train.precision"])
        self._other_data = ablations.other_data
        self._workers = workers
        self._tries = {point.name: _Tries() for point in points}
        self._forced: set[str] = set()
        self._head = head()  # the study's commit, whatever is committed while it runs

    def run(self) -> None:
        """Queue, watch and queue again until every experiment is there or given up."""
        check_source(str(self._points[0].parameters["prepare.source"]))
        if not self._other_data:  # else the workspace stands on other parameters: the first experiment makes what all share
            dvc("repro", *_SHARED_STAGES, environment=self._workers.environment, show=True)
        self._current = Current.of(self._points, self._other_data)
        found = self._survey()
        found.say_passed_over()
        if self._uniform(found):
            self._tell_diverged()
            remove_saved_checkpoints(found.done.values())
            say(f"all {len(self._points)} experiments are there: nothing to run; `python -m ablations report{self._option}` compares them")
            return
        self._adapt_threads(found)
        found = self._refuse_other_machines(found)
        self._engine.begin(self._workers.environment, self._workers.jobs)
        say(f"{len(self._points) - len(found.done)} of {len(self._points)} experiments to run, {self._workers.jobs} at a time")
        epochs = [int(point.parameters["train.epochs"]) for point in self._points]
        with progress_bar("epochs", sum(epochs)) as bar:
            bar.start_from(sum(int(point.parameters["train.epochs"]) for point in self._points if point.name in found.done))
            while True:
                state = self._look()
                self._advance(state)
                if not state.open:
                    break
                self._watch(state, bar)
            bar.update(sum(epochs))
        self._finish()

    def _survey(self) -> Survey:
        return survey(self._points, self._head, self._current)

    def _uniform(self, found: Survey) -> bool:
        return len({*found.done, *self._diverged}) == len(self._points) and len(set(found.machines.values())) == 1

    def _adapt_threads(self, found: Survey) -> None:
        """Go on with the threads of what is there, where that fits: results of other threads could not be compared."""
        threads = {machine.threads for machine in found.machines.values()}
        if len(threads) != 1 or os.environ.get(THREADS_VARIABLE, "").isdigit():
            return
        (count,) = threads
        if 0 < count * self._workers.jobs <= cores_here():
            self._workers = QueueWorkers(self._workers.jobs, {**self._workers.environment, THREADS_VARIABLE: str(count)})

    def _refuse_other_machines(self, found: Survey) -> Survey:
        """Count what was made with other threads or precision as not done: it could not be compared."""
        machine = this_machine(self._precision, self._workers.environment)
        self._machine = machine
        others = {name: reference for name, reference in found.done.items() if not self._alike(found.machines[name], name)}
        if others:
            theirs = ", ".join(sorted({str(found.machines[name]) for name in others}))
            say(f"run again, because this study uses {machine} and they used {theirs}: {', '.join(others)}")
            self._forced = set(others)  # or DVC would take the result from its cache, which knows no threads
        done = {name: reference for name, reference in found.done.items() if name not in others}
        return Survey(done, found.machines)

    def _alike(self, machine: Machine, name: str) -> bool:
        asked = next(str(point.parameters["train.precision"]) for point in self._points if point.name == name)
        precision_is_open = asked == "auto"
        return machine.threads == self._machine.threads and (not precision_is_open or machine.precision == self._machine.precision)

    def _look(self) -> _State:
        # In this order: what ends between the two questions is seen as running and as done, and not as neither.
        jobs = self._engine.jobs()
        found = self._survey()
        done = {name: reference for name, reference in found.done.items() if self._alike(found.machines[name], name)}
        return _State(Survey(done, found.machines), {name: job for name, job in jobs.items() if name not in done})

    def _advance(self, state: _State) -> None:
        """Submit what is not submitted, take away what failed or is lost, and keep the workers going."""
        for point in self._points:
            if point.name in state.survey.done or point.name in self._diverged:
                continue
            job, tries = state.jobs.get(point.name), self._tries[point.name]
            if job is not None and job.state in ("failed", "lost"):
                if self._take_away(point, job, tries):
                    continue
                job = None
            if job is None:
                if tries.submitted - tries.lost > _RETRIES or tries.lost > _MOST_LOSSES:
                    continue  # given up
                forget_point(point.name, self._report)
                self._engine.submit(point, point.name in self._forced)
                tries.submitted += 1
            state.open.append(point)
        self._engine.keep_going(bool(state.open), len(state.survey.done))

    def _take_away(self, point: Point, job: SubmittedJob, tries: _Tries) -> bool:
        """Take a failed or lost job away and say why it ended; True where it diverged, as each further try would end there."""
        if job.state == "lost":
            say(f"{point.name}: {job.reason}; it is ended and queued again")
            self._engine.collect(job, tries.submitted)
            tries.lost += bool(tries.submitted)
            return False
        tries.log = self._engine.collect(job, tries.submitted)
        if not tries.submitted:  # of an earlier call
            return False
        if diverged := keep_point(point, self._report):
            self._diverged[point.name] = diverged
            return True
        details = ": ".join(str(one) for one in (job.reason, tries.log) if one)
        say(f"{point.name} failed (try {tries.submitted - tries.lost} of {1 + _RETRIES}): {details}")
        return False

    def _watch(self, state: _State, bar: ProgressBar) -> None:
        """Show progress until something may have changed: cheap looks at git and at logs, as DVC takes half a second of a core."""
        finished = len(state.survey.done)
        known = {reference.revision for reference in references()}
        pulse = self._engine.pulse()
        until = time.monotonic() + _ASK_EVERY_SECONDS
        epochs_done = sum(int(point.parameters["train.epochs"]) for point in self._points if point.name in state.survey.done)
        while time.monotonic() < until:
            progress = [progress_of(job) for job in state.jobs.values() if job.state == "running"]
            note = "; ".join(text for _, text in progress) or "starting"
            bar.update(int(epochs_done + sum(epoch for epoch, _ in progress)), f"[{finished}/{len(self._points)}] {note}")
            time.sleep(_LOOK_EVERY_SECONDS)
            if {reference.revision for reference in references()} != known or self._engine.pulse() != pulse:
                time.sleep(_LOOK_EVERY_SECONDS / 2)  # the worker takes up the next one
                return

    def _tell_diverged(self) -> None:
        for name, one in self._diverged.items():
            say(
                f"diverged: {name}: {one.what} at step {one.step} of {one.steps} (learning rate {one.lr:.2g}); "
                f"it is not tried again while {self._report / DIVERGED / name}.json is there"
            )

    def _finish(self) -> None:
        done = self._look().survey.done
        for name in done:
            forget_point(name, self._report)
        remove_saved_checkpoints(done.values())
        missing = [point for point in self._points if point.name not in {*done, *self._diverged}]
        say(f"{len(done)} of {len(self._points)} experiments ended in success")
        self._tell_diverged()
        for point in missing:
            log = self._tries[point.name].log
            say(f"missing: {point.name} (log: {log or 'none was written'})")
        if missing:
            raise UserError(
                f"{len(missing)} of {len(self._points)} experiments are missing after {1 + _RETRIES} tries each; put the cause right and run it again"
            )
        say(f"`python -m ablations report{self._option}` compares them")
