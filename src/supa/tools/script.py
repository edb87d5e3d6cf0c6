"""Runs a user's program inside this process as `python` would, and says how it ended. Not here: what is measured."""

from __future__ import annotations

import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

from supa.base.errors import SupaError

INTERRUPTED = 130
TERMINATED = 143


class _Terminated(SystemExit):
    """The process was asked to end."""


class ScriptError(SupaError):
    """There is no such program to run."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a program ended: its exit code, and words for an early end ("" if it just ended)."""

    code: int
    words: str = ""


def check(target: str, is_module: bool) -> None:
    """Raise `ScriptError` if `target` is neither a file to run nor, with `is_module`, an importable module."""
    if is_module:
        sys.path.insert(0, "")
        try:
            if runpy.importlib.util.find_spec(target) is None:  # type: ignore[attr-defined]
                raise ScriptError(f"no module named {target!r}; is it installed, or in this folder?")
        except ModuleNotFoundError as error:
            raise ScriptError(f"no module named {error.name!r}; is it installed, or in this folder?") from None
        finally:
            sys.path.remove("")
    elif not Path(target).exists():
        raise ScriptError(f"no file {target!r}; give the path of a Python program, or -m and a module's name")
    elif Path(target).is_dir() and not (Path(target) / "__main__.py").exists():
        raise ScriptError(f"{target!r} is a folder without __main__.py; give the path of a Python program")


def execute(target: str, arguments: Sequence[str], is_module: bool) -> Ending:
    """Run the program as `__main__` with its arguments; its exceptions are printed as Python prints them."""
    run = (lambda: runpy.run_module(target, run_name="__main__", alter_sys=True)) if is_module else _file(target)
    before = sys.argv, list(sys.path)
    sys.argv = [target, *arguments]
    sys.path[:1] = [""] if is_module else [str(Path(target).resolve().parent)]
    try:
        with _terminable():
            try:
                run()
            finally:
                _join_threads()
    except _Terminated:
        return Ending(code=TERMINATED, words="terminated")
    except SystemExit as ending:
        return _exit(ending)
    except KeyboardInterrupt:
        return Ending(code=INTERRUPTED, words="interrupted")
    except BaseException as error:
        _print(error, target)
        return Ending(code=1, words=f"ended by {type(error).__name__}")
    finally:
        sys.argv, sys.path[:] = before
    return Ending(code=0)


@contextmanager
def _terminable() -> Iterator[None]:
    """Within, a request to end (SIGTERM) unwinds the program, so that its report still comes."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise _Terminated(TERMINATED)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _file(path: str) -> Callable[[], object]:
    return lambda: runpy.run_path(path, run_name="__main__")


def _join_threads() -> None:
    """Wait for the program's threads, as Python does before it ends; daemons are not waited for."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def _exit(ending: SystemExit) -> Ending:
    if ending.code is None:
        return Ending(code=0)
    if isinstance(ending.code, int):
        code = ending.code & 0xFF
        return Ending(code=code, words=f"exit code {code}" if code else "")
    print(ending.code, file=sys.stderr)
    return Ending(code=1, words="exit code 1")


def _print(error: BaseException, target: str) -> None:
    """The traceback from the program's own first line on."""
    trace: TracebackType | None = error.__traceback__
    own = {__file__, runpy.__file__, "<frozen runpy>"}
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename in own:
        trace = trace.tb_next
    sys.stdout.flush()
    traceback.print_exception(type(error), error, trace)
