"""The rows of the table in docs/encoders.md, on a CPU: all of them in `make test-long`, one or two here each time."""

from pathlib import Path

import pytest

from tests.encoders.rows import Row, make_row
from tests.families import FAMILIES, small_model

# bf16: the last batch of eval is padded otherwise than a single text is, which moves a logit by a few units in the last place.
ALLOWED = {"fp32": 1e-5, "bf16": 2e-2}


def check(row: Row) -> None:
    assert row.accuracy == row.test_accuracy == 1.0
    assert row.resumes
    assert row.difference <= ALLOWED[row.precision]


@pytest.mark.long
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_trains_resumes_predicts_and_the_pipeline_agrees(family: str, precision: str, tmp_path: Path) -> None:
    check(make_row(family, small_model(family, tmp_path / "encoder"), precision, tmp_path))
