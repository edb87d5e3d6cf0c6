"""Triton's profiler (`triton.profiler`) on the devices' clocks: its own sessions, scopes and files, with our times.

Its library keeps the tree of a session; what it would hear from a vendor's driver, the time of every launch, comes from
the device's record. Mode `execute` has no times, and its sessions hold scopes and metrics of launches alone. Not here:
torch's profiler (`profiling`).
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

from supa.frameworks.torch.after_import import after_import
from supa.frameworks.torch.extension import library
from supa.frameworks.torch.profiling import Recording
from supa.frameworks.torch.registration import clock

_PS_PER_NS = 1000
_OURS = "supa"
_OF_DRIVERS = (_OURS, "cupti")
_WITHOUT_DRIVER = ("instrumentation", "cuda")
"""The library's kind of session, with its mode, that asks no vendor's driver for anything."""


def install() -> None:
    """Act as soon as the program imports the profiler."""
    after_import("triton._C.libproton", _serve)
    after_import("triton.profiler.profile", _choose)


def _serve(module: ModuleType) -> None:
    module.__dict__["proton"] = _Library(module.__dict__["proton"])


def _choose(module: ModuleType) -> None:
    module.__dict__["_select_backend"] = lambda: _OURS


class _Library:
    """The library; before each of its steps that closes or opens a scope, launches until then are entered."""

    def __init__(self, stock: Any) -> None:
        self._stock = stock
        self._open: dict[int, str] = {}
        self._recording: Recording | None = None
        self._taken = 0
        for name in ("enter_scope", "exit_scope", "enter_op", "exit_op", "activate", "deactivate", "activate_all",
                     "deactivate_all", "get_data", "get_data_msgpack"):  # fmt: skip
            setattr(self, name, self._after_launches(getattr(stock, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stock, name)

    def start(self, path: str, context: str, data: str, profiler: str, mode: str = "") -> int:
        """A session; one of a vendor's driver becomes one of the devices'."""
        if profiler not in _OF_DRIVERS:
            return int(self._stock.start(path, context, data, profiler, mode))
        session = int(self._stock.start(path, context, data, *_WITHOUT_DRIVER))
        if not self._open:
            watched = clock.devices[0].session
            self._settle()  # what was launched before does not count
            self._recording, self._taken = Recording(library(), watched.watch), 0
            watched.watch = self._recording
        self._open[session] = path
        return session

    def finalize(self, session: int, *rest: Any) -> None:
        """Write a session's file."""
        self._settle()
        self._stock.finalize(session, *rest)
        _add_up(self._open.pop(session, ""))
        if not self._open:
            self._end()

    def finalize_all(self, *rest: Any) -> None:
        """Write every session's file."""
        self._settle()
        self._stock.finalize_all(*rest)
        for path in self._open.values():
            _add_up(path)
        self._open.clear()
        self._end()

    def set_metric_kernels(self, *_: Any) -> None:
        """Nothing: they would write metrics into a vendor's memory."""

    def _end(self) -> None:
        watched = clock.devices[0].session
        if self._recording is not None and watched.watch is self._recording:
            watched.watch = self._recording.inner
        self._recording = None

    def _after_launches(self, step: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            self._settle()
            return step(*args, **options)

        return call

    def _settle(self) -> None:
        """Enter what was launched since the last time, each as a scope in the one that is open."""
        for device in clock.devices:
            device.clock.caught_up()
        if self._recording is None:
            return
        for span in self._recording.spans[self._taken :]:
            scope = self._stock.record_scope()
            self._stock.enter_scope(scope, span.name)
            self._stock.add_metrics(scope, {"time (ns)": (span.end_ps - span.start_ps) / _PS_PER_NS, "count": 1})
            self._stock.exit_scope(scope, span.name)
        self._taken = len(self._recording.spans)


def _add_up(path: str) -> None:
    """Let the viewer add up times over the scopes of a file: it does so for what the outermost one names."""
    file = Path(f"{path}.hatchet")
    if path and file.exists():
        tree = json.loads(file.read_text())
        tree[0]["metrics"].update({"time (ns)": 0, "count": 0})
        file.write_text(json.dumps(tree))
