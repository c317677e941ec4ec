"""The benchmark on public data sets: its independent count, and the table that the documentation shows."""

from pathlib import Path

import pytest

from benchmarks.public_data import agreement, count_independently, to_markdown
from benchmarks.public_sets import PublicSet
from sentiment.core.files import read_json

ROOT = Path(__file__).resolve().parents[2]


def test_the_independent_count_parts_rows_at_line_ends_alone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes('text,label\n"two\nlines",x\none\u2028line,y\ntwo,y\ntwo,y\n'.encode())
    one = PublicSet("", "", {}, {}, "text", "label")
    assert count_independently(tmp_path / "a.csv", one) == {"rows": 4, "labels": {"x": 1, "y": 3}, "repeated": 1}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"read": 4, "kept": 3, "dropped": {"empty": 1}, "classes": {"x": 3}}, []),
        ({"read": 3, "kept": 3, "dropped": {}, "classes": {"x": 3}}, ["3 rows read, 4 counted"]),
        ({"read": 4, "kept": 3, "dropped": {}, "classes": {"x": 3}}, ["rows kept and dropped are not those read"]),
        ({"read": 4, "kept": 4, "dropped": {}, "classes": {"x": 4}}, ["4 rows of x, 3 counted"]),
    ],
)
def test_a_difference_is_named(found: dict[str, object], said: list[str]) -> None:
    assert agreement(found, {"rows": 4, "labels": {"x": 3, "y": 1}}) == said


def test_the_documentation_shows_the_recorded_table() -> None:
    record = read_json(ROOT / "benchmarks/results/public_data.json")
    assert len(record["sets"]) >= 10 and all(result["disagreement"] == [] for result in record["sets"].values())
    assert to_markdown(record["sets"]) in (ROOT / "docs/data.md").read_text(encoding="utf-8")
