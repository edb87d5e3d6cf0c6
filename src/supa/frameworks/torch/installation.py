"""Puts the device's parts in place, once it is known to torch: module, kernels, Inductor, the rest.

Not here: the parts, and the first step (`registration`).
"""

from __future__ import annotations

import os
import sys

import torch
from torch.utils import backend_registration

from supa.frameworks.torch import (
    as_cuda,
    benchmarks,
    between_cards,
    collectives,
    inductor,
    module,
    operator_checks,
    proton,
    sharing,
)
from supa.frameworks.torch.autoload import withdraw_promise
from supa.frameworks.torch.dispatch import registered
from supa.frameworks.torch.extension import library
from supa.frameworks.torch.registration import NAME


def install() -> None:
    """After the module and the kernels are in place: host forms of the rest, methods of tensors and modules."""
    withdraw_promise()
    torch._register_device_module(NAME, module)
    sys.modules[f"torch.{NAME}.amp"] = module.amp
    names, open_names = registered()
    if library().supa_torch_register(" ".join(names).encode(), " ".join(open_names).encode()):
        raise RuntimeError("the host forms of torch's operators could not be registered")
    backend_registration.generate_methods_for_privateuse1_backend(for_storage=True)
    inductor.install()
    benchmarks.install()
    operator_checks.install()
    sharing.install()
    between_cards.install()
    collectives.install()
    proton.install()
    if os.environ.get("SUPA_AS_CUDA", "") not in ("", "0"):
        as_cuda.install()
