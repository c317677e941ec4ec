"""Which modules of this project a module imports, directly or not, read from the source."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("stages", "sentiment", "ablations", "benchmarks")

# They cannot change an output: how values are checked, what the terminal shows, what a tracker records, the wording of the model card.
CANNOT_CHANGE_AN_OUTPUT = ("settings", "tracking", "terminal", "use", "cli")


def room_of(path: Path) -> str:
    """Return a file's room in sentiment/; empty for a file elsewhere, or right in sentiment/."""
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "sentiment" and len(parts) > 2 else ""


@cache
def direct_imports(path: Path) -> frozenset[Path]:
    """Return the project's files that a file imports, at any level of the code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    files: set[Path] = set()
    for name in names:
        if name.split(".")[0] in PACKAGES:
            base = ROOT.joinpath(*name.split("."))
            files.update(candidate for candidate in (base.with_suffix(".py"), base / "__init__.py") if candidate.is_file())
    return frozenset(files)


def code_that_counts(path: Path) -> set[Path]:
    """Return the files whose change can change what a stage writes, the stage's own among them."""
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current in seen or current.name == "__init__.py" or room_of(current) in CANNOT_CHANGE_AN_OUTPUT:
            continue
        seen.add(current)
        waiting.extend(direct_imports(current))
    return seen


def dependencies(stage: str) -> set[str]:
    """Return the code dependencies that a stage has by the rule: its own file, and the rooms of all that it imports."""
    own = ROOT / "stages" / f"{stage}.py"
    return {f"sentiment/{room_of(file)}" if room_of(file) else str(file.relative_to(ROOT)) for file in code_that_counts(own)}


def imported_at_once(paths: list[Path]) -> set[Path]:
    """Return the project's files that are imported when these are, and not first inside their functions."""
    seen: set[Path] = set()
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
                base = ROOT.joinpath(*node.module.split("."))
                candidates = [base.with_suffix(".py"), base / "__init__.py", *((base / alias.name).with_suffix(".py") for alias in node.names)]
                waiting.extend(candidate for candidate in candidates if candidate.is_file())
    return seen
