"""`torch.distributed` between processes: collectives of the device's tensors, by way of the host.

Torch's own group of the host (gloo) does the work on copies; what the copies take on the host bus is on the clock, the
cards' links are not. Groups asked for as "nccl" by programs for NVIDIA GPUs are the same. Not here: cards of one
process (`between_cards`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch.futures import Future

from supa.frameworks.torch.after_import import after_import
from supa.frameworks.torch.device_index import NAME

Tensor = torch.Tensor
_KEY = "PrivateUse1"
_HOST_GROUP = "gloo"


@dataclass(frozen=True, kw_only=True)
class _Collective:
    """What an operator of torch's does with its first argument, and whether it returns it beside its work."""

    reads: bool
    returns: bool
    adding: tuple[str, str] | None = None  # the group's method for sums, and its options, where it may ask for means


_WRITING = {
    "allreduce_": _Collective(reads=True, returns=True, adding=("allreduce", "AllreduceOptions")),
    "allreduce_coalesced_": _Collective(
        reads=True, returns=False, adding=("allreduce_coalesced", "AllreduceCoalescedOptions")
    ),
    "broadcast_": _Collective(reads=True, returns=True),
    "reduce_": _Collective(reads=True, returns=False),
    "allgather_": _Collective(reads=False, returns=True),
    "_allgather_base_": _Collective(reads=False, returns=True),
    "allgather_coalesced_": _Collective(reads=False, returns=False),
    "allgather_into_tensor_coalesced_": _Collective(reads=False, returns=False),
    "reduce_scatter_": _Collective(reads=False, returns=True, adding=("reduce_scatter", "ReduceScatterOptions")),
    "_reduce_scatter_base_": _Collective(
        reads=False, returns=True, adding=("_reduce_scatter_base", "ReduceScatterOptions")
    ),
    "reduce_scatter_tensor_coalesced_": _Collective(
        reads=False, returns=False, adding=("reduce_scatter_tensor_coalesced", "ReduceScatterOptions")
    ),
    "gather_": _Collective(reads=False, returns=False),
    "scatter_": _Collective(reads=False, returns=True),
    "alltoall_": _Collective(reads=False, returns=True),
    "alltoall_base_": _Collective(reads=False, returns=False),
}

_registered: list[torch.library.Library] = []
_open: set[Any] = set()


def install() -> None:
    """Act as soon as torch imports its groups of processes."""
    after_import("torch.distributed.distributed_c10d", _serve)


def present_as_nccl(with_our_devices: Callable[[Any], Any]) -> None:
    """Groups that programs ask for as "nccl" are ours, and so are the devices of their meshes."""

    def rename(module: ModuleType) -> None:
        backend = module.__dict__["Backend"]
        backend.NCCL = _HOST_GROUP
        module.__dict__["default_pg_nccl_timeout"] = module.__dict__["default_pg_timeout"]
        backend.default_device_backend_map["cuda"] = _HOST_GROUP

    def rename_devices(module: ModuleType) -> None:
        mesh = module.__dict__["DeviceMesh"]
        mesh.__init__ = with_our_devices(mesh.__init__)

    after_import("torch.distributed.distributed_c10d", rename)
    after_import("torch.distributed.device_mesh", rename_devices)


def _serve(module: ModuleType) -> None:
    if not module.__dict__["is_gloo_available"]():
        return
    backend = module.__dict__["Backend"]
    backend.default_device_backend_map[NAME] = _HOST_GROUP
    backend.backend_capability[_HOST_GROUP].append(NAME)
    library = torch.library.Library("c10d", "IMPL")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Warning only once for all operators")  # torch's own kernels find no group
        for name, kind in _WRITING.items():
            library.impl(name, _collective(getattr(torch.ops.c10d, name), kind), _KEY, allow_override=True)
        for call in (send, recv_, recv_any_source_):
            library.impl(call.__name__, call, _KEY, allow_override=True)
    _registered.append(library)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _tensors(one)


def _on_host(value: Any, reads: bool) -> Any:
    """Copies on the host of every tensor in an argument, or room for what will be written there."""
    if isinstance(value, Tensor):
        return value.cpu() if reads else torch.empty_like(value, device="cpu", memory_format=torch.contiguous_format)
    if isinstance(value, (list, tuple)):
        return [_on_host(one, reads) for one in value]
    return value


def _copy_back(to: Any, found: Any) -> None:
    with torch.no_grad():
        for target, source in zip(_tensors(to), _tensors(found), strict=True):
            target.copy_(source)


def _collective(operator: Any, kind: _Collective) -> Callable[..., Any]:
    """The operator on copies; it returns when it is done, and its work is one that has ended."""

    def call(written: Any, *rest: Any) -> Any:
        with torch.no_grad():
            ours = list(_tensors(written)) or list(_tensors(rest))
            host, given = _on_host(written, kind.reads), [_on_host(one, True) for one in rest]
            try:
                found = operator(host, *given)
                _unboxed(found[1] if kind.returns else found).wait()
            except RuntimeError as error:  # what an operator asks for is closed to Python until it is refused
                if kind.adding is None or "ReduceOp.AVG" not in str(error):
                    raise
                _mean(*kind.adding, host, given)
            _copy_back(written, host)
            done: Future[Any] = Future(devices=sorted({one.device for one in ours}, key=str))
            done.set_result(list(_tensors(written)))
            core: Any = torch._C._distributed_c10d
            work = core._create_work_from_future(done).boxed()
            return (written, work) if kind.returns else work

    return call


def _mean(method: str, options: str, host: Any, given: list[Any]) -> None:
    """The mean over the group's members, which the host's group has not: a sum, divided."""
    core = torch._C._distributed_c10d
    *before, group = given[: 1 + next(place for place, one in enumerate(given) if isinstance(one, torch.ScriptObject))]
    members = core.ProcessGroup.unbox(group)
    chosen = getattr(core, options)()
    chosen.reduceOp = core.ReduceOp.SUM
    getattr(members, method)(host, *before, chosen).wait()
    for one in _tensors(host):
        one.div_(members.size())


def _unboxed(work: Any) -> Any:
    return torch._C._distributed_c10d.Work.unbox(work)


def send(tensors: Any, *rest: Any) -> Any:
    """Copies on their way; the work ends when they have left."""
    return torch.ops.c10d.send(_on_host(tensors, True), *rest)


def recv_(tensors: Any, *rest: Any) -> Any:
    """A receipt: tensors are there once its work has been waited for."""
    return _receipt(torch.ops.c10d.recv_, tensors, rest)


def recv_any_source_(tensors: Any, *rest: Any) -> Any:
    """A receipt from whoever sends first; its work knows who it was."""
    return _receipt(torch.ops.c10d.recv_any_source_, tensors, rest)


def _receipt(operator: Any, tensors: Any, rest: tuple[Any, ...]) -> Any:
    """Work that copies to the device when it is waited for: the program may have to send before anything comes."""

    class Receipt(torch._C._distributed_c10d.Work):
        def wait(self, timeout: Any = None) -> bool:
            if not done:
                done.append(True)
                work.wait()  # a second time it would wait for a second message
                _copy_back(tensors, host)
                _open.discard(self)
            return True

        def _source_rank(self) -> int:
            return int(work._source_rank())

    done: list[bool] = []
    host = _on_host(tensors, False)
    work = _unboxed(operator(host, *rest))
    receipt = Receipt()
    _open.add(receipt)  # torch's core holds the work, not what Python makes of it
    return receipt.boxed()
