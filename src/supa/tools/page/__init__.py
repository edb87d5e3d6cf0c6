"""The report of a run as one self-contained page (HTML). Not here: the figures (`report`, `runtime.watch`).

Plots are Vega-Lite charts described with Altair; the page carries the library that draws them and asks no network for
anything. docs/design/report.md says why these libraries.
"""

from __future__ import annotations

from importlib.util import find_spec

from supa.base.errors import SupaError
from supa.runtime import Device
from supa.tools.report import Report

_LIBRARIES = ("altair", "vl_convert")


class PageError(SupaError):
    """The page can not be made here."""


def check_installed() -> None:
    """Raise `PageError` where the libraries that draw the plots are missing."""
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise PageError(f"--report needs {' and '.join(missing)}: install them with pip install 'supa[report]'")


def as_page(device: Device, report: Report, command: str) -> str:
    """The whole page. The device's session must have a watch; `command` is shown as what was run."""
    from supa.tools.page.document import document

    return document(device, report, command)
