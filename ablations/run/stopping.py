"""Ending what a study runs, on whichever engine."""

from ablations.repository import head
from ablations.run.engine_choice import ENGINES, choose_engine
from sentiment.terminal.progress import say


def stop() -> None:
    """End the workers and what they run; a training that runs is saved first."""
    commit = head()
    ended = sum(choose_engine(name, commit).stop() for name in ENGINES)
    say(f"stopped {ended} running experiments; `python -m ablations run` continues them")
