"""Triton's driver for the device: which device is current, loading of kernels, launches, benchmarks, device properties.

Not here: compiling (`compiler`), the device itself (`runtime`). Triton expects one `DriverBase` in this module.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase

from supa.jit.sanitizer.settings import kinds
from supa.jit.triton_backend.do_bench import install
from supa.jit.triton_backend.neighbours import other_drivers

NAME = "supa"
_CPP_TYPES = {
    **{f"{sign}{bits}": f"{'u' * (sign == 'u')}int{bits}_t" for sign in "iu" for bits in (8, 16, 32, 64)},
    "i1": "int8_t", "u1": "uint8_t", "fp16": "double", "bf16": "double", "fp32": "double", "f32": "double",
    "fp64": "double",
}  # fmt: skip

if os.environ.get("SUPA_DEVICE"):  # asked for by name: it goes before a GPU that is present
    os.environ.setdefault("TRITON_DEFAULT_BACKEND", NAME)
install()
if kinds():  # before the program makes its first tensor
    from supa.jit.sanitizer.process import begin

    begin()


class SupaDriver(DriverBase):  # type: ignore[misc]
    """The process's virtual devices, one of which is current."""

    def __init__(self) -> None:
        from supa.jit.triton_backend import devices
        from supa.jit.triton_backend.cache_folder import keep_private
        from supa.jit.triton_backend.launching import make_launcher
        from supa.jit.triton_backend.measuring import current_meter, do_bench
        from supa.jit.triton_backend.quick_launch import install as launch_quickly
        from supa.jit.triton_backend.remembered_digests import install as remember_digests

        keep_private(Path(knobs.cache.dir), is_default="TRITON_CACHE_DIR" not in os.environ)
        remember_digests(Path(knobs.cache.dir))
        launch_quickly(SupaDriver)
        self.do_bench = do_bench
        self.utils = KernelLoader()
        self.launcher_cls = make_launcher
        self.get_current_device: Callable[[], int] = devices.current_number
        self.get_current_stream: Callable[[int], Any] = current_meter

    @classmethod
    def is_active(cls) -> bool:
        """Whether this driver serves the process: it was asked for, or no other one has a device."""
        if os.environ.get("TRITON_DEFAULT_BACKEND") == NAME:
            return True
        return not other_drivers()

    def get_current_target(self) -> GPUTarget:
        """What kernels are compiled for."""
        from supa.jit.triton_backend import devices

        if os.environ.get("SUPA_AS_CUDA", "") not in ("", "0") and devices.presented() is None:
            self.get_active_torch_device()  # torch brings its device at the first use, and that says what it stands for
        return devices.target(devices.current_number())

    def set_current_device(self, number: int) -> None:
        """Make the device of a number the current one."""
        from supa.jit.triton_backend import devices
        from supa.runtime import set_current_device

        set_current_device(devices.device(number))

    def get_active_torch_device(self) -> Any:
        """The `torch.device` of kernels' tensors."""
        from supa.jit.triton_backend.torch_device import active_torch_device

        return active_torch_device()

    def get_device_interface(self) -> Any:
        """Events and synchronisation on the device's clock."""
        from supa.jit.triton_backend.interface import DeviceInterface

        return DeviceInterface()

    def map_python_to_cpp_type(self, ty: str) -> str:
        """The C++ type of an argument that Triton names `ty`."""
        return "void *" if ty[0] == "*" or ty.startswith("tensordesc") else _CPP_TYPES[ty]

    def get_benchmarker(self) -> Callable[..., Any]:
        """How `@triton.autotune` measures: by the predicted time of one launch."""
        from supa.jit.triton_backend.measuring import tuning_time

        return tuning_time

    def get_empty_cache_for_benchmark(self) -> None:
        """Nothing: every launch is priced with a cold L2."""

    def clear_cache(self, cache: None) -> None:
        """Nothing, as above."""


class KernelLoader:
    """Triton's `driver.utils`: compiled bytes into kernels, and what the device holds for them."""

    def load_binary(self, name: str, binary: bytes, shared: int, number: int) -> tuple[Any, Any, int, int, int]:
        """(program, kernel, registers per thread, spilled bytes, largest number of threads) of a serialised program.

        Raises `ProgramFormatError` for bytes that are none, `DeviceError` for code of another machine.
        """
        from supa.jit.triton_backend import devices
        from supa.program.serialize import loads

        program = loads(binary)
        device = devices.device(number)
        limits = self.get_device_properties(number)
        registers = program.resources.registers_per_thread
        return program, device.kernel(program), registers, 0, limits["max_threads_per_block"]

    def get_device_properties(self, number: int) -> dict[str, int]:
        """Limits and sizes of a device under the names that Triton programs look for."""
        from supa.jit.triton_backend import devices
        from supa.jit.triton_backend.properties import properties

        return properties(devices.device(number).description)
