"""Jobs of predict that go wrong: one line, the right status, and nothing half done left behind."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentiment.terminal.errors import Interrupted, UserError
from sentiment.use import text_rows
from sentiment.use.answers import Answer
from sentiment.use.predict import Job, Predictor, run_job
from tests.imports import ROOT
from tests.trained import tiny_classifier


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_classifier(tmp_path_factory.mktemp("model") / "classifier")


def source(folder: Path, content: str | bytes, name: str = "raw.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(job: Job, match: str) -> None:
    """Run a job that must be refused and leave its folder as it was."""
    assert job.out is not None
    before = sorted(job.out.parent.iterdir()) if job.out.parent.is_dir() else None
    with pytest.raises(UserError, match=match):
        run_job(job)
    assert (sorted(job.out.parent.iterdir()) if job.out.parent.is_dir() else None) == before


def command(*arguments: str, shell: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "sentiment", *arguments]
    run = ["bash", "-c", f'"$@" {shell}', "bash", *words] if shell else words
    return subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120, **options)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize(
    ("row", "what"),
    [
        (r'{"text": "good", "id": "\ud83d"}', "the id holds half a character"),
        (r'{"text": "good", "stars": "\ud83d"}', "column 'stars' holds half a character"),
        (r'{"text": "good", "stars": [{"a": "\ud83d"}]}', "column 'stars' holds half a character"),
        (r'{"text": "good", "\ud83d": 1}', "holds half a character"),
    ],
)
def test_half_a_character_in_what_an_answer_copies_is_a_bad_row(model: Path, tmp_path: Path, kind: str, row: str, what: str) -> None:
    raw = source(tmp_path, row + "\n")
    job = Job(files=[raw], model=str(model), out=tmp_path / f"out.{kind}", keep=["all"])
    refused(job, rf"raw\.jsonl, line 1: .*{what}")
    assert run_job(Job(**{**vars(job), "skip_bad": True})).bad == 1


def test_a_parquet_file_with_a_name_twice_is_refused(model: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table([pa.array(["good"]), pa.array(["bad"])], names=["text", "text"]), tmp_path / "raw.parquet")
    refused(Job(files=[tmp_path / "raw.parquet"], model=str(model), out=tmp_path / "out.csv"), "a column name occurs twice")


@pytest.mark.parametrize("content", ["", "not json\n"])
def test_no_texts_make_a_file_with_the_columns_alone(model: Path, tmp_path: Path, content: str) -> None:
    raw = source(tmp_path, content)
    columns = ["id", "label", "cut", "probability_negative", "probability_positive"]
    for kind in ("jsonl", "csv", "parquet"):
        run_job(Job(files=[raw], model=str(model), out=tmp_path / f"out.{kind}", skip_bad=True))
    assert (tmp_path / "out.jsonl").read_text() == ""
    assert next(csv.reader((tmp_path / "out.csv").read_text().splitlines())) == columns
    assert (pq.read_table(tmp_path / "out.parquet").num_rows, pq.read_schema(tmp_path / "out.parquet").names) == (0, columns)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "gb18030"])
def test_a_text_file_is_read_in_its_own_encoding(model: Path, tmp_path: Path, encoding: str) -> None:
    lines = ["这部电影太好看了，我一定会再看一次的。", "一点也不好看，我不会再看了。"]
    raw = source(tmp_path, "".join(f"{line}\n" for line in lines).encode(encoding), "raw.txt")
    assert [row.text for row in text_rows.file_rows([raw], "text", [])] == lines


def test_a_folder_and_a_hidden_file_give_their_rows_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source(tmp_path, "good\n", "a.txt")
    monkeypatch.chdir(tmp_path)
    assert [row.id for row in text_rows.file_rows([Path()], "text", [])] == [f"{tmp_path.name}-000001"]
    assert [row.id for row in text_rows.file_rows([source(tmp_path, "good\n", ".hidden.txt")], "text", [])] == ["text-000001"]


def test_two_jobs_do_not_write_one_file(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = source(tmp_path, '{"text": "good"}\n' * 3)
    job = Job(files=[raw], model=str(model), out=tmp_path / "out.csv")
    answer, seen = Predictor.answer, []

    def another_begins(*arguments: Any) -> list[Answer]:
        if not seen:
            seen.append(1)
            for other in (job, Job(**{**vars(job), "resume": True})):
                done = command("predict", "--model", str(model), "--file", str(raw), "--out", str(job.out), *(["--resume"] if other.resume else []))
                assert (done.returncode, done.stdout) == (1, "")
                assert done.stderr.endswith("out.csv: another job is writing it: wait until it ends, or name another file\n")
        return answer(*arguments)

    monkeypatch.setattr(Predictor, "answer", another_begins)
    assert run_job(job).labels and seen
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 4
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("windows_before", [0, 2])
def test_what_stops_a_job_is_said_with_what_is_kept(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows_before: int) -> None:
    monkeypatch.setattr(text_rows, "WINDOW_ROWS", 10)
    raw = source(tmp_path, '{"text": "good"}\n' * 45)
    job = Job(files=[raw], model=str(model), out=tmp_path / "out.jsonl")
    answer, calls = Predictor.answer, []

    def stopped(error: BaseException) -> Any:
        def fail(*arguments: Any) -> list[Answer]:
            calls.append(1)
            if len(calls) > windows_before:
                raise error
            return answer(*arguments)

        calls.clear()
        return fail

    monkeypatch.setattr(Predictor, "answer", stopped(OSError(28, "No space left on device")))
    kept = "20 texts are done and kept: the same command with --resume" if windows_before else "make room, or name another place"
    with pytest.raises(UserError, match=rf"out\.jsonl: cannot be written \(No space left on device\).*{kept}"):
        run_job(job)
    assert bool(list(tmp_path.glob(".*"))) == bool(windows_before)
    monkeypatch.setattr(Predictor, "answer", stopped(KeyboardInterrupt()))
    with pytest.raises(Interrupted if windows_before else KeyboardInterrupt):
        run_job(job)
    monkeypatch.setattr("sys.stdin", None)
    lines = source(tmp_path, "good\n" * 45, "lines.txt")
    for module in ("sentiment.use.predict", "sentiment.use.text_rows"):
        monkeypatch.setattr(f"{module}.STANDARD_INPUT", lines)
    monkeypatch.setattr("sys.stdin", lines.open())
    monkeypatch.setattr(Predictor, "answer", stopped(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):  # standard input cannot be read again: nothing is promised and nothing kept
        run_job(Job(model=str(model), out=tmp_path / "lines.jsonl"))
    assert not list(tmp_path.glob(".lines*"))


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files, as Linux does it")
def test_a_full_disk_leaves_nothing_of_a_job_that_did_not_begin(model: Path, tmp_path: Path) -> None:
    raw = source(tmp_path, '{"text": "good"}\n')

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = command("predict", "--model", str(model), "--file", str(raw), "--out", str(tmp_path / "out.csv"), preexec_fn=small)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "nothing can be written there (File too large)" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["raw.jsonl"]


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_defect(model: Path, tmp_path: Path, closed: str) -> None:
    raw = source(tmp_path, '{"text": "good"}\n')
    done = command("predict", "--model", str(model), "--file", str(raw), shell=closed)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    if "<&-" in closed:
        done = command("predict", "--model", str(model), shell=closed)
        assert done.returncode == 0 and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "--file", ""], "argument --file: the name is empty"),
        (["predict", "--model", "", "good"], "argument --model: the name is empty"),
        (["predict", "good", "--out", "HERE"], "is a folder: name a file in it"),
        (["predict", "good", "--out", "HERE/file/a.csv"], "file is a file, so nothing can lie in it"),
        (["predict", "good", "--threshold", "positive=nan"], "is no probability from 0 to 1"),
        (["explain", "good", "--html", "HERE"], "is a folder: name a file in it"),
        (["explain", "good", "--html", "x" * 5000 + "/a.html"], "File name too long"),
        (["serve", "--port", "70000"], "is no port: a number from 0 to 65535"),
        (["serve", "--host", ""], "argument --host: the name is empty"),
        (["nonesuch"], "invalid choice"),
    ],
)
def test_what_is_wrong_with_a_command_is_one_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    source(tmp_path, "kept", "file")
    done = command(*(argument.replace("HERE", str(tmp_path)) for argument in arguments), env={**os.environ, "COLUMNS": "80"})
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("error: ") and words in done.stderr and "--help` shows" in done.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["kept"]


def test_many_and_odd_class_names_are_listed_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = tuple(f"Klasse {number} 类 \x1b[31m|\n" for number in range(500))
    model = tiny_classifier(tmp_path / "classifier", names)
    raw = source(tmp_path, '{"text": "good"}\n')
    for kind in ("csv", "jsonl", "parquet"):
        run_job(Job(files=[raw], model=str(model), out=tmp_path / f"out.{kind}"))
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert all("1 Klasse" in line for line in shown.out.splitlines() if "out." in line)
    labels = [
        next(csv.DictReader((tmp_path / "out.csv").open(newline="")))["label"],
        json.loads((tmp_path / "out.jsonl").read_text())["label"],
        pq.read_table(tmp_path / "out.parquet").column("label")[0].as_py(),
    ]
    assert labels[0] in names and len(set(labels)) == 1
    refusal = command("explain", "good", "--model", str(model), "--class", "great")
    assert refusal.returncode == 1 and "(500 in all)" in refusal.stderr
    assert "\x1b" not in refusal.stderr and len(refusal.stderr) < 600 and len(refusal.stderr.splitlines()) == 1
