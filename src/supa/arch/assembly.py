"""Builds a chip from figures. Not here: reading files (`document`), finding them (`shelf`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, NoReturn, get_type_hints

from supa.arch.checks import complaints
from supa.arch.chip import Chip
from supa.arch.leaf import leaves
from supa.arch.refusal import refuse
from supa.arch.source import Figure
from supa.arch.values import ValueRefusedError, value_of
from supa.base.errors import DescriptionError


@cache
def components() -> Mapping[str, type[Any]]:
    """Table of a chip's description -> the component it describes."""
    hints = get_type_hints(Chip)
    return {one.name: hints[one.name] for one in fields(Chip) if one.name not in ("name", "title", "figures")}


@cache
def chip_keys() -> Mapping[str, frozenset[str]]:
    """Table of a chip's description -> the keys it may have."""
    return {table: frozenset(one.key for one in leaves(kind)) for table, kind in components().items()}


def build_component(table: str, kind: type[Any], figures: Mapping[str, Figure], file: str) -> Any:
    """One component from its figures. `file` is blamed for a figure that is missing."""
    values: dict[str, Any] = {}
    for one in leaves(kind):
        figure = figures.get(f"{table}.{one.key}")
        if figure is None:
            refuse(file, (table, one.key), f"missing ({one.doc}): state it, or inherit it from another chip")
        try:
            values[one.field_name] = value_of(one, figure.text)
        except ValueRefusedError as error:
            refuse(figure.file, (table, one.key), str(error))
    return kind(**values)


def build_chip(*, name: str, title: str, figures: Mapping[str, Figure], file: str) -> Chip:
    """A chip from its figures; `DescriptionError` names file and line of what is missing, wrong or impossible."""
    parts = {table: build_component(table, kind, figures, file) for table, kind in components().items()}
    chip = Chip(name=name, title=title, figures=figures, **parts)
    for paths, what in complaints(chip):
        _refuse_together(figures, paths, what, file)
    return chip


def _refuse_together(figures: Mapping[str, Figure], paths: tuple[str, ...], what: str, file: str) -> NoReturn:
    """Blame an override (a figure without file), else the figure that the loaded file itself states."""
    overridden = [path for path, figure in figures.items() if not figure.file]
    if overridden:
        raise DescriptionError(f"override of {', '.join(overridden)}: {paths[0]}: {what}")
    own = next((path for path in paths if figures[path].file == file), paths[0])
    refuse(file, tuple(own.split(".")), what)
