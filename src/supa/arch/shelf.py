"""Finds descriptions by name or path, and follows what they inherit. Not here: building chips and devices from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from supa.arch.assembly import chip_keys
from supa.arch.document import Document, read
from supa.arch.following import following
from supa.arch.leaf import leaves
from supa.arch.refusal import refuse, unknown
from supa.arch.server import Layout
from supa.arch.source import Figure
from supa.base.errors import DescriptionError

CATALOGUE = Path(__file__).parent / "catalogue"


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A document with everything it inherits; `chip_name` is its own name or that of the chip it carries."""

    document: Document
    chip_name: str
    title: str
    figures: Mapping[str, Figure]


@cache
def catalogue() -> tuple[str, ...]:
    """Names of all descriptions that come with the package, sorted."""
    return tuple(sorted(path.stem for path in CATALOGUE.glob("*.toml")))


def find(name_or_path: str, beside: Path | None = None) -> Path:
    """The file of a catalogue name, of a path, or of a name or path relative to the file `beside`."""
    if name_or_path in catalogue():
        return CATALOGUE / f"{name_or_path}.toml"
    folder = beside.parent if beside else Path()
    for candidate in (folder / name_or_path, folder / f"{name_or_path}.toml"):
        if candidate.is_file():
            return candidate
    if name_or_path.endswith(".toml"):
        raise DescriptionError(f"no file {name_or_path}")
    raise DescriptionError(unknown("hardware", name_or_path, catalogue()) + "; or give the path of a TOML file")


def open_document(path: Path) -> Document:
    """Read one description, once for each state of its file."""
    try:
        stamp = path.stat().st_mtime_ns
    except OSError as error:
        raise DescriptionError(f"{path}: can not be read: {error.strerror}") from error
    return _read_once(path, stamp)


@cache
def _read_once(path: Path, stamp: int) -> Document:
    layout = {"server": frozenset(one.key for one in leaves(Layout))}
    return read(path, {"chip": chip_keys(), "module": chip_keys(), "server": layout})


def resolve(path: Path, below: tuple[Path, ...] = ()) -> Resolved:
    """A chip or module with all figures it inherits, each marked with the description that stated it."""
    document = open_document(path)
    if path.resolve() in below:
        refuse(document.file, ("inherit",), "inherits from itself")
    if document.kind == "server":
        raise DescriptionError(f"{document.file}: is a server, expected a chip or a module")
    if not document.base:
        return Resolved(document=document, chip_name=document.name, title=document.title, figures=document.figures)
    base = _base(document, path, (*below, path.resolve()))
    inherited = {
        key: figure if figure.inherited_from else replace(figure, inherited_from=base.document.name)
        for key, figure in base.figures.items()
    }
    return Resolved(
        document=document,
        chip_name=document.name if document.kind == "chip" else base.chip_name,
        title=document.title or base.title,
        figures={**inherited, **following(base.figures, document.figures), **document.figures},
    )


def _base(document: Document, path: Path, below: tuple[Path, ...]) -> Resolved:
    word = "inherit" if document.kind == "chip" else "chip"
    try:
        base_path = find(document.base, beside=path)
    except DescriptionError as error:
        refuse(document.file, (word,), str(error))
    base = resolve(base_path, below)
    if base.document.kind != "chip":
        refuse(document.file, (word,), f"{document.base!r} is a {base.document.kind}, expected a chip")
    return base
