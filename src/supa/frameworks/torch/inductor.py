"""`torch.compile` for the device: Inductor's own Triton code generation, told what it needs to know of supa.

Registered when torch imports its compiler, not before. Not here: Triton's driver (`jit`), eager operators (`ops`).
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

from supa.frameworks.torch import module as supa_module
from supa.frameworks.torch import skipped_graphs, tile_choices
from supa.frameworks.torch.after_import import after_import
from supa.frameworks.torch.build import cache_folder
from supa.frameworks.torch.registration import NAME, clock

_CPP = ("cpp_", "aoti_", "kernel_", "tma_")
_ENOUGH_UNITS = 128  # what Inductor takes for a device worth tuning products on


def install() -> None:
    """Let both halves of the compiler know the device as soon as they are imported."""
    _own_up_to_triton()
    skipped_graphs.install()
    tile_choices.install()
    after_import("torch._inductor.runtime.cache_dir_utils", _choose_cache)
    after_import("torch._dynamo.device_interface", _tell_dynamo)
    after_import("torch._inductor.codegen.common", _tell_inductor)
    after_import("torch._inductor.graph", _keep_layouts)
    after_import("torch._inductor.utils", lambda utils: utils.GPU_TYPES.append(NAME))
    after_import("torch._inductor.runtime.benchmarking", _tell_benchmarks)
    after_import("torch.nn.attention.flex_attention", _tell_flex_attention)
    after_import("torch._inductor.kernel.flex.flex_decoding", _tell_flex_decoding)
    after_import("torch._inductor.template_heuristics.triton", _tell_templates)


def _choose_cache(_: ModuleType) -> None:
    """A folder for each device, before Inductor first asks for its own."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "inductor" / _target()))


def _keep_layouts(graph: ModuleType) -> None:
    """Our convolutions take channels first; Inductor would turn every image to channels last and back around them."""
    lowering = graph.__dict__["GraphLowering"]
    stock = lowering.decide_layout_opt

    def decide_layout_opt(module: torch.fx.GraphModule, *, is_inference: bool) -> bool:
        forced = graph.__dict__["config"].force_layout_optimization
        if not forced and any(_convolves_here(node) for node in module.graph.nodes):
            return False
        return bool(stock(module, is_inference=is_inference))

    lowering.decide_layout_opt = staticmethod(decide_layout_opt)


def _convolves_here(node: torch.fx.Node) -> bool:
    if node.target is not torch.ops.aten.convolution.default:
        return False
    value = node.args[0].meta.get("val") if isinstance(node.args[0], torch.fx.Node) else None
    return isinstance(value, torch.Tensor) and value.device.type == NAME


def _tell_flex_attention(flex: ModuleType) -> None:
    """It takes a list of devices by name; what it compiles to is Triton's."""
    stock = flex.__dict__["_validate_device"]

    def validate(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> None:
        if query.device.type != NAME:
            stock(query, key, value)

    flex.__dict__["_validate_device"] = validate


def _tell_flex_decoding(decoding: ModuleType) -> None:
    """It asks CUDA how many units there are to split the keys over."""

    def get_split_k(batch: int, heads: int, length: int) -> int:
        return max(2 * supa_module.get_device_properties().multi_processor_count // max(batch * heads, 1), 1)

    decoding.__dict__["get_split_k"] = get_split_k


def _tell_templates(templates: ModuleType) -> None:
    """With max-autotune its products in Triton are tried in the tiles of our own."""
    from supa.libs.blas.product import TILES

    class Configs(templates.BaseConfigHeuristic):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.mm_configs = [
                templates.GemmConfig(one.m, one.n, one.k, one.num_stages, one.num_warps) for one in TILES
            ]

    class Product(templates.MMTemplateConfigMixin, Configs):  # type: ignore[misc, name-defined]
        """Products alone."""

    class SumOfProducts(templates.AddMMConfigMixin, Product):  # type: ignore[misc, name-defined]
        """Products and what is added to them."""

    for template, with_sum in ((templates.mm_template, "addmm"), (templates.bmm_template, "baddbmm")):
        templates.register_template_heuristic(template.uid, NAME)(Product)
        templates.register_template_heuristic(template.uid, NAME, op_name=with_sum)(SumOfProducts)


def _own_up_to_triton() -> None:
    """Torch asks only the devices that it knows whether Triton serves them; ours does. Goes with `GPU_TYPES`."""
    from torch.utils import _triton

    stock = _triton.has_triton

    def has_triton() -> bool:
        return True

    for loaded in list(sys.modules.values()):
        if getattr(loaded, "__dict__", {}).get("has_triton") is stock:
            loaded.has_triton = has_triton  # type: ignore[attr-defined]


def _tell_dynamo(dynamo: ModuleType) -> None:
    class Worker:
        """The device as Inductor's compiling processes see it: they have none."""

        _chosen = 0

        @staticmethod
        def set_device(device: int) -> None:
            Worker._chosen = device

        @staticmethod
        def current_device() -> int:
            return Worker._chosen

        @staticmethod
        def get_device_properties(device: Any = None) -> Any:
            return properties(device)

    class SupaInterface(dynamo.DeviceInterface):  # type: ignore[misc, name-defined]
        """The runtime of compiled programs: streams, events, the current device."""

        device = supa_module.device
        Event = supa_module.Event
        Stream = supa_module.Stream
        current_device = staticmethod(supa_module.current_device)
        set_device = staticmethod(supa_module.set_device)
        device_count = staticmethod(supa_module.device_count)
        stream = staticmethod(supa_module.stream)
        current_stream = staticmethod(supa_module.current_stream)
        set_stream = staticmethod(supa_module.set_stream)
        synchronize = staticmethod(supa_module.synchronize)
        get_device_properties = staticmethod(lambda device=None: properties(device))
        is_available = staticmethod(lambda: True)
        exchange_device = staticmethod(supa_module._exchange_device)
        maybe_exchange_device = staticmethod(supa_module._maybe_exchange_device)
        memory_allocated = staticmethod(supa_module.memory_allocated)
        get_raw_stream = staticmethod(raw_stream)
        is_bf16_supported = staticmethod(lambda including_emulation=False: True)
        is_dtype_supported = staticmethod(lambda dtype, including_emulation=False: True)
        get_compute_capability = staticmethod(lambda device=None: _target())
        is_triton_capable = staticmethod(lambda device=None: True)
        raise_if_triton_unavailable = staticmethod(lambda device=None: None)
        _set_stream_by_id = staticmethod(_choose_stream)

    SupaInterface.Worker = Worker
    dynamo.register_interface_for_device(NAME, SupaInterface)
    for index in range(supa_module.device_count()):
        dynamo.register_interface_for_device(f"{NAME}:{index}", SupaInterface)


def _target() -> str:
    """What Triton compiles for: the device's name and a digest of what it is."""
    from supa.jit.triton_backend import devices

    return devices.name(devices.target(devices.current_number()))


class properties:  # noqa: N801
    """A device's description under the names that Inductor reads; plain numbers, for it sends them to its workers."""

    def __init__(self, device: Any = None) -> None:
        found = supa_module.get_device_properties(device if isinstance(device, (int, str, torch.device)) else None)
        self.name, self.total_memory = found.name, found.total_memory
        self.multi_processor_count = max(found.multi_processor_count, _ENOUGH_UNITS)
        self.major, self.minor = found.major, found.minor
        self.regs_per_multiprocessor = found.regs_per_multiprocessor
        self.max_threads_per_multi_processor = found.max_threads_per_multi_processor
        self.max_threads_per_block = found.max_threads_per_block
        self.warp_size = found.warp_size
        self.gcnArchName = found.name


class _Stream:
    """What compiled programs hand Triton's launcher as the stream. They ask for it once and launch later: whether
    launches run or are measured is decided then.
    """

    @staticmethod
    def launch(kernel: Any, grid_x: int, grid_y: int, grid_z: int, slots: bytes) -> None:
        from supa.jit.triton_backend.measuring import current_meter

        meter = current_meter(0)
        if meter is None:
            kernel(grid_x, grid_y, grid_z, slots)
        else:
            meter.launch(kernel, grid_x, grid_y, grid_z, slots)


_stream = _Stream()


def raw_stream(device: int) -> Any:
    """The stream of compiled programs."""
    return _stream


def _choose_stream(stream_id: int, device_index: int, device_type: int) -> None:
    supa_module.set_stream(torch.Stream(stream_id=stream_id, device_index=device_index, device_type=device_type))


def _refuse_cpp(*_: Any, **__: Any) -> str:
    raise NotImplementedError(
        f"programs in C++ (AOTInductor, cpp_wrapper) are not made for {NAME}: use torch.compile, or torch.export "
        "and run what it gives"
    )


def _tell_inductor(common: ModuleType) -> None:
    class Overrides(common.DeviceOpOverrides):  # type: ignore[misc, name-defined]
        """Lines of Python that compiled programs contain."""

        def import_get_raw_stream_as(self, name: str) -> str:
            return f"from supa.frameworks.torch.inductor import raw_stream as {name}"

        def set_device(self, device_idx: int) -> str:
            return f"torch.supa.set_device({device_idx})"

        def synchronize(self) -> str:
            return "torch.supa.synchronize()"

        def device_guard(self, device_idx: int) -> str:
            return f"torch.supa.device({device_idx})"

        def current_stream(self) -> str:
            return "torch.supa.current_stream()"

    for name in vars(common.DeviceOpOverrides):
        if name.startswith(_CPP) and name not in vars(Overrides):
            setattr(Overrides, name, _refuse_cpp)
    common.register_device_op_overrides(NAME, Overrides())
    os.environ.setdefault("SUPA_DEVICE", clock.devices[0].description.name)  # for the processes that compile


def _tell_benchmarks(benchmarking: ModuleType) -> None:
    def benchmark(self: Any, call: Callable[[], Any], *, warmup: int = 0, rep: int = 0, **_: Any) -> float:
        return device_ms(call)

    benchmarking.register_benchmarker(NAME, benchmark)


def device_ms(call: Callable[[], Any]) -> float:
    """Milliseconds of the device for what `call` does: its Triton kernels, priced and not run, and torch's operators by
    the clock. Infinity where nothing of it has a price (torch's operators in mode execute): such a choice is not made.
    """
    from supa.jit.triton_backend.measuring import PS_PER_MS, metered

    begun_ps = sum(device.synchronize() for device in clock.devices)
    meter = metered(call)
    took_ps = meter.time_ps + sum(device.synchronize() for device in clock.devices) - begun_ps
    return took_ps / PS_PER_MS if took_ps else math.inf
