"""`supa run`: any Python program on a virtual device, then the report of its launches. Not here: the report's form
(`report`), the arguments' syntax (`cli`), running the program (`script`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from supa.arch import Device as Description
from supa.arch import load
from supa.base.errors import SupaError
from supa.runtime import Device, KernelRecord, Mode, Session, current_device, set_current_device
from supa.runtime.prices import Prices
from supa.runtime.session import Priced
from supa.tools import script
from supa.tools.progress import Progress
from supa.tools.report import Cost, Line, Report, as_json, as_text

PS_PER_US = 1e6


class OutputError(SupaError):
    """The report can not be written where it should go."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to run and on what. `devices[0]` computes the answers, all price the launches."""

    devices: tuple[str, ...]
    mode: Mode
    target: str
    arguments: tuple[str, ...]
    is_module: bool = False
    json_path: Path | None = None


def run(request: Request) -> int:
    """Run the program, print the report, return the program's exit code.

    Raises `SupaError` before anything runs: unknown device, no such program, a JSON path that can not be written.
    """
    if request.json_path is not None:
        check_writable(request.json_path)
    script.check(request.target, request.is_module)
    device = open_device(request)
    with environment(request), Progress(lambda: describe(device.session)):
        ending = script.execute(request.target, request.arguments, request.is_module)
    report = report_of(device, ending.words)
    sys.stdout.flush()
    print("\n" + as_text(report), end="", flush=True)
    if request.json_path is not None:
        request.json_path.write_text(json.dumps(as_json(report), indent=1) + "\n")
    return ending.code


def open_device(request: Request) -> Device:
    """Make the first device current, with the others to compare; `DescriptionError` for one that nobody has."""
    first, *others = (load(name) for name in request.devices)
    session = Session(compare=tuple(Prices(other) for other in others) if request.mode != "execute" else ())
    set_current_device(Device(first, mode=request.mode, session=session))
    return current_device()


@contextmanager
def environment(request: Request, **more: str) -> Iterator[None]:
    """Within, processes that the program starts see the same device; Triton takes ours even beside a GPU.

    `more` are further variables.
    """
    settings = {
        **more,
        "SUPA_DEVICE": request.devices[0],
        "SUPA_MODE": request.mode,
        "TRITON_DEFAULT_BACKEND": "supa",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def check_writable(path: Path) -> None:
    """Raise `OutputError` unless a file can be written at `path`; leaves no trace."""
    existed = path.exists()
    try:
        with path.open("a"):
            pass
    except OSError as error:
        raise OutputError(f"--json {path}: can not be written: {error.strerror}") from None
    if not existed:
        path.unlink()


def report_of(device: Device, ended: str = "") -> Report:
    """The report of everything that was launched on `device`."""
    device.synchronize()
    session = device.session
    machines = (device.description, *(prices.description for prices in session.compare))
    lines = tuple(
        Line(
            name=record.name,
            launches=record.launches,
            host_us=record.host_ns / 1e3,
            costs=() if device.mode == "execute" else tuple(_costs(record, machines)),
        )
        for record in session.records
    )
    return Report(devices=tuple(machine.name for machine in machines), mode=device.mode, lines=lines, ended=ended)


def _costs(record: KernelRecord, machines: tuple[Description, ...]) -> Iterator[Cost]:
    yield _cost(record, machines[0])
    for machine in machines[1:]:
        yield _cost(record.compared.get(machine.name, Priced()), machine)


def _cost(priced: Priced, machine: Description) -> Cost:
    return Cost(
        device_us=priced.device_ps / PS_PER_US,
        energy_j=priced.energy_pj / 1e12,
        bound_by=priced.bound_by,
        flops=round(priced.flops),
        bytes=priced.bytes,
        peak_flops=priced.flops_at_peak / priced.device_ps * 1e12 if priced.device_ps else 0.0,
        peak_bytes_per_s=machine.hbm_bandwidth_bytes_per_s,
    )


def describe(session: Session) -> str:
    """One line of what has been launched so far, for the terminal."""
    records = session.records
    launches = sum(record.launches for record in records)
    return f"{launches} launches of {len(records)} kernels so far" if launches else "compiling and running"
