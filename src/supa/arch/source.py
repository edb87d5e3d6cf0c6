"""Where a hardware figure comes from. Not here: what the figure means (`leaf`) or its value (the components)."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE_KINDS = ("published", "derived", "assumed", "calibrated")
"""published: a public text says so; derived: arithmetic on published figures; assumed: nobody has said, a reason is
given; calibrated: fixed by measurements."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure as written: the value's text, the kind of its source and a note (which text, from what, why).

    `inherited_from` names the description that stated it when that is not the one loaded; `file` is where it
    stands, "" for a figure that was not read from a file.
    """

    text: str
    kind: str
    note: str
    inherited_from: str = ""
    file: str = ""
