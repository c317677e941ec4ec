"""Where the reference and eval stages write."""

from pathlib import Path

REFERENCE_REPORT = Path("reports/reference")
REFERENCE_METRICS = Path("reports/reference.json")
EVAL_REPORT = Path("reports/eval")
EVAL_METRICS = Path("reports/eval.json")
