"""Files that a command writes: checked before anything runs, written at the end. Not here: what is in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from supa.base.errors import SupaError


class OutputError(SupaError):
    """The report can not be written where it should go."""


def check_outputs(paths: Mapping[str, Path | None]) -> None:
    """Raise `OutputError` unless every file can be written; option -> path, None where it was not given.

    Leaves no trace, and refuses to write over a Python program or two outputs into one file.
    """
    given = {option: path for option, path in paths.items() if path is not None}
    seen: dict[Path, str] = {}
    for option, path in given.items():
        if path.suffix == ".py":
            raise OutputError(f"{option} {path}: that is a Python program; give the file to write, then the program")
        whole = path.resolve()
        if whole in seen and (whole.is_file() or not whole.exists()):
            raise OutputError(f"{option} {path}: {seen[whole]} writes there too; give each its own file")
        seen[whole] = option
        _check_writable(option, path)


def _check_writable(option: str, path: Path) -> None:
    existed = path.exists()
    try:
        with path.open("a"):
            pass
    except OSError as error:
        raise OutputError(f"{option} {path}: can not be written: {error.strerror}") from None
    if not existed:
        path.unlink()


def write_all(outputs: Mapping[Path, Callable[[], str]]) -> bool:
    """Write each file with what its function returns; one that fails is told on standard error and stops no other.

    A regular file appears whole or not at all. Returns whether all were written.
    """
    complete = True
    for path, make in outputs.items():
        try:
            _write(path, make())
        except (OSError, SupaError) as error:
            print(f"supa: {path}: was not written: {error}", file=sys.stderr)
            complete = False
    return complete


def _write(path: Path, text: str) -> None:
    if path.exists() and not path.is_file():  # a pipe, a terminal
        path.write_text(text, encoding="utf-8")
        return
    path = path.resolve()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        if path.exists():
            part.chmod(path.stat().st_mode & 0o777)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
