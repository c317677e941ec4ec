"""The baseline that every arm departs from: the committed params.yaml."""

from ablations.repository import show_file
from sentiment.core import paths
from sentiment.settings.schema import Parameters, flatten, load_parameters, parse_parameters
from sentiment.terminal.errors import UserError


def committed_parameters() -> Parameters:
    """Return params.yaml, once it is known to be the committed one.

    Raises
    ------
    UserError
        Where a value differs from the one at HEAD: `dvc exp run -S` leaves its values behind, and every
        arm would carry them.
    """
    current = load_parameters(paths.PARAMS)
    committed = show_file("HEAD", paths.PARAMS)
    if committed is None:
        raise UserError(f"{paths.PARAMS} is not in git: commit it first, as the baseline that every arm departs from")
    before, now = flatten(parse_parameters(committed, f"{paths.PARAMS} at HEAD")), flatten(current)
    if edited := [f"{key} = {now[key]} (at HEAD {before.get(key)})" for key in now if now[key] != before.get(key)]:
        raise UserError(
            f"{paths.PARAMS} is edited: {', '.join(edited)}. `dvc exp run -S` leaves its values there, and every arm would carry them: "
            f"`git checkout {paths.PARAMS}`, or commit it as the new baseline"
        )
    return current
