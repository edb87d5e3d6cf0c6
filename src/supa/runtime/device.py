"""A virtual device: memory, streams, a clock, kernels, a record of launches.

Not here: what the hardware is (`arch`), how long a kernel takes (`timing`), which devices a process has (`current`).
"""

from __future__ import annotations

import threading
from typing import Literal, cast, get_args

from supa.arch import Device as Description
from supa.arch import virtual_instance
from supa.base.errors import DeviceError
from supa.program.program import Program
from supa.runtime.kernel import Kernel
from supa.runtime.memory import INSTANCE_ALIGNMENT_BYTES, Arena, Memory
from supa.runtime.prices import Pricer, Prices
from supa.runtime.session import Session
from supa.runtime.stream import Clock, HostTime, Stream

Mode = Literal["execute", "both", "time"]
DEFAULT_DEVICE = "bili100"
DEFAULT_MODE: Mode = "both"


class _ChosenStream(threading.local):
    """What a thread chose as its stream."""

    stream: Stream | None = None


class Device:
    """A device built from a description.

    Modes: `execute` computes answers, and streams advance by the host's time; `both` also predicts, and streams advance
    by the prediction; `time` only predicts: memory is reserved and never touched.
    """

    def __init__(
        self,
        description: Description,
        *,
        mode: Mode = DEFAULT_MODE,
        pricer: Pricer | None = None,
        session: Session | None = None,
        prices: Prices | None = None,
        host: HostTime | None = None,
        index: int = 0,
        pair_bytes_per_s: int = 0,
    ) -> None:
        self.description, self.index, self.pair_bytes_per_s = description, index, pair_bytes_per_s
        self.mode: Mode = checked_mode(mode)
        self.session = Session() if session is None else session
        self.prices = Prices(description, pricer) if prices is None else prices
        self.clock = Clock(host)
        self.default_stream = self.clock.default_stream
        self.instances: tuple[Device, ...] = ()
        self._pricer = pricer
        self._kernels: dict[int, tuple[Program, Kernel]] = {}  # the program stays alive: its identity is the key
        self._by_content: dict[tuple[object, ...], Kernel] = {}
        self._lock = threading.RLock()
        self._arena: Arena | None = None
        self._memory: Memory | None = None
        self.chosen = _ChosenStream()
        self.streams_are_chosen = False
        """Whether any thread ever chose a stream."""

    @property
    def name(self) -> str:
        """The catalogue's name, with the part for a virtual instance: "bili100", "bili100 1/4"."""
        return f"{self.description.name} {self.description.instance}".rstrip()

    @property
    def memory(self) -> Memory:
        """The allocator; address space is reserved at first use. Raises `DeviceError` while the device is split."""
        if self._memory is None:
            with self._lock:
                if self.instances:
                    raise DeviceError(
                        f"{self.name} is split into {len(self.instances)} instances: use those, or merge()"
                    )
                if self._memory is None:
                    self._memory = Memory(self._reserve().base, self.description.hbm_capacity_bytes, self.name)
        return self._memory

    @property
    def allocated_bytes(self) -> int:
        """Device memory in use now; 0 before anything was allocated."""
        memories = [one for one in (self._memory, *(part._memory for part in self.instances)) if one is not None]
        return sum(memory.use().allocated_bytes for memory in memories)

    @property
    def current_stream(self) -> Stream:
        """The stream that launches of this thread go to."""
        return self.chosen.stream or self.default_stream

    @current_stream.setter
    def current_stream(self, stream: Stream) -> None:
        self.choose(stream)

    def choose(self, stream: Stream | None) -> None:
        """Make `stream` the one that launches of this thread go to; None: the default stream."""
        self.chosen.stream = stream
        if stream is not None:
            self.streams_are_chosen = True

    def stream(self, name: str = "") -> Stream:
        """A new stream."""
        return Stream(self.clock, name)

    def synchronize(self) -> int:
        """Let the host wait for all streams; returns the device's time in picoseconds."""
        return self.clock.synchronize()

    def kernel(self, program: Program) -> Kernel:
        """`program` made ready for this device; equal programs share one kernel, and with it their predictions."""
        known = self._kernels.get(id(program))
        if known is not None:
            return known[1]
        with self._lock:
            kernel = self._by_content.get(program.content)
            if kernel is None:
                kernel = self._by_content[program.content] = Kernel(program, self)
            self._kernels[id(program)] = (program, kernel)
        return kernel

    def launch(self, program: Program, grid: tuple[int, int, int], *values: int | float) -> None:
        """Launch with plain values (addresses, integers, floats) on the current stream; errors as `Kernel`."""
        kernel = self.kernel(program)
        kernel(*grid, kernel.pack(*values))

    def split(self, parts: int) -> tuple[Device, ...]:
        """Divide the idle device into equal virtual instances with their own memory, clock and record.

        The memory is erased. Raises `DescriptionError` for a number of parts that the chip does not offer and
        `DeviceError` while the device is in use.
        """
        description = virtual_instance(self.description, parts)
        with self._lock:
            if self.instances:
                raise DeviceError(f"{self.name} is split into {len(self.instances)} instances: merge() it first")
            if self._memory is not None:
                self._memory.close()
                self._memory = None
            size = description.hbm_capacity_bytes
            base = self._reserve().base
            step = self.description.hbm_capacity_bytes // parts
            if step % INSTANCE_ALIGNMENT_BYTES or size > step:
                raise DeviceError(f"{self.name}: {parts} instances of {size} bytes do not fit evenly into its memory")
            self.instances = tuple(self._instance(description, base + index * step) for index in range(parts))
            return self.instances

    def merge(self) -> None:
        """Undo `split`; the memory is erased. Raises `DeviceError` while an instance has live allocations."""
        with self._lock:
            in_use = [one for one in self.instances if one.memory.use().live_count]
            if in_use:
                raise DeviceError(f"{len(in_use)} instances of {self.name} still hold allocations; free them first")
            for one in self.instances:
                one.memory.close()
            self.instances = ()

    def close(self) -> None:
        """Give all memory back, whatever still lives in it; pointers into it become invalid."""
        with self._lock:
            for memory in (self._memory, *(one._memory for one in self.instances)):
                if memory is not None:
                    memory.close(force=True)
            if self._arena is not None:
                self._arena.close()
            self._memory, self._arena, self.instances = None, None, ()

    def _instance(self, description: Description, base: int) -> Device:
        one = Device(description, mode=self.mode, pricer=self._pricer)
        one._memory = Memory(base, description.hbm_capacity_bytes, one.name)
        return one

    def _reserve(self) -> Arena:
        if self._arena is None:
            self._arena = Arena(self.description.hbm_capacity_bytes)
        return self._arena


def checked_mode(mode: str) -> Mode:
    """The mode of a name; `DeviceError` for a name of none."""
    if mode not in get_args(Mode):
        raise DeviceError(f"expected a mode (SUPA_MODE) of execute, both or time, found {mode!r}")
    return cast(Mode, mode)
