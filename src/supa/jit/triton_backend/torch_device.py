"""The one place of this floor that imports torch: which torch device tensors of the active driver live on, and how many
threads torch takes.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

from supa.jit.sanitizer.parts import WrittenParts
from supa.jit.sanitizer.taken import Storage, Taken, TakenTensors
from supa.runtime.memory import mark_unwritten
from supa.runtime.native import set_threads, threads, threads_are_chosen

_MARKED = (
    ("", "empty"), ("", "empty_like"), ("", "empty_strided"), ("", "empty_permuted"),
    ("Tensor", "new_empty"), ("Tensor", "new_empty_strided"),
)  # fmt: skip
_SMALL_BYTES = 2  # elements that are parts of the mark
_OWN = ("triton", "supa", "torch")


def active_torch_device() -> Any:
    """The `torch.device` that kernels' tensors live on: `supa` once `supa.torch` brought it, else the host's."""
    import torch

    module = getattr(torch, "supa", None)
    if module is None:
        return torch.device("cpu")
    from supa.jit.triton_backend.devices import presented

    index = module.current_device()  # brings the device, if this is its first use, and with it what it is presented as
    return torch.device(presented() or "supa", index)


def follow_threads() -> None:
    """Where torch is loaded and nobody has chosen how many host threads launches may use: as many as torch takes, now
    and after each `torch.set_num_threads`."""
    torch = sys.modules.get("torch")
    set_num_threads = getattr(torch, "set_num_threads", None)
    if set_num_threads is None or hasattr(set_num_threads, "_supa_follows"):
        return

    @functools.wraps(set_num_threads)
    def follow(count: int) -> None:
        set_num_threads(count)
        if not os.environ.get("SUPA_NUM_THREADS"):
            set_threads(count)

    follow._supa_follows = True  # type: ignore[attr-defined]
    torch.set_num_threads = follow  # type: ignore[union-attr]
    if not threads_are_chosen():
        set_threads(min(threads(), torch.get_num_threads()))  # type: ignore[union-attr]


def mark_fresh_tensors(parts: WrittenParts) -> None:
    """From now on tensors that torch leaves uninitialised are filled with the sanitizer's mark of unwritten memory."""
    import torch

    for owner_name, name in _MARKED:
        owner = getattr(torch, owner_name) if owner_name else torch
        setattr(owner, name, _marking(getattr(owner, name), parts))


def _marking(make: Callable[..., Any], parts: WrittenParts) -> Callable[..., Any]:
    import torch

    @functools.wraps(make)
    def made(*args: Any, **options: Any) -> Any:
        tensor = make(*args, **options)
        plain = type(tensor) is torch.Tensor and tensor.layout is torch.strided and not tensor.is_quantized
        if plain and tensor.device.type in ("cpu", "supa") and options.get("out") is None and tensor.numel():
            _mark(tensor, parts)
        return tensor

    return made


def _mark(tensor: Any, parts: WrittenParts) -> None:
    from torch.multiprocessing.reductions import StorageWeakRef

    storage = tensor.untyped_storage()
    mark_unwritten(storage.data_ptr(), storage.nbytes())
    if tensor.element_size() <= _SMALL_BYTES and not tensor.is_inference():
        is_gone = StorageWeakRef(storage).expired  # type: ignore[no-untyped-call]
        parts.begin(storage.data_ptr(), storage.nbytes(), tensor._version, is_gone)


def written_parts(parts: WrittenParts, value: Any) -> tuple[int, int]:
    """Of a tensor's storage: its address, and that of the bits that say what kernels wrote (0: not kept)."""
    import torch

    if not isinstance(value, torch.Tensor) or value.element_size() > _SMALL_BYTES or value.is_inference():
        return 0, 0
    storage = value.untyped_storage().data_ptr()
    return storage, parts.of(storage, value._version)


def watch_addresses() -> TakenTensors:
    """From now on the host tensors whose address the program asks for are remembered."""
    import torch

    taken = TakenTensors(_uses)
    stock = torch.Tensor.data_ptr

    @functools.wraps(stock)
    def data_ptr(self: Any) -> int:
        address = int(stock(self))
        if address and self.device.type == "cpu" and not _is_own(sys._getframe(1).f_globals):
            storage, covers = self.untyped_storage(), self.is_contiguous()
            covers = covers and storage.nbytes() == self.numel() * self.element_size()
            shape = tuple(self.shape) if covers else None
            kind = str(self.dtype).removeprefix("torch.")
            taken.add(Taken(storage=storage, type=kind, element_bytes=self.element_size(), shape=shape))
        return address

    torch.Tensor.data_ptr = data_ptr  # type: ignore[method-assign]
    return taken


def _uses(storage: Storage) -> int:
    import torch

    return int(torch._C._storage_Use_Count(storage._cdata))  # type: ignore[attr-defined]


def _is_own(names: dict[str, Any]) -> bool:
    """Whether code with these globals belongs to a launch, not to the program."""
    own = str(names.get("__name__", "")).split(".", 1)[0] in _OWN
    return own or "specialize_impl" in names or "pack_slowly" in names
