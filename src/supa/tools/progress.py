"""A line on the terminal while long work goes on; nothing where no terminal is. Not here: what the work is."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

PATIENCE_SECONDS = 2.0  # the first sign of life, and the time a state may last before it is shown
_EVERY_SECONDS = 0.5
_CLEAR = "\r\x1b[K"


class Progress:
    """Shows `describe()` on `stream` from a thread of its own, as long as the text stays the same for a while.

    A program that prints its own lines at a good pace is left alone.
    """

    def __init__(self, describe: Callable[[], str], stream: TextIO | None = None) -> None:
        self.describe, self.stream = describe, stream or sys.stderr
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Progress:
        if self.stream.isatty():
            self._thread = threading.Thread(target=self._watch, name="supa progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        shown, last, since = False, "", time.monotonic()
        while not self._done.wait(_EVERY_SECONDS):
            text, now = self.describe(), time.monotonic()
            if text != last:
                last, since = text, now
            elif text and now - since >= PATIENCE_SECONDS:
                self._write(f"{_CLEAR}supa: {text}, {now - since:.0f} s")
                shown = True
                continue
            if shown:
                self._write(_CLEAR)
                shown = False
        if shown:
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
