"""The driver: devices, memory, streams, events, launches on all host cores, and the record of what was launched.

Not here: compiling (`compiler`, `jit`), predicting (`timing`; a device only keeps the clock by it).
"""

from supa.runtime.current import cards, current_device, open_cards, set_cards, set_current_device
from supa.runtime.device import Device, Mode
from supa.runtime.kernel import Kernel
from supa.runtime.loader import LoadedProgram, load
from supa.runtime.memory import Memory, MemoryUse
from supa.runtime.native import set_threads, threads
from supa.runtime.prices import Prediction, Pricer, Prices
from supa.runtime.session import KernelRecord, Session
from supa.runtime.stream import Clock, Event, HostTime, Stream
from supa.runtime.watch import MemoryPoint, Seen, Span, Watch

__all__ = [
    "Clock",
    "Device",
    "Event",
    "HostTime",
    "Kernel",
    "KernelRecord",
    "LoadedProgram",
    "Memory",
    "MemoryPoint",
    "MemoryUse",
    "Mode",
    "Prediction",
    "Pricer",
    "Prices",
    "Seen",
    "Session",
    "Span",
    "Stream",
    "Watch",
    "cards",
    "current_device",
    "load",
    "open_cards",
    "set_cards",
    "set_current_device",
    "set_threads",
    "threads",
]
