"""A place in an MLIR text and the few moves a reader makes there. Knows nothing of MLIR but blanks and comments."""

from __future__ import annotations

import re
from typing import NoReturn

from supa.base.errors import CompileError
from supa.base.location import Location

_BLANK = re.compile(r"(?:[ \t\r\n]+|//[^\n]*)*")
_BLANK_STARTS = (" ", "\n", "//", "\t", "\r")
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2}|[nt\"\\])")
_NAMED_ESCAPES = {b"n": b"\n", b"t": b"\t", b'"': b'"', b"\\": b"\\"}
_EXCERPT_CHARACTERS = 60


class Cursor:
    """A text and a position in it; every successful move also skips the blanks and comments that follow.

    `source` names the text in errors; lines and columns count from 1.
    """

    __slots__ = ("position", "source", "text")

    def __init__(self, text: str, source: str = "<ttir>", position: int = 0) -> None:
        self.text, self.source, self.position = text, source, position
        self.skip_blanks()

    def skip_blanks(self) -> None:
        """Moves over blanks, ends of lines and `//` comments."""
        self.position = _BLANK.match(self.text, self.position).end()  # type: ignore[union-attr]

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """The match of `pattern` here, moved over; None and no move if there is none."""
        match = pattern.match(self.text, self.position)
        if match:
            self.move_to(match.end())
        return match

    def move_to(self, position: int) -> None:
        """Moves to `position` and over the blanks and comments there."""
        self.position = position
        if self.text.startswith(_BLANK_STARTS, position):
            self.skip_blanks()

    def need(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        """As `take`, but a `CompileError` that says that `what` was expected if there is no match."""
        match = self.take(pattern)
        if match is None:
            self.fail(f"expected {what}")
        return match

    def accept(self, literal: str) -> bool:
        """Moves over `literal` if it is here and tells so."""
        if not self.text.startswith(literal, self.position):
            return False
        self.move_to(self.position + len(literal))
        return True

    def expect(self, literal: str) -> None:
        """Moves over `literal`; `CompileError` if something else is here."""
        if not self.accept(literal):
            self.fail(f"expected '{literal}'")

    def peek(self, literal: str) -> bool:
        """True if `literal` is here."""
        return self.text.startswith(literal, self.position)

    def string(self) -> str:
        """The quoted string here, its escapes undone."""
        match = self.need(_STRING, "a quoted string")
        return unescape(match[1])

    def fail(self, what: str, position: int | None = None) -> NoReturn:
        """Raises `CompileError` with the line and column of `position` (here if None) and what is there."""
        at = self.position if position is None else position
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        found = self.text[at : at + _EXCERPT_CHARACTERS].split("\n", 1)[0] or "the end"
        raise CompileError(f"{what}, found: {found}", Location(self.source, line, column))


def unescape(text: str) -> str:
    r"""A quoted string's content without its escapes (`\0A`, `\22`, `\n`, `\t`, `\"`, `\\`); bytes are UTF-8
    (others come as surrogates).
    """
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_unescaped, text.encode()).decode(errors="surrogateescape")


def _unescaped(match: re.Match[bytes]) -> bytes:
    return _NAMED_ESCAPES.get(match[1]) or bytes([int(match[1], 16)])
