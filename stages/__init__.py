"""The stages of the pipeline, one module each.

They run as ``python -m stages.NAME`` from the checkout. DVC starts them with the `python` on PATH:
where that is not the project's, one line says so instead of an import error.
"""

import importlib.util
import os
import sys

_MISSING = [name for name in ("psutil", "pydantic", "pyarrow", "sklearn", "torch", "transformers") if importlib.util.find_spec(name) is None]
if _MISSING:
    sys.exit(
        f"error: {sys.executable} lacks the project's packages ({', '.join(_MISSING)}): "
        "activate the environment (. .venv/bin/activate) or use make, which puts it first on PATH"
    )

# GNU OpenMP reads this when torch loads it. Its threads wait for each other by spinning: beside one other
# busy process on two cores that makes a training step six times as slow. A short spin costs nothing when
# the machine is quiet and keeps that to less than twice.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

if sys.argv[:1] == ["-m"]:  # `python -m stages.train`, and not a test's import
    from sentiment.terminal.signals import end_at_once_while_importing, watch_parent

    end_at_once_while_importing()
    watch_parent()
