"""Where a hardware figure comes from. Not here: what the figure means (`leaf`) or its value (the components)."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE_KINDS = ("published", "derived", "assumed", "calibrated")
"""published: a public text says so; derived: arithmetic on published figures; assumed: nobody has said, a reason is
given; calibrated: fixed by measurements."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One leaf of a description as written: text of the value, kind of source, note, and the place in the file.

    `inherited_from` names the description that stated it when it was not the one loaded. `file` is the path or the
    name of the origin; `keys` the place in that file, from which its line is found when someone asks.
    """

    text: str
    kind: str
    note: str
    inherited_from: str = ""
    file: str = ""
