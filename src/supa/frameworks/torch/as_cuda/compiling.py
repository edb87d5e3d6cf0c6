"""`torch.compile` of programs that say "cuda": graphs reach the compiler with `supa` in the place of it.

Not here: the compiler's own view of the device (`inductor`).
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import torch

from supa.frameworks.torch.after_import import after_import
from supa.frameworks.torch.as_cuda.arguments import ours


def install() -> None:
    """Act as soon as torch imports its compiler."""
    after_import("torch._subclasses.fake_tensor", _tell_fake_tensors)
    after_import("torch._inductor.compile_fx", _tell_inductor)


def _tell_fake_tensors(module: ModuleType) -> None:
    stock = module.FakeTensor.__new__

    @functools.wraps(stock)
    def new(cls: Any, *args: Any, **options: Any) -> Any:
        return stock(cls, *map(ours, args), **{name: ours(value) for name, value in options.items()})

    module.FakeTensor.__new__ = new


def _tell_inductor(module: ModuleType) -> None:
    stock = module.compile_fx

    @functools.wraps(stock)
    def compile_fx(model: Any, *args: Any, **options: Any) -> Any:
        if isinstance(model, torch.fx.GraphModule):
            rename(model)
        return stock(model, *args, **options)

    module.compile_fx = compile_fx


def rename(model: torch.fx.GraphModule) -> None:
    """Every "cuda" in a graph and the graphs in it becomes ours."""
    for one in model.modules():
        if isinstance(one, torch.fx.GraphModule):
            for node in one.graph.nodes:
                node.args = torch.fx.node.map_aggregate(node.args, ours)
                node.kwargs = torch.fx.node.map_aggregate(node.kwargs, ours)
            one.recompile()
