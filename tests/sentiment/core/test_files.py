"""Writing whole or not at all; places; errors as one line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.core.files import read_json, read_tsv, replacing, write_json, write_tsv
from sentiment.core.paths import main_root
from tests.imports import ROOT


def test_a_failed_write_leaves_what_stood_there(tmp_path: Path) -> None:
    for make in (lambda path: path.write_text("old"), lambda path: path.mkdir()):
        target = tmp_path / "out"
        make(target)
        with pytest.raises(RuntimeError), replacing(target) as partial:
            partial.write_text("half")
            raise RuntimeError
        assert target.exists() and [path.name for path in tmp_path.iterdir()] == ["out"]
        target.unlink() if target.is_file() else target.rmdir()


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").write_text("old")
    with replacing(tmp_path / "out") as partial:
        partial.mkdir()
        (partial / "new").write_text("new")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]


KILLED = """
import os, signal, sys
from pathlib import Path
from sentiment.core.files import replacing
with replacing(Path(sys.argv[1])) as partial:
    if sys.argv[2] == "file":
        partial.write_text("half")
    else:
        partial.mkdir()
        (partial / "part").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_killed_process_leaves_what_stood_there_and_the_next_one_cleans_up(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out"
    with replacing(target) as partial:
        partial.write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(target), kind], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.partial", "out"]  # a name that git and DVC ignore
    with replacing(target) as partial:
        assert not partial.exists()
        partial.write_text("new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out", "new")]


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(10**9), 10**9)


@given(st.dictionaries(st.text(max_size=5), numbers | st.lists(numbers, max_size=3) | st.none() | st.text(max_size=5), max_size=5))
def test_json_is_sorted_rounded_and_always_valid(tmp_path_factory: pytest.TempPathFactory, content: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("json") / "x.json"
    write_json(path, content)
    text = path.read_text(encoding="utf-8")
    back = json.loads(text, parse_constant=pytest.fail)
    assert list(back) == sorted(content)
    write_json(path, back)
    assert path.read_text(encoding="utf-8") == text


def test_tables_come_back_with_six_digits(tmp_path: Path) -> None:
    write_tsv(tmp_path / "x.tsv", ["step", "loss"], [(1, 0.123456789), (2, float("nan"))])
    assert (tmp_path / "x.tsv").read_text().splitlines()[1] == "1\t0.123457"
    assert read_tsv(tmp_path / "x.tsv")["step"] == [1.0, 2.0]


def test_the_main_checkout_is_found_from_a_temporary_workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SENTIMENT_MAIN_ROOT", raising=False)
    inside = tmp_path / "project/.dvc/tmp/exps/tmpabc123"
    inside.mkdir(parents=True)
    assert main_root(inside) == tmp_path / "project"
    assert main_root(tmp_path) == tmp_path
    monkeypatch.setenv("SENTIMENT_MAIN_ROOT", str(tmp_path / "other"))
    assert main_root(inside) == tmp_path / "other"


PROGRAMS = [
    ('raise UserError("first\\nsecond")', 1, "error: first second"),
    ('open("/no/such/file")', 1, "error: No such file or directory (/no/such/file)"),
    ('raise Interrupted("saved")', 130, "stopped: saved"),
]


@pytest.mark.parametrize(("body", "status", "line"), PROGRAMS)
def test_an_error_of_the_users_is_one_line_and_debug_shows_more(body: str, status: int, line: str) -> None:
    program = f"from sentiment.terminal.errors import *\ndef main():\n    {body}\nrun_main(main)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (status, line)
    debug = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, env={"DEBUG": "1"})
    assert "Traceback" in debug.stderr


def test_json_is_read_back(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": [1, 2.5, None]})
    assert read_json(tmp_path / "x.json") == {"a": [1, 2.5, None]}
