"""The stages of the pipeline, one module each.

They run as ``python -m stages.NAME`` from the checkout. DVC starts them with the `python` on PATH:
where that is not the project's, one line says so instead of an import error.
"""

import importlib.util
import sys

_MISSING = [name for name in ("pydantic", "pyarrow", "sklearn", "torch", "transformers") if importlib.util.find_spec(name) is None]
if _MISSING:
    sys.exit(
        f"error: {sys.executable} lacks the project's packages ({', '.join(_MISSING)}): "
        "activate the environment (. .venv/bin/activate) or use make, which puts it first on PATH"
    )
