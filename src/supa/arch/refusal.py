"""Words a refused description: what is wrong, in which file and line, what to do. Not here: finding what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from supa.arch.positions import line_of
from supa.base.errors import DescriptionError


def refuse(file: str, keys: tuple[str, ...], what: str) -> NoReturn:
    """Raise `DescriptionError` naming the file and line of `keys`; without a file the figure is an override."""
    path = ".".join(keys)
    if not file:
        raise DescriptionError(f"override of {path}: {what}")
    line = line_of(Path(file).read_text(encoding="utf-8"), keys)
    raise DescriptionError(f"{file}:{line}: {path}: {what}" if path else f"{file}:{line}: {what}")


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """ "unknown key 'bandwith': did you mean 'bandwidth'?", or the list of what is known."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    advice = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
    return f"unknown {what} {name!r}: {advice}"
