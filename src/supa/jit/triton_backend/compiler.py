"""Triton's back end for the device: its front end and TTIR passes run unmodified, our compiler does the rest.

Two stages: `ttir`, Triton's own target-independent pipeline, and `supa`, a serialised `Program`, which Triton keeps in
its disk cache. Not here: the device in use and launches (`driver`). Triton expects one `BaseBackend` in this module.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import triton
from triton import knobs
from triton._C.libtriton import ir, passes
from triton.backends.compiler import BaseBackend, GPUTarget, Language

from supa.base.errors import UnsupportedError
from supa.jit.triton_backend.options import KernelOptions, parse_options

_SMALLEST_DOT = (1, 1, 1)


class SupaBackend(BaseBackend):  # type: ignore[misc]
    """Compiles for a device of the process, which `devices.name` reads from a target."""

    binary_ext = "supa"

    @staticmethod
    def supports_target(target: GPUTarget) -> bool:
        """Whether the target is one of ours."""
        from supa.jit.triton_backend.devices import is_ours

        return is_ours(target)

    def hash(self) -> str:
        """What compiled code depends on besides the kernel: our sources, the host processor, the numerics, and the kind
        of device that kernels are told, for they may branch on it."""
        from supa.jit.triton_backend import devices, lowering

        return f"{self.target.backend}-{triton.__version__}-{lowering.key(devices.name(self.target))}"

    def parse_options(self, options: dict[str, Any]) -> KernelOptions:
        """The options of a launch."""
        from supa.jit.triton_backend.devices import name

        return parse_options(options, name(self.target), knobs.language.default_fp_fusion)

    def pack_metadata(self, metadata: Any) -> tuple[int, int, int]:
        """What the launcher gets of a kernel's metadata."""
        return metadata.num_warps, metadata.num_ctas, metadata.shared

    def get_codegen_implementation(self, options: KernelOptions) -> dict[str, Callable[..., Any]]:
        """Hooks of Triton's front end: a dot of any size is accepted; fp8e4b15 converts as on NVIDIA's chips."""
        from triton.language.extra.cuda.utils import convert_custom_float8_sm80

        return {
            "min_dot_size": lambda left, right: _SMALLEST_DOT,
            "convert_custom_types": convert_custom_float8_sm80,
        }

    def get_module_map(self) -> dict[str, ModuleType]:
        """Our libdevice in the place of Triton's interface, and of its CUDA module."""
        from supa.jit.triton_backend import libdevice

        names = ("triton.language.extra.libdevice", "triton.language.extra.cuda.libdevice")
        return dict.fromkeys(names, libdevice)

    def load_dialects(self, context: Any) -> None:
        """TTIR needs no dialect of ours."""

    def add_stages(self, stages: dict[str, Callable[..., Any]], options: KernelOptions, language: Language) -> None:
        """Fill in the stages; Gluon programs address NVIDIA's or AMD's hardware and are refused."""
        if language != Language.TRITON:
            raise UnsupportedError(
                "a Gluon kernel: it is written for the layouts of another vendor's hardware", hint="use triton.language"
            )
        stages["ttgir"] = lambda module, metadata: (
            module
        )  # before "ttir": a file of it runs what follows, kernels do not
        stages["ttir"] = lambda module, metadata: _ttir(module)
        stages["supa"] = lambda module, metadata: _binary(module, metadata, options)


def _ttir(module: Any) -> Any:
    """Triton's target-independent passes."""
    manager = ir.pass_manager(module.context)
    manager.enable_debug()
    passes.common.add_inliner(manager)
    if hasattr(passes.ttir, "add_rewrite_tensor_pointer"):  # gone in Triton 3.8
        passes.ttir.add_rewrite_tensor_pointer(manager)
    passes.common.add_canonicalizer(manager)
    passes.ttir.add_combine(manager)
    passes.ttir.add_reorder_broadcast(manager)
    passes.common.add_cse(manager)
    passes.ttir.add_triton_licm(manager)
    passes.common.add_symbol_dce(manager)
    passes.ttir.add_loop_unroll(manager)
    manager.run(module, "make_ttir")
    return module


def _binary(module: Any, metadata: dict[str, Any], options: KernelOptions) -> bytes:
    from supa.jit.triton_backend import lowering
    from supa.jit.triton_backend.devices import description
    from supa.jit.triton_backend.generic_form import generic_text
    from supa.program.serialize import dumps

    program = lowering.lower(generic_text(module), options)
    metadata["name"] = program.name
    # Tiles that exceed a block's shared memory stream through the load-store cache: slower, never refused.
    limit = description(options.arch).chip.lsc.shared_per_block_bytes
    metadata["shared"] = min(program.resources.shared_bytes, limit)
    metadata["compile_seconds"] = program.compile_seconds
    return dumps(program)
