"""Which modules of this project a module imports, directly or not, read from the source."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("stages", "sentiment", "ablations", "benchmarks")

# They cannot change an output: what the terminal shows, what a tracker is told, how errors read.
CANNOT_CHANGE_AN_OUTPUT = {
    "stages/__init__.py",
    "sentiment/__init__.py",
    "sentiment/console.py",
    "sentiment/errors.py",
    "sentiment/naming.py",
    "sentiment/network.py",
    "sentiment/tracking.py",
}


def direct_imports(path: Path) -> set[Path]:
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
    return files


def dependencies(path: Path) -> set[str]:
    """Return the files whose change can change what a stage writes, relative to the root."""
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current in seen or str(current.relative_to(ROOT)) in CANNOT_CHANGE_AN_OUTPUT:
            continue
        seen.add(current)
        waiting.extend(direct_imports(current))
    return {str(file.relative_to(ROOT)) for file in seen}


if __name__ == "__main__":
    for stage in ("prepare", "split", "train", "eval"):
        print(f"{stage}:")
        for name in sorted(dependencies(ROOT / "stages" / f"{stage}.py")):
            print(f"      - {name}")
