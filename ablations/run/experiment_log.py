"""What the log of a running experiment says of its progress."""

import os
import re

from ablations.run.engine import SubmittedJob

_LOG_TAIL_BYTES = 4096
_EPOCH = re.compile(r"epoch (\d+(?:\.\d+)?)(?:.*?loss (\d+\.\d+))?")


def progress_of(job: SubmittedJob) -> tuple[float, str]:
    """Read how far a running experiment is from the end of its log.

    Parameters
    ----------
    job : SubmittedJob
        The experiment.

    Returns
    -------
    epoch : float
        0 where the log has none yet.
    text : str
        Its name, and where known epoch and loss.
    """
    if job.log is None:
        return 0.0, job.name
    try:
        with job.log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _LOG_TAIL_BYTES))
            tail = file.read().decode("utf-8", errors="replace")
    except OSError:
        return 0.0, job.name
    found = _EPOCH.findall(tail)
    if not found:
        return 0.0, job.name
    epoch, loss = found[-1]
    return float(epoch), f"{job.name}: epoch {float(epoch):.1f}" + (f", loss {loss}" if loss else "")
