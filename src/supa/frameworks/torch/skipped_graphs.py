"""Compiled programs whose launches torch would capture in graphs: they go without, and say so once.

`mode="reduce-overhead"` and `backend="cudagraphs"` launch kernel by kernel, and the clock prices each launch. Inductor
itself leaves graphs out without a word, or with words about several devices. Not here: graphs that a program captures
itself (`graphs`).
"""

from __future__ import annotations

import warnings
from functools import cache
from types import ModuleType
from typing import Any

import torch

from supa.frameworks.torch.after_import import after_import
from supa.frameworks.torch.registration import NAME

REASON = f"compiled programs launch kernel by kernel on {NAME}: no graphs are captured of them"


def install() -> None:
    """Speak up as soon as torch's compiler is imported."""
    after_import("torch._inductor.output_code", _watch_programs)
    after_import("torch._inductor.cudagraph_utils", _give_the_reason)


@cache
def _say() -> None:
    warnings.warn(REASON, UserWarning, stacklevel=3)


def _watch_programs(output_code: ModuleType) -> None:
    program = output_code.CompiledFxGraph
    stock = program.post_compile

    def post_compile(self: Any, *args: Any, **kwargs: Any) -> Any:
        if NAME in self.device_types and output_code.config.triton.cudagraphs:
            _say()
        return stock(self, *args, **kwargs)

    program.post_compile = post_compile


def _give_the_reason(graphs: ModuleType) -> None:
    stock = graphs.check_multiple_devices_or_any_cpu_nodes

    def check(nodes: dict[torch.device, torch.fx.Node]) -> str | None:
        return REASON if any(device.type == NAME for device in nodes) else stock(nodes)

    graphs.__dict__["check_multiple_devices_or_any_cpu_nodes"] = check
