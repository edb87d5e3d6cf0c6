"""The programs as a whole: there are twelve, they are plain Triton, and each runs as a script."""

import ast
import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "triton"
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py"))


def imported_packages(source: str) -> set[str]:
    packages = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            packages.add((node.module or "").split(".")[0])
    return packages


def test_there_are_twelve() -> None:
    assert len(PROGRAMS) == 12


@pytest.mark.parametrize("name", PROGRAMS)
def test_knows_only_torch_and_triton(name: str) -> None:
    assert imported_packages((FOLDER / f"{name}.py").read_text()) <= {"torch", "triton"}


def test_a_planted_import_is_seen() -> None:
    assert imported_packages("def f():\n    from supa.jit import x\n") == {"supa"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_runs_as_a_script(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    importlib.import_module(name).main()
    assert capsys.readouterr().out.startswith(f"{name}: ")
