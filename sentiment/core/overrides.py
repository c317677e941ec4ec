"""How a value is given to `dvc exp run`: its grammar wants quotes around anything but plain ASCII."""

import re

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./:@+-]*")


def override(key: str, value: str | list[str]) -> str:
    """Return the ``-S`` option that sets a parameter, quoted for the shell and for DVC."""
    values = [value] if isinstance(value, str) else value
    plain = all(_PLAIN.fullmatch(one) for one in values)
    written = ",".join(values if plain else [f"'{one}'" for one in values])
    if isinstance(value, list):
        written = f"[{written}]"
    if not plain:
        return f'-S "{key}={written}"'
    return f"-S '{key}={written}'" if isinstance(value, list) else f"-S {key}={written}"
