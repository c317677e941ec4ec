"""The README's command blocks, pasted in their order into a small checkout, and received in a colleague's clone."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.pipeline.conftest import ROOT, Project

# What is not run here, by how it begins, and why. The tests named run the same code in another way.
NOT_HERE = {
    "git clone <this repository>": "the project fixture is a clone",
    "make run": "the fixture has run it: dvc repro, then make show",
    "make test": "this is it",
    "make ablations": "tests/ablations/test_runner.py, with a small plan",
    "make report": "tests/pipeline/test_experiments.py, with a small plan",
    "make imdb": "half an hour; tests/ablations runs such plans",
    "make serve": "runs until Ctrl-C; tests/sentiment/use/service",
    "python3 -m venv .venv": "packages",
    "python -m sentiment fetch stanfordnlp/imdb": "the Hub; tests/sentiment/cli/test_fetch.py, with a stand-in",
    "dvc exp run -S prepare.source=data/imdb": "needs IMDB and BERT-base",
    "python -m sentiment predict --backend onnx-int8": "tests/sentiment/export",
    "python -m sentiment publish": "the Hub; tests/sentiment/use/test_publish.py, with a stand-in",
    "python -m sentiment receive": "in the colleague's clone, below",
}
STAND_INS = {"s3://bucket/path": "../storage", "~/data.jsonl": "../data.jsonl", "reviews.csv": "../reviews.csv"}


def command_blocks(page: str) -> list[list[str]]:
    """Return the commands of each bash block, without their comments."""
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    return [[line.split("  #")[0].strip() for line in block.splitlines() if line.strip()] for block in blocks]


def is_run_here(command: str) -> bool:
    return not any(command.startswith(beginning) for beginning in NOT_HERE)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_both_readmes_have_the_same_commands() -> None:
    assert command_blocks("README.zh-CN.md")[1:] == command_blocks("README.md")[1:]  # the first names the folder in words


def test_what_is_not_run_is_in_the_readme() -> None:
    commands = [command for block in command_blocks("README.md") for command in block]
    assert [beginning for beginning in NOT_HERE if not any(command.startswith(beginning) for command in commands)] == []


@pytest.fixture
def walked(project: Project, tmp_path: Path) -> Project:
    """A checkout with a remote, in which nothing of the machine that made HEAD is left but its results."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(tmp_path / "origin.git")], check=True)
    project.run("git", "remote", "add", "origin", str(tmp_path / "origin.git"))
    project.run("git", "push", "-q", "-u", "origin", "main")
    rows = (ROOT / "data/reviews.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[240:400]
    (tmp_path / "data.jsonl").write_text("".join(rows), encoding="utf-8")
    (tmp_path / "reviews.csv").write_text("text\nA fine film.\nA dull one.\n", encoding="utf-8")
    (project.root / ".venv").mkdir()
    (project.root / ".venv/bin").mkdir()
    (project.root / ".venv/bin/activate").write_text("")
    (project.root / ".venv/.ready").write_text("")
    return project


def test_each_line_does_what_it_promises_and_a_colleague_receives_it(walked: Project, tmp_path: Path) -> None:
    project = walked
    lock = project.root / "dvc.lock"
    ours = lock.read_text(encoding="utf-8")
    lock.write_text(re.sub(r"(path: models/classifier\n      hash: md5\n      md5: )\w{8}", r"\g<1>00000000", ours), encoding="utf-8")
    assert lock.read_text(encoding="utf-8") != ours
    project.run("git", "commit", "-qam", "The results of another machine")
    lock.write_text(ours, encoding="utf-8")
    shown = project.run("make", "-o", ".venv/.ready", "show").stdout
    assert 'git commit -m "Baseline of this machine" dvc.lock reports' in shown
    for block in command_blocks("README.md"):
        for written in filter(is_run_here, block):
            command = re.sub("|".join(map(re.escape, STAND_INS)), lambda found: STAND_INS[found[0]], written)
            done = project.run("bash", "-c", re.sub(r"^make ", "make -o .venv/.ready ", command))
            check_promise(project, command, done.stdout + done.stderr)
    clone = Project(tmp_path / "clone", project.environment)
    project.run("git", "clone", "-q", str(tmp_path / "origin.git"), str(clone.root))
    (received,) = [command for block in command_blocks("README.md") for command in block if " receive " in command]
    clone.run(*received.split())
    parameters = yaml.safe_load((clone.root / "params.yaml").read_text(encoding="utf-8"))
    assert (parameters["train"]["batch_size"], parameters["train"]["lr"], parameters["train"]["weight_decay"]) == (32, 1e-3, 0.01)
    assert clone.dvc("status").stdout.strip().endswith("up to date.")
    assert "Running stage" not in clone.dvc("repro").stdout
    project.run("git", "checkout", "-q", "params.yaml")
    project.dvc("exp", "apply", "bs32")
    for folder in ("reports/eval", "models/classifier"):
        assert files(clone.root / folder) == files(project.root / folder)
    answered = [place.run("python", "-m", "sentiment", "predict", "--model", "bs32", "A fine film.").stdout for place in (clone, project)]
    assert answered[0] == answered[1] != ""


def check_promise(project: Project, command: str, output: str) -> None:
    """Assert what the comment beside a command says."""
    changed = project.run("git", "status", "--porcelain", "--untracked-files=no").stdout
    if command.startswith(("dvc exp run --temp", "dvc exp run --queue", "git checkout", 'git commit -m "Baseline')):
        assert changed == "", command
    if command.startswith("git checkout"):
        assert "Running stage" not in output, "from the cache"
    if command == "make show":
        rows = {line.split()[0]: line for line in output.splitlines() if line}
        assert "baseline_lr5e-05" in rows["lr5e-5"].replace("5e-5 ", "5e-05 ") and "bs" not in rows["lr5e-5"]
        assert "baseline_bs32" in rows["bs32"] and "lr" not in rows["bs32"]
        assert "baseline_lr5e-5_bs32" in rows["lr5e-5_bs32"]
    if command == "dvc metrics diff HEAD bs32":
        assert "eval_loss" in output and "HEAD" in output
    if command == "dvc plots diff HEAD bs32":
        assert (project.root / "dvc_plots/index.html").is_file() and "WARNING" not in output
    if command == "dvc exp apply bs32":
        assert yaml.safe_load((project.root / "params.yaml").read_text(encoding="utf-8"))["train"]["batch_size"] == 32
    if command.startswith("dvc exp run -S train.weight_decay"):
        assert "lr5e-5" not in output and "weight_decay" in changed + project.run("git", "diff", "params.yaml").stdout
    if "predict" in command or "explain" in command:
        assert "positive" in output or "answers.csv" in output, command
