"""The benchmark of the data stages: it measures, writes what it measured, and does not do it twice."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.data_scale import write_corpus

ROOT = Path(__file__).resolve().parents[2]


def run(out: Path, *arguments: str) -> tuple[str, Any]:
    command = [sys.executable, "-m", "benchmarks.data_scale", "--out", str(out), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout, json.loads(out.read_text(encoding="utf-8"))


def test_sizes_are_measured_once_and_shown_together(tmp_path: Path) -> None:
    first, written = run(tmp_path / "x.json", "--rows", "400")
    assert "prepare, 400 rows" in first and [result["rows"] for result in written["results"]] == [400]
    assert all(written["results"][0][stage][figure] > 0 for stage in ("prepare", "split") for figure in ("seconds", "peak_mib"))
    second, again = run(tmp_path / "x.json", "--rows", "400", "600")
    assert "prepare, 400 rows" not in second and "prepare, 600 rows" in second
    assert again["results"][0] == written["results"][0]
    assert [result["rows"] for result in again["results"]] == [400, 600]


def test_the_corpus_is_the_same_each_time_and_has_repetitions(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_corpus(tmp_path / name, 1000)
    write_corpus(tmp_path / "shorter", 600)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes().startswith((tmp_path / "shorter").read_bytes())
    rows = [json.loads(line) for line in (tmp_path / "a").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 1000 and len({row["text"] for row in rows}) == 996
    assert all(len(row["text"].replace("<br />", "").split()) == 200 for row in rows)
    assert 1000 < sum(len(row["text"]) for row in rows) / 1000 < 1400
