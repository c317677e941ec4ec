"""The rules of the house: parameters and data that stages read are declared; pins, docstrings. The rooms have tests of their own (test_rooms.py)."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentiment.settings.schema import Parameters, flatten, load_parameters
from tests.imports import ROOT, code_that_counts

PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def parameters_read(stage: str) -> set[str]:
    """Collect what a stage's main reads: chains of attributes that begin at `params`, followed through unpacking."""
    tree = ast.parse((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8"))
    main = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    chains = set()
    inner: set[int] = set()
    for node in ast.walk(main):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            names, current = [], node
            while isinstance(current, ast.Attribute):
                names.append(current.attr)
                inner.add(id(current.value))
                current = current.value  # type: ignore[assignment]
            if isinstance(current, ast.Name) and current.id == "params":
                chains.add(".".join(reversed(names)))
    return chains


@pytest.mark.parametrize("stage", PIPELINE)
def test_a_stage_declares_every_parameter_it_reads_and_no_other(stage: str) -> None:
    declared = set(PIPELINE[stage].get("params", []))
    read = parameters_read(stage)
    covered = {name for name in read if name in declared or name.split(".")[0] in declared}
    assert read - covered == set(), "read, but not declared"
    assert {name for name in declared if not any(chain == name or chain.startswith(f"{name}.") for chain in read)} == set(), "declared, but not read"


# What they are told names a run or records it: nothing that a stage writes depends on it.
MAY_BE_GIVEN_EVERYTHING = {"describe_run"}


@pytest.mark.parametrize("stage", PIPELINE)
def test_no_function_of_a_stage_is_given_every_parameter_at_once(stage: str) -> None:
    tree = ast.parse((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8"))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if any(isinstance(argument, ast.Name) and argument.id == "params" for argument in given):
            assert ast.unparse(call.func) in MAY_BE_GIVEN_EVERYTHING


@pytest.mark.parametrize("stage", PIPELINE)
def test_every_parameter_of_a_section_is_used_by_the_stage_that_declares_it(stage: str) -> None:
    used = {
        node.attr
        for path in code_that_counts(ROOT / "stages" / f"{stage}.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    for name in PIPELINE[stage].get("params", []):
        section = Parameters.model_fields[name].annotation if "." not in name else None
        assert set(getattr(section, "model_fields", {})) <= used, name


@pytest.mark.parametrize("stage", PIPELINE)
def test_what_a_stage_reads_is_in_git_a_parameter_or_written_by_an_earlier_stage(stage: str) -> None:
    earlier = list(PIPELINE)[: list(PIPELINE).index(stage)]
    written = [Path(out) for name in earlier for out in PIPELINE[name]["outs"]]
    tracked = set(subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines())
    for dep in PIPELINE[stage]["deps"]:
        from_a_stage = any(Path(dep) == out or out in Path(dep).parents for out in written)
        in_git = dep in tracked or any(name.startswith(f"{dep}/") for name in tracked)
        assert dep.startswith("${") or in_git or from_a_stage, dep


def test_no_two_stages_write_the_same_and_none_writes_into_another() -> None:
    outs = [Path(out) for stage in PIPELINE.values() for out in stage["outs"]]
    outs += [Path(name) for stage in PIPELINE.values() for metric in stage.get("metrics", []) for name in metric]
    assert not [(a, b) for a in outs for b in outs if a is not b and (a == b or a in b.parents)]


@pytest.mark.parametrize("stage", ["prepare", "split"])
def test_data_stages_start_without_the_heavy_libraries(stage: str) -> None:
    program = f"import sys, stages.{stage}; print(*sorted(set(sys.modules) & {{'torch', 'transformers', 'datasets', 'swanlab', 'matplotlib'}}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_no_parameter_is_spliced_into_a_command() -> None:
    for stage in PIPELINE.values():
        assert "${" not in str(stage["cmd"])


def test_requirements_are_pinned() -> None:
    for name in (
        "requirements.txt",
        "requirements-dev.txt",
        "requirements-onnx.txt",
        "requirements-ray.txt",
        "requirements-remotes.txt",
        "constraints.txt",
    ):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            assert not line.strip() or line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", line), f"{name}: {line}"
    assert "torch==2.13.0" in (ROOT / "requirements.txt").read_text(encoding="utf-8")


def test_params_yaml_is_the_baseline_in_the_schemas_order() -> None:
    parameters = load_parameters(ROOT / "params.yaml")
    values = flatten(parameters)
    assert (values["train.lr"], values["train.batch_size"], values["train.epochs"], values["train.weight_decay"]) == (2e-5, 8, 3, 0.01)
    written = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert list(written) == list(Parameters.model_fields)
    for section, content in written.items():
        if isinstance(content, dict):
            assert list(content) == list(type(getattr(parameters, section)).model_fields)


def test_dvc_changes_the_lines_of_params_yaml_that_it_sets_and_no_other(tmp_path: Path) -> None:
    from dvc.utils.hydra import apply_overrides  # what `dvc exp run -S` calls

    written = tmp_path / "params.yaml"
    before = (ROOT / "params.yaml").read_text(encoding="utf-8")
    written.write_text(before, encoding="utf-8")
    apply_overrides(str(written), ["train.batch_size=32"])
    pairs = zip(before.splitlines(), written.read_text(encoding="utf-8").splitlines(), strict=True)
    changed = [line for line, new in pairs if line != new]
    assert [line.split(":")[0].strip() for line in changed] == ["batch_size"]


def test_every_public_function_says_what_it_does() -> None:
    for path in [*modules("sentiment"), *modules("stages"), *modules("ablations")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") and node.col_offset == 0:
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


def test_a_checkout_has_the_same_bytes_whatever_git_does_to_line_ends(tmp_path: Path) -> None:
    from sentiment.core.code_dependencies import code_hashes

    clone = tmp_path / "clone"
    subprocess.run(["git", "-c", "core.autocrlf=true", "clone", "-q", "--shared", str(ROOT), str(clone)], check=True, capture_output=True)
    changed = subprocess.run(["git", "diff", "--name-only", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in ("params.yaml", "data/reviews.jsonl", "dvc.yaml"):
        assert name in changed or (clone / name).read_bytes() == (ROOT / name).read_bytes(), name
    if not any(name.startswith(("sentiment/", "stages/")) for name in changed):
        assert code_hashes("train", clone) == code_hashes("train", ROOT)
