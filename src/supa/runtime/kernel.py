"""A program ready to launch on a device, and the launch itself. Not here: packing of tensors, prediction.

The runtime's own part of a launch is a few microseconds: the call's struct is written at one go into a buffer that is
kept, and one call of the core runs all blocks.
"""

from __future__ import annotations

import ctypes
import struct
import weakref
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray

from supa.base import pages
from supa.base.errors import LaunchError
from supa.program.program import Program
from supa.runtime import native
from supa.runtime.arguments import pack
from supa.runtime.failures import failure, show_prints
from supa.runtime.loader import load
from supa.runtime.native import core
from supa.runtime.prices import KernelPrices, Prediction
from supa.runtime.session import KernelRecord, Session
from supa.runtime.stream import COMPUTE, Stream
from supa.runtime.watch import Watch

if TYPE_CHECKING:
    from supa.runtime.device import Device

_HEAD = "<iiiiQQQQQQQQQ"  # grid, stopped, report, yield, sanitizer, read, order, kernel, outcome, tallies: `SupaCall`
_GRID = struct.Struct("<iii")
SLOTS_AT = struct.calcsize(_HEAD)
"""Where the slots begin in a call's buffer."""
_MAX_GRID = (1 << 31) - 1
_PS_PER_NS = 1000
_WORK_ATTEMPTS = 8  # where others write what decides on the work while it is computed
_launch = core.supa_launch


class _Call:
    """A `SupaCall` in memory, with its outcome; used by one thread at a time."""

    __slots__ = ("__weakref__", "address", "buffer", "outcome", "reference", "x", "y", "z")

    def __init__(self, size_bytes: int) -> None:
        self.buffer = bytearray(size_bytes)
        memory = (ctypes.c_char * size_bytes).from_buffer(self.buffer)
        self.address = ctypes.addressof(memory)
        self.reference = ctypes.byref(memory)
        self.outcome: int = core.supa_outcome_open()
        self.x = self.y = self.z = 0
        weakref.finalize(self, core.supa_outcome_close, self.outcome).atexit = False

    def set_grid(self, x: int, y: int, z: int) -> None:
        """Write the grid alone. Raises `struct.error` where it is none."""
        _GRID.pack_into(self.buffer, 0, x, y, z)
        self.x, self.y, self.z = x, y, z


class DirectCalls:
    """Calls of a kernel for callers that write grid and slots themselves: launches in mode `execute` on the default
    stream while nobody watches `session`, which the core counts. A call is taken from `calls` or `new`, launched by
    `native.launch_laid_out(call.reference)`, and given back unless it failed.
    """

    __slots__ = ("_head", "_kernel", "_size_bytes", "_tallies", "calls", "session")

    def __init__(self, kernel: Kernel, size_bytes: int, session: Session) -> None:
        self.session, self.calls = session, list[_Call]()
        record = session.record(kernel.program.name)
        self._kernel, self._size_bytes = kernel, size_bytes
        self._tallies = (record.counted, kernel.device.clock.counted)
        self._head = struct.Struct(_HEAD)

    def new(self) -> _Call:
        """One more call, of no grid yet."""
        call = _Call(self._size_bytes)
        addresses = map(ctypes.addressof, self._tallies)
        self._head.pack_into(call.buffer, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, self._kernel.handle, call.outcome, *addresses)
        return call


class Kernel:
    """A program on a device. Calling it launches: `kernel(grid_x, grid_y, grid_z, slots)`. Thread-safe.

    `slots` are the arguments as `program.abi` has them (8 bytes each), or see `pack`. What happens depends on the
    device's mode; a launch has run when the call returns, the device's clock has its end in the stream.
    """

    def __init__(self, program: Program, device: Device) -> None:
        self.program, self.device = program, device
        self._loaded = load(program)
        self._handle: int = core.supa_kernel_open(
            self._loaded.entry_address,
            self._loaded.work_address,
            self._loaded.order_address,
            program.scratch_bytes,
            program.waits,
        )
        weakref.finalize(self, core.supa_kernel_close, self._handle).atexit = False
        self._slots_bytes = 8 * len(program.arguments)
        layout = struct.Struct(f"{_HEAD}{self._slots_bytes}s")
        self._write, self._call_bytes = layout.pack_into, layout.size
        self._calls: list[_Call] = []
        self._report = native.RECORD if program.messages else 0
        self._follow(device.session)
        self._prices: KernelPrices | None = None

    @property
    def handle(self) -> int:
        """The core's kernel (`SupaKernel *`), for callers that launch without Python; alive as long as this object."""
        return self._handle

    def pack(self, *values: int | float) -> bytes:
        """The slots of plain values: addresses, integers, floats. Raises `LaunchError` where they do not fit."""
        return pack(self.program.arguments, values)

    def __call__(self, grid_x: int, grid_y: int, grid_z: int, slots: bytes, stream: Stream | None = None) -> None:
        """Launch; `stream` is the device's current one by default.

        Raises `LaunchError` for a wrong grid or wrong slots, a failed assert, a fault in the kernel.
        """
        device = self.device
        if grid_x <= 0 or grid_y <= 0 or grid_z <= 0:
            return self._check_grid(grid_x, grid_y, grid_z)
        if self._session is not device.session:
            self._follow(device.session)
        if stream is None:
            stream = device.chosen.stream or device.default_stream
        if device.mode != "execute":
            return self._launch_priced(grid_x, grid_y, grid_z, slots, stream)
        elapsed_ns = self._run(grid_x, grid_y, grid_z, slots)
        self._account(stream, elapsed_ns, grid_x, grid_y, grid_z)

    def slots_layout(self, formats: str) -> struct.Struct:
        """For callers that write the slots, from `SLOTS_AT` on, in these `struct` formats of 8 bytes each.

        Raises `LaunchError` where the kernel's slots are no such.
        """
        layout = struct.Struct(f"<{formats}")
        if layout.size != self._slots_bytes:
            raise LaunchError(f"{self.program.name}: {formats!r} is no layout of its {self._slots_bytes // 8} slots")
        return layout

    @property
    def speaks(self) -> bool:
        """Whether it has asserts or prints, so that its calls must be looked at after every launch."""
        return bool(self._report)

    def failed(self, call: _Call, grid_x: int, grid_y: int, grid_z: int) -> NoReturn:
        """Raises what a call's launch failed with."""
        raise failure(self.program, (grid_x, grid_y, grid_z), call.outcome)

    def _take(self) -> _Call:
        try:
            return self._calls.pop()
        except IndexError:
            return _Call(self._call_bytes)

    def _account(self, stream: Stream, elapsed_ns: int, grid_x: int, grid_y: int, grid_z: int) -> None:
        """A launch in mode `execute` on the clock and in the record."""
        start_ps, end_ps, _ = stream.submit(elapsed_ns * _PS_PER_NS)
        self._record.count(elapsed_ns)
        if self._session.watch is not None:
            self._watch(self._session.watch, stream, (start_ps, end_ps), (grid_x, grid_y, grid_z), None)

    def _launch_priced(self, grid_x: int, grid_y: int, grid_z: int, slots: bytes, stream: Stream) -> None:
        device = self.device
        if self._prices is None:
            self._prices = device.prices.of(self)
        prediction = self._prices.predict(grid_x, grid_y, grid_z, slots)  # before memory changes
        elapsed_ns = 0 if device.mode == "time" else self._run(grid_x, grid_y, grid_z, slots)
        queued_ps = device.prices.queued_ps(prediction)
        start_ps, end_ps, idle = stream.submit(prediction.time_ps, queued_ps=queued_ps)
        self._record.add(elapsed_ns, end_ps - start_ps, prediction, self._prices.peak_flops)
        if device.session.watch is not None:
            self._watch(device.session.watch, stream, (start_ps, end_ps), (grid_x, grid_y, grid_z), prediction)
        if device.session.compare:
            self._compare(grid_x, grid_y, grid_z, slots, idle)

    def work_stream(self, grid_x: int, grid_y: int, grid_z: int, slots: bytes) -> NDArray[np.int64]:
        """The dynamic part of the work (`program.work`) of all blocks, int64, as the kernel's work entry computes it.

        Raises `LaunchError` when the work entry faults (a scalar is loaded through a wrong pointer).
        """
        call = self._lay_out(grid_x, grid_y, grid_z, slots, 0)
        for _ in range(_WORK_ATTEMPTS):
            status = core.supa_work(call.address)
            if status >= 0:
                stream = pages.zeros(status)
                status = core.supa_work_write(call.address, stream.ctypes.data)
            if status == 0:
                self._calls.append(call)
                return stream
            if status != native.WORK_CHANGED:
                break
        raise failure(self.program, (grid_x, grid_y, grid_z), call.outcome, "its work was computed for the clock")

    def launch_checked(self, grid_x: int, grid_y: int, grid_z: int, slots: bytes, sanitizer: int) -> LaunchError | None:
        """Launch a kernel with checks under a sanitizer of the core (`checked`), on the host's time.

        What fails is returned, not raised: what the sanitizer found belongs to it.
        """
        call = self._lay_out(grid_x, grid_y, grid_z, slots, self._report, sanitizer)
        elapsed_ns: int = _launch(call.address)
        if self._report:
            show_prints(self.program, (grid_x, grid_y, grid_z), call.outcome)
        if elapsed_ns < 0:
            return failure(self.program, (grid_x, grid_y, grid_z), call.outcome)
        stream = self.device.chosen.stream or self.device.default_stream
        stream.submit(elapsed_ns * _PS_PER_NS)
        self._follow(self.device.session)
        self._record.count(elapsed_ns)
        self._calls.append(call)
        return None

    def _run(self, grid_x: int, grid_y: int, grid_z: int, slots: bytes) -> int:
        call = self._lay_out(grid_x, grid_y, grid_z, slots, self._report)
        elapsed_ns: int = _launch(call.address)
        if self._report:
            show_prints(self.program, (grid_x, grid_y, grid_z), call.outcome)
        if elapsed_ns < 0:
            raise failure(self.program, (grid_x, grid_y, grid_z), call.outcome)
        self._calls.append(call)
        return elapsed_ns

    def _lay_out(self, grid_x: int, grid_y: int, grid_z: int, slots: bytes, report: int, sanitizer: int = 0) -> _Call:
        if len(slots) != self._slots_bytes:
            raise LaunchError(
                f"{self.program.name}: expected {self._slots_bytes // 8} argument slots, found {len(slots) / 8:g}"
            )
        call = self._take()
        try:
            fields = (grid_x, grid_y, grid_z, 0, report, 0, sanitizer, 0, 0, self._handle, call.outcome, 0, 0, slots)
            self._write(call.buffer, 0, *fields)
        except struct.error:
            raise self._wrong_grid(grid_x, grid_y, grid_z) from None
        return call

    def _check_grid(self, grid_x: int, grid_y: int, grid_z: int) -> None:
        """A grid with a zero launches nothing, as on a GPU's driver that skips it; a negative one is an error."""
        if min(grid_x, grid_y, grid_z) < 0:
            raise self._wrong_grid(grid_x, grid_y, grid_z)

    def _wrong_grid(self, grid_x: int, grid_y: int, grid_z: int) -> LaunchError:
        return LaunchError(
            f"{self.program.name}: expected a grid of integers from 0 to {_MAX_GRID}, "
            f"found ({grid_x}, {grid_y}, {grid_z})"
        )

    def _follow(self, session: Session) -> None:
        self._record: KernelRecord = session.record(self.program.name)
        self._session = session
        self.direct = DirectCalls(self, self._call_bytes, session)

    def _compare(self, grid_x: int, grid_y: int, grid_z: int, slots: bytes, idle: bool) -> None:
        for prices in self.device.session.compare:
            of_kernel = prices.of(self)
            prediction = of_kernel.predict(grid_x, grid_y, grid_z, slots)
            device_ps = prediction.time_ps if idle else prices.queued_ps(prediction)
            name = prices.description.name
            self._record.compare(name, device_ps, prediction, of_kernel.peak_flops)
            if self.device.session.watch is not None:
                self.device.session.watch.predicted(self.program.name, name, device_ps, prediction)

    def _watch(
        self,
        watch: Watch,
        stream: Stream,
        span_ps: tuple[int, int],
        grid: tuple[int, int, int],
        prediction: Prediction | None,
    ) -> None:
        name, (start_ps, end_ps) = self.program.name, span_ps
        watch.operation(
            name,
            stream,
            COMPUTE,
            span_ps,
            card=self.device.index,
            allocated_bytes=self.device.allocated_bytes,
            grid=grid,
            prediction=prediction,
        )
        if prediction is not None:
            watch.predicted(name, self.device.description.name, end_ps - start_ps, prediction)
