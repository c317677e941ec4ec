"""Ending what the queue runs."""

import time

from ablations.repository import dvc, environment, head, unfinished
from ablations.run import orphans
from sentiment.terminal.progress import say

_LOOK_EVERY_SECONDS = 0.5
_TIME_TO_END_SECONDS = 20.0


def stop() -> None:
    """End the queue's workers and what they run; a training that runs is saved first."""
    if orphans.live_workers():
        dvc("queue", "stop", environment=environment())
    running = [row for row in unfinished(head()) if row.state == "running"]
    for row in running:
        orphans.end(row.root)
    until = time.monotonic() + _TIME_TO_END_SECONDS
    while orphans.live_workers() and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_SECONDS)
    orphans.end_workers()
    orphans.clear_half_made()
    say(f"stopped {len(running)} running experiments; `python -m ablations run` goes on from where they were")
