"""Finds the line of a key in a TOML text. Not here: values, which `tomllib` reads; it keeps no positions.

Walks the text once, as TOML's grammar separates statements: a table header or `key = value`, where a value ends at
the first line end outside of brackets and strings. The text is known to be valid TOML.
"""

from __future__ import annotations

import re
import tomllib

_HEADER = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_TOKEN = re.compile(
    r'"{3}(?:\\.|[^\\])*?"{3}|\'{3}.*?\'{3}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}]|\n|[^"\'#\[\]{}\n]+', re.S
)


def lines_of(text: str) -> dict[tuple[str, ...], int]:
    """Key path -> line, counted from 1. Tables are there too; keys inside inline tables are not."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    position = 0
    while position < len(text):
        end = _statement_end(text, position)
        line = text.count("\n", 0, position) + 1
        if header := _HEADER.match(text[position:end]):
            table = _parts(header[1])
            found.setdefault(table, line)
        elif key := _KEY.match(text[position:end]):
            found.setdefault(table + _parts(key[1]), line)
        position = end
    return found


def line_of(text: str, keys: tuple[str, ...]) -> int:
    """The line of a key, of its nearest enclosing table, or 1."""
    found = lines_of(text)
    while keys and keys not in found:
        keys = keys[:-1]
    return found.get(keys, 1)


def _statement_end(text: str, start: int) -> int:
    depth, position = 0, start
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return len(text)
        position = token.end()
        word = token[0]
        depth += (word in "[{") - (word in "]}") if len(word) == 1 else 0
        if word == "\n" and depth == 0:
            break
    return position


def _parts(dotted: str) -> tuple[str, ...]:
    """The parts of a dotted key, quotes removed, read by TOML's own rules."""
    value: object = tomllib.loads(f"{dotted} = 0")
    parts: list[str] = []
    while isinstance(value, dict):
        (name,) = value
        parts.append(name)
        value = value[name]
    return tuple(parts)
