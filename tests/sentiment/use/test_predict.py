"""From a trained model to an answer."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sentiment.data.reading.cleaning import clean
from sentiment.evaluation.classifier import Classifier
from sentiment.model.runtime import start_runtime
from sentiment.model.text_settings import read_text_settings
from sentiment.model.trained.temperature import Temperature, write_temperature
from sentiment.terminal.errors import Interrupted, UserError
from sentiment.use import predict as predict_module
from sentiment.use import text_rows
from sentiment.use.answers import Answer, LabelRule
from sentiment.use.model_source import find_model
from sentiment.use.predict import BATCH_SIZE, Job, Predictor, run_job
from sentiment.use.terminal_answers import show_answers
from sentiment.use.text_rows import TextRow
from tests.hub import stand_in_hub
from tests.imports import ROOT
from tests.trained import tiny_classifier

WORDS = ["good", "bad", "film", "the", "so", "very", "never", "great", "dull", "<b>it</b>", "&amp;"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_classifier(tmp_path_factory.mktemp("model") / "classifier")


def texts(rows: int) -> list[str]:
    generator = np.random.default_rng(0)
    return [" ".join(generator.choice(WORDS, size=generator.integers(1, 60))) for _ in range(rows)]


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_answers_on_raw_rows_are_those_of_eval_to_the_bit(model: Path, tmp_path: Path) -> None:
    raw = texts(150)
    settings = read_text_settings(model)
    table = pa.table({"text": [clean(text, settings.strip_html) for text in raw], "label": pa.array([0] * len(raw), pa.int32())})
    expected, lengths = Classifier(model, start_runtime("fp32"), settings, BATCH_SIZE).classify(table, "eval")
    source, out = write_jsonl(tmp_path / "raw.jsonl", [{"text": text} for text in raw]), tmp_path / "answers.parquet"
    run_job(Job(files=[source], model=str(model), out=out))
    answers = pq.read_table(out)
    assert np.array_equal(np.stack([answers.column(f"probability_{name}") for name in ("negative", "positive")], axis=1), expected.probabilities)
    assert answers.column("cut").to_pylist() == list(lengths > settings.max_length)
    assert answers.column("label").to_pylist() == [("negative", "positive")[index] for index in expected.predicted]


def test_probabilities_are_calibrated_unless_asked_otherwise(model: Path, tmp_path: Path) -> None:
    hot = shutil.copytree(model, tmp_path / "hot")
    write_temperature(hot, Temperature(4.0, 4.0, 0.1, 100, None))
    plain = Predictor(model).answer(["so good", "dull"], LabelRule(["negative", "positive"]))
    calibrated = Predictor(hot).answer(["so good", "dull"], LabelRule(["negative", "positive"]))
    uncalibrated = Predictor(hot, calibrated=False).answer(["so good", "dull"], LabelRule(["negative", "positive"]))
    assert uncalibrated == plain
    assert [answer.label for answer in calibrated] == [answer.label for answer in plain]
    for before, after in zip(plain, calibrated, strict=True):
        assert before.probabilities and after.probabilities
        assert np.log(after.probabilities[0] / after.probabilities[1]) == pytest.approx(np.log(before.probabilities[0] / before.probabilities[1]) / 4)


def test_every_kind_of_file_gives_the_same_answers_in_order(model: Path, tmp_path: Path) -> None:
    rows = [{"id": f"r{number}", "text": text, "stars": number} for number, text in enumerate(["good film", "", "bad", "so <br /> dull"])]
    sources = [write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "a.csv", tmp_path / "a.parquet", tmp_path / "a.txt"]
    with sources[1].open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    pq.write_table(pa.Table.from_pylist(rows), sources[2])
    sources[3].write_text("".join(f"{row['text']}\n" for row in rows))
    results = []
    for number, source in enumerate(sources):
        for kind in ("jsonl", "csv", "parquet"):
            out = tmp_path / f"out{number}.{kind}"
            run_job(Job(files=[source], model=str(model), out=out, keep=["stars"] if source.suffix != ".txt" else []))
            if kind == "jsonl":
                answers = read_jsonl(out)
            elif kind == "csv":
                answers = list(csv.DictReader(io.StringIO(out.read_text())))
            else:
                answers = pq.read_table(out).to_pylist()
            results.append([(row["label"] or None, str(row["probability_positive"] or "")) for row in answers])
            if source.suffix != ".txt":
                assert [(row["id"], str(row["stars"])) for row in answers] == [(row["id"], str(row["stars"])) for row in rows]
    assert all(result == results[0] for result in results)
    assert results[0][1] == (None, "")  # an empty text gets no guess
    assert not list(tmp_path.glob(".*.partial"))


def test_an_interrupted_job_leaves_no_file_and_goes_on(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_rows, "WINDOW_ROWS", 10)
    rows = [json.dumps({"text": text}) for text in texts(45)]
    rows[3] = rows[27] = "not json"
    source = tmp_path / "raw.jsonl"
    source.write_text("\n".join(rows) + "\n")
    whole = Job(files=[source], model=str(model), out=tmp_path / "whole.csv", skip_bad=True)
    tally = run_job(whole)
    assert tally.bad == 2
    broken = Job(files=[source], model=str(model), out=tmp_path / "broken.csv", skip_bad=True)
    answer, calls = Predictor.answer, []

    def interrupted(*arguments: Any) -> list[Answer]:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return answer(*arguments)

    monkeypatch.setattr(Predictor, "answer", interrupted)
    with pytest.raises(Interrupted, match="30 texts are done"):
        run_job(broken)
    assert not (tmp_path / "broken.csv").exists()
    with pytest.raises(UserError, match="another options"):
        run_job(Job(**{**vars(broken), "resume": True, "abstain_below": 0.9}))
    resumed = run_job(Job(**{**vars(broken), "resume": True}))
    assert len(calls) == 6  # windows 4 and 5, after the interrupted one
    assert resumed == tally
    assert (tmp_path / "broken.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", '{"text": "good"}\n{"text": 3}\n', "a.jsonl, line 2: the text is 3"),
        ("a.jsonl", '{"text": "good"}\n{"txt": "x"}\n', "line 2: no column 'text'; found txt"),
        ("a.jsonl", '{"text": "\\ud83d"}\n', "line 1: the text holds half a character"),
        ("a.csv", "text,stars\ngood,1\nbad,1,2\n", "line 3: 3 cells where the header has 2"),
        ("a.txt", b"good\n\xff\n", "line 2: not UTF-8"),
    ],
)
def test_a_bad_row_is_refused_or_passed_over(model: Path, tmp_path: Path, name: str, content: str | bytes, expected: str) -> None:
    source, out = tmp_path / name, tmp_path / "answers.jsonl"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=expected):
        run_job(Job(files=[source], model=str(model), out=out))
    assert not out.exists()
    assert run_job(Job(files=[source], model=str(model), out=out, skip_bad=True)).bad == 1
    assert len(read_jsonl(out)) == (0 if "ud83d" in str(content) else 1)


def test_thresholds_and_abstention() -> None:
    names = ["negative", "neutral", "positive"]
    assert LabelRule(names).label([0.2, 0.3, 0.5]) == "positive"
    assert LabelRule(names, {"negative": 0.2}).label([0.2, 0.3, 0.5]) == "negative"
    assert LabelRule(names, {"positive": 0.6}).label([0.2, 0.3, 0.5]) == "neutral"
    assert LabelRule(names, {"negative": 0.1, "positive": 0.4}).label([0.2, 0.3, 0.5]) == "positive"
    assert LabelRule(names, dict.fromkeys(names, 0.6)).label([0.2, 0.3, 0.5]) is None
    assert LabelRule(names, abstain_below=0.51).label([0.2, 0.3, 0.5]) is None
    with pytest.raises(UserError, match="no such class; it knows negative, neutral, positive"):
        LabelRule(names, {"great": 0.5})


@given(st.text(alphabet=st.sampled_from("a \x1b[31m\u202e\x07\n<b>")))
def test_a_terminal_obeys_nothing_in_a_text(text: str) -> None:
    console = Console(file=io.StringIO(), width=80)
    show_answers([TextRow(text, text, {})] * 2, [Answer("good", (0.5, 0.5), False)] * 2, ["bad", "good"], console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert not set(shown) & set("\x1b\u202e\x07")


def test_a_long_text_is_cut_before_probabilities_are_folded() -> None:
    console = Console(file=io.StringIO(), width=80)
    show_answers([TextRow("1", "word " * 40, {})] * 2, [Answer("positive", (0.25, 0.75), False)] * 2, ["negative", "positive"], console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 3 and "negative 0.250  positive 0.750" in lines[1]


def test_the_command_reads_arguments_and_standard_input(model: Path) -> None:
    command = [sys.executable, "-m", "sentiment", "predict", "--model", str(model)]
    piped = subprocess.run(command, input="good film\n\nbad\n", capture_output=True, text=True, cwd=ROOT, check=True)
    answers = [json.loads(line) for line in piped.stdout.splitlines()]
    assert [row["label"] is None for row in answers] == [False, True, False]
    assert "1 empty" in piped.stderr


def test_a_model_of_the_hub_answers_and_one_that_is_not_there_is_one_line(model: Path, tmp_path: Path) -> None:
    def ask(name: str, url: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HF_ENDPOINT": url, "HF_HOME": str(tmp_path / "home")}
        command = [sys.executable, "-m", "sentiment", "predict", "--model", name, "great film"]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    with stand_in_hub("someone/films", model, "models") as url:
        found, missing = ask("someone/films", url), ask("someone/nothing", url)
    assert found.returncode == 0 and found.stdout == ask(str(model), url).stdout != ""
    assert ask("someone/films", "http://127.0.0.1:9").stdout == found.stdout  # from the Hub's cache
    assert missing.returncode == 1 and len(missing.stderr.splitlines()) == 1
    assert missing.stderr.startswith("error: --model someone/nothing: no folder and no revision here, and the Hub does not give it")


def test_a_model_comes_out_of_the_cache_and_the_workspace_stays(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.org")
    shutil.copytree(model, tmp_path / "models" / "classifier")
    for command in (
        "git init -q", "dvc init -q", "dvc add -q models/classifier", "git add -A",
        "git commit -qm one",
    ):  # fmt: skip
        subprocess.run([*([sys.executable, "-m"] if command.startswith("dvc") else []), *command.split()], check=True, capture_output=True)
    (tmp_path / "models/classifier/config.json").write_text("changed")
    before = (tmp_path / "models/classifier.dvc").read_bytes()
    subprocess.run(
        [Path(sys.executable).with_name("gto"), "register", "sentiment-classifier", "--version", "v1.0.0"], check=True, capture_output=True
    )
    folder = find_model("HEAD")
    assert find_model("sentiment-classifier@v1.0.0") == folder  # a registered version is a tag
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {path.name: path.read_bytes() for path in model.iterdir()}
    assert (tmp_path / "models/classifier/config.json").read_text() == "changed"
    assert (tmp_path / "models/classifier.dvc").read_bytes() == before
    with pytest.raises(UserError, match="no revision or experiment"):
        find_model("nonesuch")


def test_a_window_bounds_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_rows, "WINDOW_CHARACTERS", 25)
    rows = [TextRow(str(number), "x" * 10, {}) for number in range(7)]
    assert [len(window) for window in text_rows.windows(rows)] == [3, 3, 1]


def test_a_bad_last_row_ends_a_job_before_anything_is_computed(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "raw.jsonl"
    source.write_text('{"text": "good"}\n' * 30 + '{"txt": "bad"}\n')
    monkeypatch.setattr(Predictor, "answer", lambda *_: pytest.fail("an answer was computed"))
    for out in (None, tmp_path / "out.csv"):
        with pytest.raises(UserError, match=r"raw\.jsonl, line 31: no column 'text'"):
            run_job(Job(files=[source], model=str(model), out=out))
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_of_other_columns_are_refused_where_a_table_cannot_hold_them(model: Path, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "raw.jsonl"
    source.write_text('{"text": "good", "stars": 1}\n{"text": "bad", "film": "x"}\n')
    with pytest.raises(UserError, match=r"--keep all: raw-000002 has other columns than the first row"):
        run_job(Job(files=[source], model=str(model), out=tmp_path / f"out.{kind}", keep=["all"]))
    run_job(Job(files=[source], model=str(model), out=tmp_path / "out.jsonl", keep=["all"]))
    assert [row.get("film") for row in read_jsonl(tmp_path / "out.jsonl")] == [None, "x"]


def test_a_pipe_is_no_file(model: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(UserError, match="lead it to standard input instead"):
        run_job(Job(files=[tmp_path / "pipe.txt"], model=str(model)))


def test_progress_counts_rows_and_not_lines(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "raw.csv"
    source.write_text('text\n"good\nfilm"\n"so\ndull"\n')
    run_job(Job(files=[source], model=str(model), out=tmp_path / "out.csv"))
    assert "predict: 2/2" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO())
    standard = tmp_path / "stdin.txt"
    standard.write_text("good\n" * 200)
    monkeypatch.setattr(predict_module, "STANDARD_INPUT", standard)
    monkeypatch.setattr(text_rows, "STANDARD_INPUT", standard)
    run_job(Job(model=str(model), out=tmp_path / "out.jsonl"))
    assert capsys.readouterr().out.count("\n") == 1  # of standard input nobody knows the length
