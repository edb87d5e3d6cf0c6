"""Reads one TOML description into figures with sources. Not here: inheritance, values and units, the components.

A file has a head (`name`, `kind`, `title`, and by kind `inherit`, `chip` or `module`) and tables of figures, each
written `key = [value, kind of source, note]`. With `source = [kind, note]` in the head a bare `key = value` has that.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from supa.arch.refusal import refuse, unknown
from supa.arch.source import SOURCE_KINDS, Figure
from supa.base.errors import DescriptionError

HEADS = {
    "chip": ("name", "kind", "title", "source", "inherit"),
    "module": ("name", "kind", "title", "source", "chip"),
    "server": ("name", "kind", "title", "source", "module"),
}
"""Kind of description -> the words its head may have."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """One description as it stands in its file; `base` is what it inherits from or is built of, "" for nothing."""

    file: str
    name: str
    kind: str
    title: str
    base: str
    figures: Mapping[str, Figure]


def read(path: Path, known: Mapping[str, Mapping[str, frozenset[str]]]) -> Document:
    """Read a description; `known` is kind -> table -> keys. `DescriptionError` names file and line."""
    file = str(path)
    content = _parse(path)
    head = {key: value for key, value in content.items() if not isinstance(value, dict)}
    kind = _head(file, head)
    default = _source(file, ("source",), head["source"]) if "source" in head else None
    figures: dict[str, Figure] = {}
    for table, entries in content.items():
        if not isinstance(entries, dict):
            continue
        if table not in known[kind]:
            refuse(file, (table,), unknown("table", table, known[kind]))
        for key, value in entries.items():
            if key not in known[kind][table]:
                refuse(file, (table, key), unknown("key", key, sorted(known[kind][table])))
            figures[f"{table}.{key}"] = _figure(file, (table, key), value, default)
    base = next((head[word] for word in ("inherit", "chip", "module") if word in head), "")
    return Document(file=file, name=head["name"], kind=kind, title=head.get("title", ""), base=base, figures=figures)


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise DescriptionError(f"{path}: can not be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DescriptionError(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line (\d+)", str(error))
        where = f"{path}:{place[1]}" if place else str(path)
        raise DescriptionError(f"{where}: is not valid TOML: {error}") from error


def _head(file: str, head: dict[str, Any]) -> str:
    """Check the head; return the kind."""
    kind = head.get("kind", "")
    if kind not in HEADS:
        refuse(file, ("kind",), f"expected one of {', '.join(HEADS)}, found {kind!r}")
    for word, value in head.items():
        if word not in HEADS[kind]:
            refuse(file, (word,), unknown("key", word, HEADS[kind]))
        if word != "source" and not (isinstance(value, str) and value):
            refuse(file, (word,), f"expected a text, found {value!r}")
    for word in ("name",) if kind == "chip" else ("name", HEADS[kind][-1]):
        if word not in head:
            refuse(file, (word,), f"missing: a {kind} needs it")
    return str(kind)


def _figure(file: str, keys: tuple[str, ...], value: Any, default: tuple[str, str] | None) -> Figure:
    sourced = isinstance(value, list) and len(value) > 1 and isinstance(value[1], str)
    if sourced:
        if len(value) != 3:
            refuse(file, keys, f"expected [value, kind of source, note], found {len(value)} entries")
        kind, note = _source(file, keys, value[1:])
        value = value[0]
    elif default is not None:
        kind, note = default
    else:
        example = f'[{_toml(value)}, "published", "where it says so"]'
        refuse(file, keys, f"has no source: write {example}, or give the file a head line source = [kind, note]")
    return Figure(text=_text(file, keys, value), kind=kind, note=note, file=file)


def _source(file: str, keys: tuple[str, ...], value: Any) -> tuple[str, str]:
    if not (isinstance(value, list) and len(value) == 2 and all(isinstance(word, str) for word in value)):
        refuse(file, keys, f"expected a kind of source and a note, found {_toml(value)}")
    kind, note = value
    if kind not in SOURCE_KINDS:
        refuse(file, keys, unknown("kind of source", kind, SOURCE_KINDS))
    if not note.strip():
        refuse(file, keys, f"{kind!r} needs a note: which text, derived from what, or why")
    return kind, note


def _text(file: str, keys: tuple[str, ...], value: Any) -> str:
    """The value as text, the one form from which figures are read, here and in overrides."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and all(isinstance(part, int) for part in value):
        return ", ".join(str(part) for part in value)
    if isinstance(value, str | int | Decimal):
        return str(value)
    refuse(file, keys, f"expected a number, a text or a flag, found {_toml(value)}")


def _toml(value: Any) -> str:
    return '"' + value + '"' if isinstance(value, str) else str(value)
