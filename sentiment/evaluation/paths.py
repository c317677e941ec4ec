"""Where the reference and eval stages write."""

from pathlib import Path

REFERENCE_REPORT = Path("reports/reference")
REFERENCE_METRICS = Path("reports/reference.json")
EVAL_REPORT = Path("reports/eval")
EVAL_METRICS = Path("reports/eval.json")
EVAL_FIGURES = ("accuracy", "accuracy_low", "accuracy_high", "macro_f1", "challenge_accuracy")  # what it holds
EVAL_SUMMARY = EVAL_REPORT / "summary.json"  # all figures
