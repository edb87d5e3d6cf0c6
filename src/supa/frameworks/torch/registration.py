"""Makes the device known to torch, once for the process. Not here: its parts (`installation`).

Importing this module does it; the order of the steps matters to torch.
"""

from __future__ import annotations

import os

from torch.utils import backend_registration

from supa.frameworks.torch import without_values
from supa.frameworks.torch.cards import cards
from supa.frameworks.torch.clock import TorchClock
from supa.frameworks.torch.extension import DeviceFacts, library
from supa.frameworks.torch.traffic import facts_of

NAME = "supa"


def _start() -> TorchClock:
    backend_registration.rename_privateuse1_backend(NAME)
    loaded, devices = library(), cards()
    facts = (DeviceFacts * len(devices))(*(facts_of(device) for device in devices))
    strict = os.environ.get("SUPA_STRICT", "") not in ("", "0")
    loaded.supa_torch_start(facts, len(devices), devices[0].mode != "time", strict)
    if devices[0].mode == "time":
        without_values.install()
    return TorchClock(devices, loaded)


clock = _start()


def is_priced(index: int) -> bool:
    """Whether device `index` tells the time of what runs."""
    return clock.devices[index].mode != "execute"
