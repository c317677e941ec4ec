"""The parameters that a stage runs with, to be written down beside what it makes."""

from typing import Any

from sentiment.core import paths
from sentiment.core.code_dependencies import declared_parameters
from sentiment.settings.schema import flatten, load_parameters


def ran_with(stage: str) -> dict[str, Any]:
    """Return the parameters that dvc.yaml declares for a stage, by dotted name, as params.yaml has them now."""
    declared = declared_parameters(stage)
    values = flatten(load_parameters(paths.PARAMS))
    return {key: value for key, value in values.items() if any(key == name or key.startswith(f"{name}.") for name in declared)}
