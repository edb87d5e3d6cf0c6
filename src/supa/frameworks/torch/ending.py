"""Before Python ends: the threads of torch's backward passes have let go of what they held. Not here: the clock's end.

Such a thread clears up after it has told the main thread that the pass is done: it drops tensors, and for those that
Python knows it takes the interpreter's lock. In an interpreter that is ending this ends the process instead ("terminate
called without an active exception"). A thread does one thing after the other: when one more pass has gone through it
and is cleared up, so are those before.
"""

from __future__ import annotations

import atexit
import time
import weakref
from typing import Any

import torch

from supa.frameworks.torch.device_index import NAME
from supa.frameworks.torch.extension import library

_LONGEST_S = 5.0
_PAUSE_S = 0.001  # without the interpreter's lock, which the thread needs


def install(card_count: int) -> None:
    """See to it at the end of this process. What programs have done at the end themselves comes first."""
    atexit.register(_await_backward_threads, card_count)


def _await_backward_threads(card_count: int) -> None:
    if library().supa_torch_forked() or not library().supa_torch_recipes():
        return  # the device is not ours any more, or never did anything
    for card in range(card_count):
        if torch.accelerator.memory_stats(card).get("num_device_alloc"):
            _await_backward_thread(torch.device(NAME, card))


class _Mark:
    """Something that lives as long as a pass."""

    def __call__(self) -> None:
        """What the pass calls when it is done."""


def _await_backward_thread(device: torch.device) -> None:
    alive = _one_more_pass(device)
    latest_s = time.monotonic() + _LONGEST_S
    while alive() is not None and time.monotonic() < latest_s:
        time.sleep(_PAUSE_S)
    time.sleep(_PAUSE_S)


def _one_more_pass(device: torch.device) -> weakref.ref[_Mark]:
    mark = _Mark()
    engine: Any = torch.autograd.Variable._execution_engine
    number = torch.zeros(1, device=device, requires_grad=True)
    viewed = number.view(1)
    viewed.register_hook(lambda _, marks=[mark]: engine.queue_callback(marks.pop()))
    viewed.backward(torch.zeros(1, device=device))
    return weakref.ref(mark)
