"""The table in docs/encoders.md, from the recorded rows."""

import json
from pathlib import Path
from typing import Any

from sentiment.model.architecture import architecture_of
from sentiment.model.attention import CPU_ATTENTION, training_attention
from tests.families import FAMILIES

RECORD = Path(__file__).with_name("recorded.json")
_HEADING = "| family | attention in training, CPU / GPU | trains | evaluates | resumes bit-equal | predicts | pipeline, fp32 | pipeline, bf16 |"


def read_record() -> dict[str, dict[str, Any]]:
    """Return the recorded rows, by family and precision asked for."""
    rows: dict[str, dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return rows


def write_record(name: str, row: dict[str, Any]) -> None:
    """Put one row into the record; the others stay."""
    rows = {**(read_record() if RECORD.exists() else {}), name: {**row, "difference": float(f"{row['difference']:.0e}")}}
    RECORD.write_text(json.dumps(rows, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def render_table() -> str:
    """Return the table in Markdown."""
    rows = read_record()
    lines = [_HEADING, "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for family in FAMILIES:
        fp32, bf16 = rows[f"{family}-fp32"], rows[f"{family}-bf16"]
        both = [_both(fp32[key], bf16[key]) for key in ("accuracy", "test_accuracy", "resumes")]
        second = f"{bf16['difference']:.0e}" if bf16["precision"] == "bf16" else "computed in fp32"
        # That eval loads the model, and reads what it read in training, is what predicting takes.
        cells = [family, _attention(family), both[0], both[1], both[2], both[1], f"{fp32['difference']:.0e}", second]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _both(first: Any, second: Any) -> str:
    return "yes" if first == second == 1 else "no"


def _attention(family: str) -> str:
    import transformers

    kind = FAMILIES[family]
    config = getattr(transformers, kind.config)(vocab_size=128, **kind.settings)
    sdpa = architecture_of(config).sdpa
    names = [training_attention(config.model_type, device, sdpa) for device in ("cpu", "cuda")]
    return " / ".join("own" if name == CPU_ATTENTION else name for name in names)
