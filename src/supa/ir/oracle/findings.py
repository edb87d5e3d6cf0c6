"""What the oracle can be strict about, and what it finds: each with the user's line, program, element and address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from supa.base.errors import LaunchError
from supa.base.location import Location
from supa.ir.core import Op

FindingKind = Literal[
    "out of bounds", "use after free", "misaligned", "uninitialised", "race", "assertion", "not finite"
]


@dataclass(frozen=True, kw_only=True)
class Strict:
    """How strict the oracle is. Out-of-bounds accesses are always found.

    on_finding: `raise` a `FindingError` at the first, or `collect` the first of every operation and kind and go on.
    uninitialised: loads of bytes never written. races: accesses of two programs to one byte, one of them a write, not
    both atomic and not ordered by atomics. equal_writes_race: also where both write the same bytes. alignment:
    addresses that are no multiple of the element. not_finite: inf or nan from finite operands. unspecified: what
    masked-off lanes without `other` hold (`poison`: nan, or a conspicuous integer).
    max_steps: operations of one program.
    """

    on_finding: Literal["raise", "collect"] = "raise"
    uninitialised: bool = True
    races: bool = True
    equal_writes_race: bool = True
    alignment: bool = True
    not_finite: bool = False
    unspecified: Literal["poison", "zero"] = "poison"
    max_steps: int = 5_000_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One mistake of the kernel. element: index in the tile, () for a scalar. address: 0 where none is meant."""

    kind: FindingKind
    message: str
    location: Location
    operation: str
    program_id: tuple[int, int, int]
    element: tuple[int, ...] = ()
    address: int = 0
    region: str = ""
    other_program: int | None = None

    def __str__(self) -> str:
        where = f"program {self.program_id}" + (f", element {self.element}" if self.element else "")
        return f"{self.location}: {self.kind}: {self.message} ({self.operation}, {where})"


class FindingError(LaunchError):
    """The oracle stopped at a finding; `finding` holds it."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(str(finding))


@dataclass(kw_only=True)
class Report:
    """What a run found and printed; `steps` counts the operations of all programs."""

    findings: list[Finding] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    steps: int = 0
    _seen: set[tuple[Op, str]] = field(default_factory=set)

    def add(self, strict: Strict, op: Op, kind: FindingKind, make: Callable[[], Finding]) -> None:
        """Raise the finding, or keep it if it is the first of its operation and kind."""
        if strict.on_finding == "raise":
            raise FindingError(make())
        if (op, kind) not in self._seen:
            self._seen.add((op, kind))
            self.findings.append(make())
