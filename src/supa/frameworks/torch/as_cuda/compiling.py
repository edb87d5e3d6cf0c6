"""`torch.compile` and Triton in programs that say "cuda": graphs reach the compiler with `supa` in the place of it.

Not here: the compiler's own view of the device (`inductor`).
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import torch

from supa.frameworks.torch.after_import import after_import
from supa.frameworks.torch.as_cuda.arguments import CUDA, ours
from supa.frameworks.torch.device_index import NAME
from supa.frameworks.torch.module import get_device_capability


def install() -> None:
    """Act as soon as torch imports its compiler."""
    after_import("torch._subclasses.fake_tensor", _tell_fake_tensors)
    after_import("torch._inductor.compile_fx", _tell_inductor)
    after_import("torch._inductor.utils", lambda utils: utils.GPU_TYPES.remove(CUDA))  # it knows one kind at a time
    after_import("triton.backends.nvidia.driver", _tell_triton)
    after_import("triton.backends.nvidia.compiler", _leave_targets_to_us)
    after_import("triton._C.libtriton", _give_products)
    after_import("supa.jit.triton_backend.devices", _present_devices)
    after_import("torch._inductor.runtime.triton_helpers", _tell_compiled_code)


def _tell_triton(module: ModuleType) -> None:
    """Triton's driver for CUDA takes torch at its word that there is one."""
    module.__dict__["CudaDriver"].is_active = staticmethod(lambda: False)


class CublasLt:
    """What Triton's programs compare their products with: the device's own, in the place of NVIDIA's library."""

    def __init__(self, workspace: torch.Tensor) -> None:
        """`workspace` is not needed."""

    def matmul(self, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> None:
        """`c` (M x N) becomes `a` (M x K) times the transpose of `b` (N x K); fp8 operands are multiplied in fp16."""
        c.copy_(_wide(a) @ _wide(b).T)

    def gemm(
        self, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor, d: torch.Tensor, alpha: float, beta: float
    ) -> None:
        """`d` becomes `alpha` times `a` times the transpose of `b`, and `beta` times `c`."""
        d.copy_(torch.addmm(_wide(c), _wide(a), _wide(b).T, beta=beta, alpha=alpha))


def _wide(operand: torch.Tensor) -> torch.Tensor:
    return operand.half() if operand.dtype.itemsize == 1 else operand


def _give_products(module: ModuleType) -> None:
    module.__dict__["nvidia"].cublas.CublasLt = CublasLt


def _leave_targets_to_us(module: ModuleType) -> None:
    module.__dict__["CUDABackend"].supports_target = staticmethod(lambda target: False)


def _present_devices(module: ModuleType) -> None:
    """Programs choose configurations, descriptors and libraries by Triton's target: it is that of their device."""
    major, minor = get_device_capability()
    module.__dict__["present_as"](CUDA, 10 * major + minor)


def _tell_compiled_code(module: ModuleType) -> None:
    module.__dict__["_is_backend_active"] = lambda name, backend: name == NAME


def _tell_fake_tensors(module: ModuleType) -> None:
    stock = module.FakeTensor.__new__

    @functools.wraps(stock)
    def new(cls: Any, *args: Any, **options: Any) -> Any:
        return stock(cls, *map(ours, args), **{name: ours(value) for name, value in options.items()})

    module.FakeTensor.__new__ = new


def _tell_inductor(module: ModuleType) -> None:
    stock = module.__dict__["compile_fx"]

    @functools.wraps(stock)
    def compile_fx(model: Any, *args: Any, **options: Any) -> Any:
        if isinstance(model, torch.fx.GraphModule):
            rename(model)
        return stock(model, *args, **options)

    module.__dict__["compile_fx"] = compile_fx


def rename(model: torch.fx.GraphModule) -> None:
    """Every "cuda" in a graph and the graphs in it becomes ours."""
    for one in model.modules():
        if isinstance(one, torch.fx.GraphModule):
            for node in one.graph.nodes:
                node.args = torch.fx.node.map_aggregate(node.args, ours)
                node.kwargs = torch.fx.node.map_aggregate(node.kwargs, ours)
            one.recompile()
