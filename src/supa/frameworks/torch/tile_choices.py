"""Which of Inductor's tiles for a kernel are compiled and priced where the user did not ask for tuning.

Inductor offers up to six tiles a kernel; to compile and price all of them is most of a model's compile time, and few
differ. The best two by how far they run along memory are kept (`tiling_scores` are the bytes that Inductor's analysis
finds side by side along each dimension), and one where there is one dimension only. With max-autotune all are tried.
Not here: products' tiles (`inductor`), prices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from supa.frameworks.torch.after_import import after_import
from supa.frameworks.torch.registration import NAME

MOST = 2
_LONG_RUN = 64  # elements side by side; longer runs of memory are no better
_TUNED = ("max_autotune", "max_autotune_pointwise")


def install() -> None:
    """Choose as soon as Inductor's heuristics are imported, in the processes that compile too."""
    after_import("torch._inductor.runtime.triton_heuristics", _choose_few)


def few(configs: Sequence[Any], sizes: Mapping[str, int], scores: Mapping[str, int]) -> list[Any]:
    """The configurations worth compiling, in their order."""
    if len(sizes) == 1:
        return list(configs[:1])
    ranked = sorted(range(len(configs)), key=lambda index: (-_reach(configs[index].kwargs, sizes, scores), index))
    return [configs[index] for index in sorted(ranked[:MOST])]


def _reach(blocks: Mapping[str, int], sizes: Mapping[str, int], scores: Mapping[str, int]) -> float:
    """The bytes side by side, each weighed by how much of a long run the tile's extent along its dimension is."""
    extents = {name: blocks.get(f"{name.upper()}BLOCK", size) for name, size in sizes.items()}
    return sum(score * min(extents.get(name, 1), _LONG_RUN) / _LONG_RUN for name, score in scores.items())


def _choose_few(heuristics: ModuleType) -> None:
    stock = heuristics.__dict__["cached_autotune"]
    types = heuristics.HeuristicType
    chosen = {types.POINTWISE, types.REDUCTION, types.PERSISTENT_REDUCTION}

    def cached_autotune(
        size_hints: Any, configs: list[Any], triton_meta: Any, heuristic_type: Any, *args: Any, **kwargs: Any
    ) -> Any:
        meta = kwargs.get("inductor_meta") or {}
        ours = heuristic_type in chosen and size_hints and triton_meta["device"].type == NAME
        if ours and len(configs) > 1 and not any(meta.get(one) for one in _TUNED):
            configs = few(configs, size_hints, meta.get("tiling_scores") or {})
        return stock(size_hints, configs, triton_meta, heuristic_type, *args, **kwargs)

    heuristics.__dict__["cached_autotune"] = cached_autotune
