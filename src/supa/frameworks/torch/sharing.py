"""Tensors handed to others: other libraries of this process (DLPack), and other processes, which can not have them.

Not here: files and pickling, where bytes are copied (torch's own).
"""

from __future__ import annotations

from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch.multiprocessing import reductions
from torch.utils.dlpack import DLDeviceType

from supa.frameworks.torch.device_index import NAME


def install() -> None:
    """Replace the two functions in which torch knows devices by name, and not ours."""
    owner: Any = torch.Tensor
    owner.__dlpack_device__ = _dlpack_device(owner.__dlpack_device__)
    ForkingPickler.register(torch.UntypedStorage, _to_process)


def _dlpack_device(stock: Any) -> Any:
    def device(tensor: torch.Tensor) -> tuple[Any, int]:
        """The kind of device in DLPack's terms, and its number."""
        if tensor.device.type == NAME:
            return DLDeviceType.kDLExtDev, tensor.get_device()
        found: tuple[Any, int] = stock(tensor)
        return found

    return device


def _to_process(storage: Any) -> Any:
    if storage.device.type == NAME:
        raise RuntimeError(
            f"memory of {storage.device} can not be shared with another process: send tensor.cpu(), "
            "and bring it to the other process's device there"
        )
    return reductions.reduce_storage(storage)
