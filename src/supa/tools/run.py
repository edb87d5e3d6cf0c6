"""`supa run`: any Python program on a virtual device, then the report of its launches. Not here: the report's forms
(`report`, `text`, `page`, `trace`), the arguments' syntax (`cli`), running the program (`script`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from supa.arch import Device as Description
from supa.arch import kind_of, load, load_server
from supa.base.errors import SupaError
from supa.runtime import Device, Mode, Session, Watch, current_device, open_cards, set_cards
from supa.runtime.prices import Prices
from supa.tools import script
from supa.tools.collecting import report_of
from supa.tools.outputs import check_outputs, write_all
from supa.tools.progress import Progress
from supa.tools.quantities import duration, plural
from supa.tools.report import as_json
from supa.tools.text import as_text

WRITE_ERROR = 3


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to run and on what. `devices[0]` computes the answers, all price the launches."""

    devices: tuple[str, ...]
    mode: Mode
    target: str
    arguments: tuple[str, ...]
    is_module: bool = False
    json_path: Path | None = None
    page_path: Path | None = None
    trace_path: Path | None = None
    sanitize: str = ""  # what `SUPA_SANITIZE` says, "" for no checks
    cards: int | None = None  # how many of the first device there are; None: as its description has it
    strict: bool = False  # operators of a framework without a device kernel are errors
    as_cuda: bool = False  # the program's "cuda" devices are ours


def run(request: Request) -> int:
    """Run the program, print the report, write the files asked for; returns the program's exit code.

    A program that ended well and a file that could not be written make 3. Raises `SupaError` before anything runs:
    unknown device, no such program, a path that can not be written, a page without the library that draws it.
    """
    check_outputs({"--json": request.json_path, "--report": request.page_path, "--trace": request.trace_path})
    if request.page_path is not None:
        from supa.tools.page import check_installed

        check_installed()
    script.check(request.target, request.is_module)
    check_frameworks(request)
    device = open_device(request)
    process = os.getpid()
    ending = watched_run(request, device)
    if os.getpid() != process:
        return ending.code  # a child that the program forked: report and files are its parent's
    report = report_of(device, ending.words)
    print("\n" + as_text(report), end="", flush=True)
    found = sanitizer_status(request)
    outputs: dict[Path, Callable[[], str]] = {}
    if request.json_path is not None:
        outputs[request.json_path] = lambda: json.dumps(as_json(report), indent=1) + "\n"
    if request.trace_path is not None:
        from supa.tools.trace import as_trace

        outputs[request.trace_path] = lambda: json.dumps(as_trace(device)) + "\n"
    if request.page_path is not None:
        from supa.tools.page import as_page

        outputs[request.page_path] = lambda: as_page(device, report, command(request))
    with Progress(lambda: "writing " + ", ".join(str(path) for path in outputs)):
        complete = write_all(outputs)
    return ending.code or found or (0 if complete else WRITE_ERROR)


def watched_run(request: Request, device: Device) -> script.Ending:
    """Run the program on the current device with signs of life on a terminal; what it printed is flushed."""
    with environment(request), Progress(lambda: describe(device)):
        if request.sanitize:
            from supa.jit.sanitizer.process import begin

            begin()
        ending = script.execute(request.target, request.arguments, request.is_module)
    sys.stdout.flush()
    return ending


def sanitizer_status(request: Request) -> int:
    """The sanitizer's summary, where it was asked for; returns the exit status, 0 without findings."""
    if not request.sanitize:
        return 0
    from supa.jit.sanitizer.process import conclude

    return conclude()


def open_device(request: Request, others: Sequence[Description] = ()) -> Device:
    """Make the cards of the first device the process's, with the further devices and `others` to compare.

    `DescriptionError` for one that nobody has.
    """
    named = [_one_of(name) for name in request.devices[1:]]
    compared = (*named, *others) if request.mode != "execute" else ()
    watch = Watch() if request.page_path or request.trace_path else None
    session = Session(compare=tuple(Prices(other) for other in compared), watch=watch)
    set_cards(open_cards(request.devices[0], request.mode, session, request.cards))
    return current_device()


def _one_of(name: str) -> Description:
    """The device of a name; of a server one of its devices."""
    return load_server(name).device if kind_of(name) == "server" else load(name)


def check_frameworks(request: Request) -> None:
    """Raise `SupaError` where the request needs torch to find its device by itself, and it can not."""
    if request.as_cuda and not any(one.name == "supa" for one in metadata.entry_points(group="torch.backends")):
        raise SupaError("--as-cuda: torch does not know supa: install the package (pip install -e .), with torch")


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
        **({"SUPA_SANITIZE": request.sanitize} if request.sanitize else {}),
        **({"SUPA_CARDS": str(request.cards)} if request.cards is not None else {}),
        **({"SUPA_STRICT": "1"} if request.strict else {}),
        **({"SUPA_AS_CUDA": "1"} if request.as_cuda else {}),
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


def command(request: Request) -> str:
    """The program as its user called it."""
    return " ".join((*(("-m",) if request.is_module else ()), request.target, *request.arguments))


def describe(device: Device) -> str:
    """One line of what has been launched so far, for the terminal."""
    records = device.session.records
    launches = sum(record.launches for record in records)
    if not launches:
        return "compiling and running"
    told = f"{plural(launches, 'launch', 'launches')} of {plural(len(records), 'kernel', 'kernels')} so far"
    device_us = sum(record.device_ps for record in records) / 1e6
    return f"{told}, {duration(device_us)} on {device.name}" if device_us else told
