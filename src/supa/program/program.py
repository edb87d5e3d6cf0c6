"""A compiled kernel as every floor sees it: native code, work, resources, signature, source map."""

from __future__ import annotations

from dataclasses import dataclass, field

from supa.base.location import UNKNOWN, Location
from supa.program.work import Work


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One kernel argument. It takes one 8-byte slot: pointers and integers in full, floats as their own bits
    (an f32's in the low 4 bytes). `type` is a dtype's name or 'ptr'.
    """

    name: str
    type: str


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one block holds of its compute unit."""

    threads: int
    registers_per_thread: int  # 32-bit registers
    shared_bytes: int


@dataclass(frozen=True, kw_only=True)
class Site:
    """A place in the kernel that reports to the sanitizer (`abi`), by its index in `Program.sites`.

    `kind`: load, store or atomic (an access of elements of `element_bytes`), overflow (i32 arithmetic of an address) or
    not_finite (an operation on floats). `what` names the operation. `argument`: whose memory is meant, "" where that is
    not known. `shape`: of the tile, () for a scalar.
    """

    kind: str
    what: str
    location: Location = UNKNOWN
    argument: str = ""
    type: str = ""
    element_bytes: int = 0
    shape: tuple[int, ...] = ()
    masked: bool = False
    volatile: bool = False
    acquires: bool = False
    releases: bool = False


@dataclass(frozen=True, kw_only=True)
class Program:
    """One specialised kernel.

    `object_code` is a relocatable ELF object for this host. It defines these functions (`program.abi` has the C types):
    `entry_symbol` runs blocks [first, last) of a grid; `work_symbol` writes their work's dynamic values. A third, where
    `order_symbol` names one, says where a block begins to read.
    `scratch_bytes` is the private memory that a thread running blocks must hand over, 64-byte aligned.
    """

    name: str
    arguments: tuple[Argument, ...]
    object_code: bytes
    entry_symbol: str
    work_symbol: str
    scratch_bytes: int
    work: Work
    resources: Resources
    order_symbol: str = ""
    waits: bool = False  # blocks may wait for one another (`abi`, `yield_`): all that begin must make progress
    messages: tuple[str, ...] = field(default=())  # texts of asserts and prints, by the index that native code reports
    sites: tuple[Site, ...] = field(default=())  # none in a kernel that was compiled without checks
    compile_seconds: dict[str, float] = field(default_factory=dict)  # per named stage

    @property
    def content(self) -> tuple[object, ...]:
        """What the program computes and costs: programs of equal content are one kernel."""
        return (self.name, self.arguments, self.object_code, self.entry_symbol, self.work_symbol, self.work,
                self.resources, self.messages)  # fmt: skip
