"""The rows of the table in docs/encoders.md, on a CPU: whole and in both precisions in `make test-long`, short and in fp32 each time."""

import os
from pathlib import Path

import pytest

from tests.encoders.rows import Row, make_row
from tests.encoders.table import render_table, write_record
from tests.families import FAMILIES, small_model
from tests.imports import ROOT

# bf16: a batch of eval is padded where a single text of the pipeline is not, and attention's kernels then round otherwise.
ALLOWED = {"fp32": 1e-6, "bf16": 5e-3}


def check(row: Row) -> None:
    assert row.resumes
    assert row.test_accuracy == row.accuracy
    assert row.difference <= ALLOWED[row.precision]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_trains_an_epoch_resumes_and_is_read_alike_by_eval_and_pipeline(family: str, tmp_path: Path) -> None:
    check(make_row(family, small_model(family, tmp_path / "encoder"), "fp32", tmp_path, epochs=1))


@pytest.mark.long
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_learns_resumes_and_is_read_alike_by_eval_and_pipeline(family: str, precision: str, tmp_path: Path) -> None:
    row = make_row(family, small_model(family, tmp_path / "encoder"), precision, tmp_path)
    check(row)
    assert row.accuracy == 1.0
    assert row.precision == ("fp32" if family == "deberta" else precision)
    if os.environ.get("RECORD_ENCODERS"):
        write_record(f"{family}-{precision}", row.as_dict())


def test_the_documented_table_is_the_recorded_one() -> None:
    assert render_table() in (ROOT / "docs/encoders.md").read_text(encoding="utf-8")
