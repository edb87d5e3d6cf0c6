"""The floors of DESIGN.md as data, and the walk over a source tree that finds what breaks them. Not a test."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LOW = {"base", "ir", "arch", "program"}
_JIT = _LOW | {"timing", "compiler", "runtime"}
_LIBRARIES = _JIT | {"jit", "libs", "distributed"}

MAY_IMPORT: dict[str, set[str]] = {
    "base": set(),
    "ir": {"base"},
    "arch": {"base"},
    "program": {"base"},
    "timing": {"base", "arch", "program"},
    "compiler": {"base", "ir", "arch", "program"},
    "runtime": {"base", "arch", "program", "timing"},
    "jit": _JIT,
    "libs": _JIT | {"jit"},
    "distributed": _JIT | {"jit", "libs"},
    "tools": _LIBRARIES,
    "frameworks": _LIBRARIES,
    "cloud": _LIBRARIES | {"tools", "frameworks"},
    "solutions": _LIBRARIES | {"frameworks"},
}
"""Floor -> the floors it may import besides itself. `import supa` alone (the face) is open to all."""

FACES = {"torch.py": "frameworks.torch", "__main__.py": "tools.cli"}
"""Modules beside the floors that only pass on a name: file -> the part that it may import."""

ROOMS: dict[str, tuple[str, ...]] = {
    "numpy": ("",),
    "numba": ("timing/",),
    "altair": ("tools/page/",),
    "vl_convert": ("tools/page/",),
    "llvmlite": ("compiler/", "runtime/loader.py"),
    "triton": ("jit/", "libs/"),
    "torch": ("frameworks/torch/", "solutions/", "jit/triton_backend/torch_device.py"),
}
"""Third party -> the only places (prefixes of paths inside the package) that may import it."""


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import statement or call: the module's full name and where it stands."""

    module: str
    path: Path
    line: int


def violations(package: Path) -> list[str]:
    """What breaks the floors or the rooms in the package's folder, as lines that name file and line."""
    found = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        for one in imports(path, package):
            if problem := _problem(one.module, inside):
                found.append(f"{inside}:{one.line}: {problem}")
    return found


def _problem(module: str, inside: Path) -> str:
    root, _, rest = module.partition(".")
    if root == "supa":
        if len(inside.parts) > 1:
            return _floor_problem(inside.parts[0], rest.partition(".")[0])
        return _face_problem(rest, FACES.get(inside.name, ""))
    if root in sys.stdlib_module_names:
        return ""
    if root not in ROOMS:
        return f"imports {root}, which no floor may"
    if not inside.as_posix().startswith(ROOMS[root]):
        return f"imports {root}, which only {', '.join(ROOMS[root])} may"
    return ""


def _face_problem(rest: str, allowed: str) -> str:
    inside = bool(allowed) and (rest == allowed or rest.startswith(f"{allowed}."))
    return f"the face imports {rest}" if rest and not inside else ""


def _floor_problem(own: str, other: str) -> str:
    if own not in MAY_IMPORT:
        return f"{own} is not a floor"
    if not other or other == own or other in MAY_IMPORT[own]:
        return ""
    return f"{own} imports {other}"


def imports(path: Path, package: Path) -> Iterator[Import]:
    """Every import in a file: lazy and typing-only ones too, and those by `import_module` or `__import__`."""
    parents = path.relative_to(package.parent).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        for module in _modules(node, parents):
            yield Import(module=module, path=path, line=getattr(node, "lineno", 0))


def _modules(node: ast.AST, parents: tuple[str, ...]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
        module = ".".join(part for part in (base, node.module or "") if part)
        return [f"{module}.{alias.name}" for alias in node.names] if module == "supa" else [module]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("import_module", "__import__") and isinstance(node.args[0].value, str):
            return [node.args[0].value]
    return []
