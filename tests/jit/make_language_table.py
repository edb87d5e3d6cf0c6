"""Writes docs/language.md again: `make golden`."""

from pathlib import Path

from language_table import document

from supa.arch import load
from supa.runtime import Device, set_current_device

if __name__ == "__main__":
    set_current_device(Device(load("bili100"), mode="execute"))
    (Path(__file__).parents[2] / "docs" / "language.md").write_text(document())
