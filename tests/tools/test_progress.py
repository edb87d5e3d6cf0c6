"""Progress is shown on a terminal when nothing changes for a while, cleared again, and nowhere else."""

import io
import time

import pytest

from supa.tools import progress
from supa.tools.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(progress, "_EVERY_SECONDS", 0.01)


def wait_for(terminal, text):
    deadline = time.monotonic() + 10
    while text not in terminal.getvalue() and time.monotonic() < deadline:
        time.sleep(0.005)
    return terminal.getvalue()


def test_long_work_is_shown_and_the_line_is_cleared():
    terminal = Terminal()
    with Progress(lambda: "3 launches of 1 kernel", terminal):
        assert "supa: 3 launches of 1 kernel, 0 s" in wait_for(terminal, "launches")
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_work_that_moves_on_is_left_alone(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 60)
    terminal = Terminal()
    with Progress(lambda: str(time.monotonic()), terminal):
        time.sleep(0.05)
    assert terminal.getvalue() == ""


def test_nothing_is_written_where_no_terminal_is():
    stream = io.StringIO()
    with Progress(lambda: "busy", stream) as shown:
        time.sleep(0.05)
    assert stream.getvalue() == ""
    assert shown._thread is None
