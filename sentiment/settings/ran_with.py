"""What a stage runs with, to be written down beside what it makes."""

from dataclasses import dataclass
from typing import Any

from sentiment.core import paths
from sentiment.core.code_dependencies import code_hashes, declared_parameters
from sentiment.settings.schema import flatten, load_parameters


@dataclass(frozen=True)
class RanWith:
    """What dvc.yaml declares for a stage, as it is now.

    Attributes
    ----------
    parameters : dict of str to value
        Its parameters, by dotted name.
    code : dict of str to str
        Hashes of its code, by dependency.
    """

    parameters: dict[str, Any]
    code: dict[str, str]


def ran_with(stage: str) -> RanWith:
    """Return the parameters and the code of a stage, as params.yaml and the workspace have them now."""
    declared = declared_parameters(stage)
    values = flatten(load_parameters(paths.PARAMS))
    own = {key: value for key, value in values.items() if any(key == name or key.startswith(f"{name}.") for name in declared)}
    return RanWith(own, code_hashes(stage))
