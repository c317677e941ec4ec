"""The engines by name. Each is imported where it is asked for: listing a plan needs none."""

from ablations.run.engine import Engine
from sentiment.terminal.errors import UserError

QUEUE, RAY = "queue", "ray"
ENGINES = (QUEUE, RAY)


def choose_engine(name: str, commit: str, gpus: float | None = None) -> Engine:
    """Return an engine.

    Parameters
    ----------
    name : str
        One of `ENGINES`.
    commit : str
        What the experiments depart from.
    gpus : float, optional
        GPUs of each experiment; only Ray shares them out.

    Raises
    ------
    UserError
        Where GPUs are asked for and the engine does not share them out.
    """
    if name == RAY:
        from ablations.run.on_ray.ray_engine import RayCluster

        return RayCluster(commit, gpus)
    if gpus is not None:
        raise UserError("--gpus belongs to --on ray: DVC's queue gives each experiment all GPUs")
    from ablations.run.queue_engine import DvcQueue

    return DvcQueue(commit)
