"""Makes the device known to torch, once for the process. Not here: what `torch.supa` offers (`module`), the kernels.

Importing this module does it; the order of the steps matters to torch.
"""

from __future__ import annotations

import os
import sys

import torch
from torch.utils import backend_registration

from supa.frameworks.torch.autoload import withdraw_promise
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
    return TorchClock(devices, loaded)


clock = _start()


def finish() -> None:
    """After the module and the kernels are in place: host forms of the rest, methods of tensors and modules."""
    from supa.frameworks.torch import benchmarks, between_cards, inductor, module, sharing
    from supa.frameworks.torch.kernels import registered

    withdraw_promise()
    torch._register_device_module(NAME, module)
    sys.modules[f"torch.{NAME}.amp"] = module.amp
    names, open_names = registered()
    if library().supa_torch_register(" ".join(names).encode(), " ".join(open_names).encode()):
        raise RuntimeError("the host forms of torch's operators could not be registered")
    backend_registration.generate_methods_for_privateuse1_backend(for_storage=True)
    inductor.install()
    benchmarks.install()
    sharing.install()
    between_cards.install()
    if os.environ.get("SUPA_AS_CUDA", "") not in ("", "0"):
        from supa.frameworks.torch import as_cuda

        as_cuda.install()
