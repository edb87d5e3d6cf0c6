"""`supa price`: a table of operations, each priced on the device that its row names. Not here: `timing.outline`."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from supa.arch import Device
from supa.arch import load as described
from supa.base.errors import SupaError
from supa.timing import outline
from supa.timing.library import Library
from supa.timing.outline import Estimate, Heads, Outline
from supa.timing.spread import spread
from supa.tools.collecting import rests_on_assumptions

Row = Mapping[str, str]
Model = Literal["outline", "machine"]
Operations = Outline | Library
"""Closed forms with a search of schedules, or the best of those schedules walked on the event-driven machine."""

ADDED = ("predicted_us", "predicted_j", "bound_by")
RANGE = ("predicted_low_us", "predicted_high_us")  # where a row's device rests on assumptions


def price(workload: str, table: Path, out: Path, chips: Path | None, model: Model = "outline") -> int:
    """Read `table`, price each row as `workload`, write it with `ADDED` to `out`; returns an exit code.

    With a device in it most of whose figures are assumed, every row has its `RANGE` too.
    """
    workload = _named(workload)
    try:
        with open(table, newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise SupaError(f"price: {table}: {error.strerror}") from error
    if not rows:
        raise SupaError(f"price: {table}: no rows; expected a line of column names and one a row")
    devices = {_file(row["device"], chips) for row in rows if row.get("device")}
    assumed = any(rests_on_assumptions(_load(device)) for device in devices)
    priced = [_priced(workload, row, f"{table}:{line}", chips, model) for line, row in enumerate(rows, 2)]
    with open(out, "w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], *ADDED, *(RANGE if assumed else ())], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(priced)
    print(f"{len(priced)} rows priced: {out}")
    return 0


def _named(workload: str) -> str:
    """A workload by its name or by that of a table of such rows ("gemm_bf16")."""
    for name in WORKLOADS:
        if workload.startswith(name):
            return name
    raise SupaError(f"price: unknown workload {workload!r}: expected one of {', '.join(WORKLOADS)}")


def estimate(workload: str, row: Row, chips: Path | None = None, model: Model = "outline") -> Estimate:
    """The price of one row; `KeyError` for a missing column, `ValueError` for one that is no number."""
    return WORKLOADS[workload](_operations(_file(row["device"], chips), _format(row), model), row)


def _file(device: str, chips: Path | None) -> str:
    """The description that a row names: beside the table's chips, or in the catalogue."""
    beside = chips / f"{device}.toml" if chips else None
    return str(beside) if beside and beside.is_file() else device


def _priced(workload: str, row: Row, place: str, chips: Path | None, model: Model) -> dict[str, str]:
    try:
        found = estimate(workload, row, chips, model)
    except KeyError as error:
        raise SupaError(f"price: {place}: workload {workload} needs a column {error}") from error
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise SupaError(f"price: {place}: {error}") from error
    faster, slower = spread(_load(_file(row["device"], chips)), found.bound_by)
    added = (f"{found.time_us:.3f}", f"{found.energy_j:.6g}", found.bound_by)
    ends = (f"{found.time_us * (1 - faster):.3f}", f"{found.time_us * (1 + slower):.3f}")
    return {**row, **dict(zip((*ADDED, *RANGE), (*added, *ends), strict=True))}


def _format(row: Row) -> str:
    """The matrix format of a row's elements; tables without a dtype are of 16-bit elements."""
    named = (row.get("dtype") or "bf16").lower()
    return {"fp16": "fp16", "float16": "fp16", "half": "fp16"}.get(named, "bf16")


@cache
def _load(device: str) -> Device:
    return described(device)


@cache
def _operations(device: str, tensor_format: str, model: Model) -> Operations:
    found = _load(device)
    if model == "machine":
        return Library.of(found, tensor_format)
    return Outline(rates=outline.rates(found, tensor_format))


def _whole(row: Row, *names: str) -> list[int]:
    return [int(row[name]) for name in names]


def _gemm(operations: Operations, row: Row) -> Estimate:
    return operations.gemm(*_whole(row, "m", "n", "k"))


def _attention(operations: Operations, row: Row) -> Estimate:
    names = ("batch", "new_tokens", "past_tokens", "heads", "kv_heads", "head_dim")
    return operations.attention(Heads(**dict(zip(names, _whole(row, *names), strict=True))))


def _collective(operations: Operations, row: Row) -> Estimate:
    return operations.collective(row["op"], *_whole(row, "gpus", "bytes"))  # type: ignore[arg-type]


def _layer(operations: Operations, row: Row) -> Estimate:
    rule = LAYER_OPS.get(row["op"])
    if rule is None:
        raise ValueError(f"unknown layer op {row['op']!r}: expected one of {', '.join(LAYER_OPS)}")
    return rule(operations, _Layer(row))


class _Layer:
    """One transformer layer's sizes on one device of a tensor-parallel group."""

    def __init__(self, row: Row) -> None:
        self.tokens, self.hidden, parts, heads, kv_heads, ffn = _whole(
            row, "tokens", "hidden", "tensor_parallel", "heads", "kv_heads", "ffn_hidden"
        )
        self.heads, self.kv_heads = max(heads // parts, 1), max(kv_heads // parts, 1)
        self.head_dim = self.hidden // heads
        self.ffn = ffn // parts
        self.gated = row.get("gated_mlp", "True").lower() in ("true", "1", "yes")


def _kernel_only(operations: Operations, m: int, n: int, k: int) -> Estimate:
    """A product as profilers report it: from the first block to the end's notice."""
    found = operations.gemm(m, n, k)
    rates = operations.rates
    before = rates.launch_s - rates.notice_s
    time = found.time_s - before
    return Estimate(
        time_s=time, energy_j=found.energy_j - rates.static_w * before, bound_by=found.bound_by,
        schedule=found.schedule,
    )  # fmt: skip


LAYER_OPS: Mapping[str, Callable[[Operations, _Layer], Estimate]] = {
    "add": lambda o, x: o.stream(x.tokens * x.hidden, inputs=2),
    "input_layernorm": lambda o, x: o.norm(x.tokens, x.hidden),
    "post_attention_layernorm": lambda o, x: o.norm(x.tokens, x.hidden),
    "mlp_act": lambda o, x: o.gated(x.tokens, x.ffn, inputs=2 if x.gated else 1),
    "attn_rope": lambda o, x: o.rotary(x.tokens, x.heads, x.kv_heads, x.head_dim),
    "attn_pre_proj": lambda o, x: _kernel_only(o, x.tokens, (x.heads + 2 * x.kv_heads) * x.head_dim, x.hidden),
    "attn_post_proj": lambda o, x: _kernel_only(o, x.tokens, x.hidden, x.heads * x.head_dim),
    "mlp_up_proj": lambda o, x: _kernel_only(o, x.tokens, x.ffn * (2 if x.gated else 1), x.hidden),
    "mlp_down_proj": lambda o, x: _kernel_only(o, x.tokens, x.hidden, x.ffn),
}

ELEMENTWISE: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("add", "sub", "rsub"), (2, -1)),
    **dict.fromkeys(("mul", "pow", "rsqrt"), (1, -1)),
    **dict.fromkeys(("ge", "gt", "le", "ne"), (2, 1)),
    "isnan": (1, 1),
    **dict.fromkeys(("sum", "mean", "prod", "max", "min"), (1, 0)),
}
"""Op -> tensors read, bytes of a result's element: -1 as the operand's, 0 where all is reduced to one value."""


def _elementwise(operations: Operations, row: Row) -> Estimate:
    if row["op"] not in ELEMENTWISE:
        raise ValueError(f"unknown element-wise op {row['op']!r}: expected one of {', '.join(ELEMENTWISE)}")
    inputs, result = ELEMENTWISE[row["op"]]
    unit, _, count = row["shape"].partition(":")
    if unit not in ("Melements", "M") or not count.strip().isdigit():
        raise ValueError(f"shape: expected 'Melements: N' for a tensor (N, 1024, 1024), found {row['shape']!r}")
    width = DTYPE_BYTES[row["dtype"].upper()]
    return operations.stream(int(count) << 20, inputs=inputs, width=width, result=width if result < 0 else result)


DTYPE_BYTES: Mapping[str, int] = {"FP32": 4, "FP16": 2, "BF16": 2}

WORKLOADS: Mapping[str, Callable[[Operations, Row], Estimate]] = {
    "gemm": _gemm,
    "attention_prefill": _attention,
    "attention_decode": _attention,
    "llm_layer_ops": _layer,
    "collectives": _collective,
    "elementwise": _elementwise,
}
