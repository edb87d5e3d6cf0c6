"""Where in the user's source an operation comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Location:
    """A place in the user's file; `line` and `column` count from 1, 0 means unknown. `caller` is the call site of
    an inlined function.
    """

    file: str = ""
    line: int = 0
    column: int = 0
    caller: Location | None = None

    def __str__(self) -> str:
        if not self.file:
            return "<unknown>"
        return f"{self.file}:{self.line}" + (f":{self.column}" if self.column else "")


UNKNOWN = Location()
