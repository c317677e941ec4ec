"""The architecture: rooms, the arrows between them, and dvc.yaml's dependencies on them."""

import ast
import subprocess
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentiment.core.code_dependencies import declared_code
from tests.imports import CANNOT_CHANGE_AN_OUTPUT, ROOT, code_that_counts, dependencies, direct_imports, room_of

PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

# What a room may import, beside itself and terminal. The command line, `python -m sentiment`, may import every room.
ARROWS: dict[str, set[str]] = {
    "terminal": set(),
    "core": set(),
    "data": {"core"},
    "model": {"core"},
    "training": {"core", "model"},
    "evaluation": {"core", "model"},
    "export": {"core", "model", "evaluation"},
    "settings": {"core", "data", "training", "evaluation", "export"},
    "tracking": {"core", "model", "training", "evaluation", "settings"},
    "use": {"core", "data", "model", "training", "evaluation", "export", "settings", "tracking"},
    "cli": {"core", "data", "model", "training", "evaluation", "export", "settings", "tracking", "use"},
}
MOST_MODULES, MOST_LINES = 16, 300


def modules(package: str) -> list[Path]:
    return [path for path in sorted((ROOT / package).rglob("*.py")) if path.name != "__init__.py"]


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("sentiment", {"stages", "ablations", "benchmarks"}), ("stages", {"ablations", "benchmarks"}), ("ablations", {"stages", "benchmarks"})],
)
def test_packages_import_in_one_direction(package: str, forbidden: set[str]) -> None:
    for path in modules(package):
        assert not {file.relative_to(ROOT).parts[0] for file in direct_imports(path)} & forbidden, path


def test_every_module_is_in_a_room() -> None:
    outside = {path.name for path in modules("sentiment") if not room_of(path)}
    assert outside == {"__main__.py"}
    assert {room_of(path) for path in modules("sentiment")} - {""} == set(ARROWS)


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_imports_only_what_the_arrows_allow(room: str) -> None:
    allowed = {room, "terminal", *ARROWS[room]}
    for path in modules(f"sentiment/{room}"):
        strangers = {str(file.relative_to(ROOT)) for file in direct_imports(path) if room_of(file) and room_of(file) not in allowed}
        assert not strangers, f"{path.relative_to(ROOT)} imports {strangers}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {path: direct_imports(path) - {path} for package in ("sentiment", "stages", "ablations", "benchmarks") for path in modules(package)}
    list(TopologicalSorter(graph).static_order())  # raises a CycleError that names the modules


def test_a_rooms_init_is_empty() -> None:
    for path in (ROOT / "sentiment").rglob("*/__init__.py"):
        assert path.read_text(encoding="utf-8") == "", path


@pytest.mark.parametrize("stage", PIPELINE)
def test_a_stage_depends_on_the_rooms_it_imports_and_on_its_own_file(stage: str) -> None:
    assert set(declared_code(stage, ROOT)) == dependencies(stage)


def test_sections_of_the_schema_import_pydantic_and_core_alone() -> None:
    for path in (ROOT / "sentiment").rglob("parameters.py"):
        imported = {
            node.module.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module
        }
        assert imported <= {"pydantic", "typing", "sentiment", "annotated_types"}, path
        assert {room_of(file) for file in direct_imports(path)} - {""} <= {"core"}, path


def test_rooms_and_modules_stay_small() -> None:
    for package in ("sentiment", "stages", "ablations", "benchmarks"):
        by_folder: dict[Path, int] = defaultdict(int)
        for path in modules(package):
            by_folder[path.parent] += 1
            assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES, path
        assert max(by_folder.values()) <= MOST_MODULES
    assert len((ROOT / "dvc.yaml").read_text(encoding="utf-8").splitlines()) < 170


def test_no_two_public_names_mean_different_things() -> None:
    where: dict[str, list[str]] = defaultdict(list)
    for package in ("sentiment", "stages", "ablations", "benchmarks"):
        for path in modules(package):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") and node.name != "main":
                    where[node.name].append(str(path.relative_to(ROOT)))
    assert {name: files for name, files in where.items() if len(files) > 1} == {}


def test_no_module_is_taken_for_another_or_for_a_test() -> None:
    stems = [path.stem for package in ("sentiment", "ablations", "benchmarks") for path in modules(package) if not path.stem.startswith("__")]
    repeated = {stem for stem in stems if stems.count(stem) > 1}
    assert repeated <= {"parameters", "paths"}  # of each room its own
    assert not [stem for stem in stems if stem.startswith("test")]
    plain = [stem.replace("_", "").removesuffix("s") for stem in set(stems)]
    assert len(plain) == len(set(plain))


def test_what_reads_code_dependencies_asks_the_one_function() -> None:
    for package in ("sentiment", "stages", "ablations", "benchmarks"):
        for path in modules(package):
            assert '.endswith(".py")' not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("stage", PIPELINE)
def test_a_command_is_one_constant_line(stage: str) -> None:
    assert PIPELINE[stage]["cmd"] == f"python -m stages.{stage}"


@pytest.mark.parametrize("stage", PIPELINE)
def test_a_room_that_cannot_change_an_output_is_no_dependency(stage: str) -> None:
    assert not [dep for dep in declared_code(stage, ROOT) if Path(dep).parts[-1] in CANNOT_CHANGE_AN_OUTPUT]
    assert code_that_counts(ROOT / "stages" / f"{stage}.py")


def test_everything_that_counts_is_in_git() -> None:
    tracked = set(subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines())
    for stage in PIPELINE:
        assert {str(path.relative_to(ROOT)) for path in code_that_counts(ROOT / "stages" / f"{stage}.py")} <= tracked
