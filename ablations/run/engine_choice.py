"""The engines by name. Each is imported where it is asked for: listing a plan needs none."""

from ablations.run.engine import Engine
from sentiment.terminal.errors import UserError

QUEUE, RAY = "queue", "ray"
ENGINES = (QUEUE, RAY)


def choose_engine(name: str, commit: str, gpus: float | None = None, through: str | None = None) -> Engine:
    """Return an engine.

    Parameters
    ----------
    name : str
        One of `ENGINES`.
    commit : str
        What the experiments depart from.
    gpus : float, optional
        GPUs of each experiment; only Ray shares them out.
    through : str, optional
        The git remote through which experiments travel, where the machines share no folder; only with Ray.

    Raises
    ------
    UserError
        Where `gpus` or `through` is given and the engine is not Ray.
    """
    if name == RAY:
        from ablations.run.on_ray.ray_engine import RayCluster

        return RayCluster(commit, gpus, through)
    if gpus is not None:
        raise UserError("--gpus belongs to --on ray: DVC's queue gives each experiment all GPUs")
    if through is not None:
        raise UserError("--through belongs to --on ray: DVC's queue runs on this machine")
    from ablations.run.queue_engine import DvcQueue

    return DvcQueue(commit)
