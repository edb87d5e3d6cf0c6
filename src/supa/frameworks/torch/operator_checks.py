"""`torch.library.opcheck` on the device: its look at how an operator's gradient is registered knows GPUs alone.

Not here: opcheck's other tests, which run as they are.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch.utils import _pytree as pytree

from supa.frameworks.torch.after_import import after_import
from supa.frameworks.torch.registration import NAME

_KEYS = ("AutogradPrivateUse1", "Autograd", "CompositeImplicitAutograd")


def install() -> None:
    """Extend the check as soon as it is imported."""
    after_import("torch.testing._internal.optests.autograd_registration", _extend)


def _extend(optests: ModuleType) -> None:
    stock = optests.__dict__["autograd_registration_check"]

    def autograd_registration_check(op: Any, args: Any, kwargs: Any) -> None:
        given = [one for one in pytree.arg_tree_leaves(*args, **kwargs) if isinstance(one, torch.Tensor)]
        if any(one.device.type == NAME for one in given) and any(one.requires_grad for one in given):
            _check(optests, op, args, kwargs, given)
        else:
            stock(op, args, kwargs)

    optests.__dict__["autograd_registration_check"] = autograd_registration_check


def _check(optests: ModuleType, op: Any, args: Any, kwargs: Any, given: list[torch.Tensor]) -> None:
    """An operator without a gradient of its own must not make one in its kernel."""
    if any(torch._C._dispatch_has_kernel_for_dispatch_key(op.name(), key) for key in _KEYS):
        return
    with optests.__dict__["set_autograd_fallback_mode"]("nothing"):
        made = [one for one in pytree.tree_leaves(op(*args, **kwargs)) if isinstance(one, torch.Tensor)]
    inputs = {id(one) for one in given}
    if any(one.requires_grad and id(one) not in inputs for one in made):
        raise AssertionError(
            f"{op.name()}: a result requires a gradient, but no gradient is registered for the operator: register one "
            "with torch.library.register_autograd, not an autograd.Function in its kernel"
        )
