"""Where the data stages read and write beside what they hand on."""

from pathlib import Path

CHALLENGE = Path("data/challenge.jsonl")
PREPARE_REPORT = Path("reports/prepare")
SPLIT_REPORT = Path("reports/split")
