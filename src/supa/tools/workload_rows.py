"""A row of a table as an operation of `timing`: which columns each workload reads. Not here: files, devices, output.

Rules raise `KeyError` for a column that the table lacks and `ValueError`, which says what was expected, for a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from supa.arch import Device
from supa.timing.library import Library
from supa.timing.outline import Estimate, Heads, Outline, half_format

Row = Mapping[str, str]
Operations = Outline | Library
"""Closed forms with a search of schedules, or the best of those schedules walked on the event-driven machine."""

FORMATS: Mapping[str, str] = {
    **dict.fromkeys(("bf16", "bfloat16"), "bf16"),
    **dict.fromkeys(("fp16", "float16", "half", "f16"), "fp16"),
    **dict.fromkeys(("fp32", "float32", "float", "f32"), "fp32"),
    **dict.fromkeys(("fp64", "float64", "double", "f64"), "fp64"),
    "tf32": "tf32",
    **dict.fromkeys(("fp8", "float8", "fp8_e4m3", "fp8_e5m2", "float8_e4m3fn", "float8_e5m2"), "fp8"),
    "int8": "int8",
}
"""A dtype column's word -> the format of products."""

HALVES = ("bf16", "fp16")


def format_of(workload: str, row: Row, device: Device) -> str:
    """The format in which a row's products multiply: its `dtype`, or where it has none the device's of 16 bits.

    Attention and layers are of 16 bits; an element-wise op or a collective has no products.
    """
    named = (row.get("dtype") or "").strip().lower()
    if (workload in ("elementwise", "collectives") and not _is_product(row)) or not named:
        return half_format(device)
    if named not in FORMATS:
        raise ValueError(f"unknown dtype {row['dtype']!r}: expected one of {', '.join(FORMATS)}")
    found = FORMATS[named]
    if workload in ("attention_prefill", "attention_decode", "llm_layer_ops") and found not in HALVES:
        raise ValueError(f"dtype: {workload} is priced for elements of 16 bits (bf16, fp16), found {row['dtype']!r}")
    return found


def _is_product(row: Row) -> bool:
    return row.get("op", "") in PRODUCTS


def _whole(row: Row, *names: str, least: int = 1) -> list[int]:
    found = []
    for name in names:
        text = row[name]
        try:
            value = int(text)
        except (TypeError, ValueError):
            value = least - 1
        if value < least:
            raise ValueError(f"{name}: expected a whole number from {least} on, found {text!r}")
        found.append(value)
    return found


def _gemm(operations: Operations, row: Row) -> Estimate:
    return operations.gemm(*_whole(row, "m", "n", "k"))


def _attention(operations: Operations, row: Row) -> Estimate:
    batch, new_tokens, heads, kv_heads, head_dim = _whole(
        row, "batch", "new_tokens", "heads", "kv_heads", "head_dim"
    )  # fmt: skip
    (past_tokens,) = _whole(row, "past_tokens", least=0)
    if heads % kv_heads:
        raise ValueError(f"heads: expected a multiple of the {kv_heads} kv_heads, found {heads}")
    shape = Heads(
        batch=batch, new_tokens=new_tokens, past_tokens=past_tokens, heads=heads, kv_heads=kv_heads, head_dim=head_dim
    )  # fmt: skip
    return operations.attention(shape)


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
        if heads > self.hidden or ffn < parts:
            raise ValueError(f"heads, ffn_hidden: {heads} heads of {self.hidden}, {ffn} in {parts} parts leave nothing")
        self.heads, self.kv_heads = max(heads // parts, 1), max(kv_heads // parts, 1)
        self.head_dim = self.hidden // heads
        self.ffn = ffn // parts
        self.gated = (row.get("gated_mlp") or "True").lower() in ("true", "1", "yes")


def _kernel_only(operations: Operations, m: int, n: int, k: int) -> Estimate:
    """A product as profilers report it: from the first block to the end's notice."""
    found = operations.gemm(m, n, k)
    rates = operations.rates
    before = rates.launch_s - rates.notice_s
    return replace(found, time_s=found.time_s - before, energy_j=found.energy_j - rates.static_w * before)


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

Stream = tuple[int, int]
ELEMENTWISE: Mapping[str, tuple[Stream, ...]] = {
    **dict.fromkeys(("add", "sub", "rsub"), ((2, -1),)),
    **dict.fromkeys(("mul", "pow", "rsqrt"), ((1, -1),)),
    **dict.fromkeys(("ge", "gt", "le", "ne"), ((2, 1),)),
    "isnan": ((1, 1),),
    **dict.fromkeys(("sum", "mean", "prod", "max", "min"), ((1, 0),)),
    **dict.fromkeys(("relu", "sigmoid"), ((1, -1), (2, -1))),
}
"""Op -> its kernels, forward and backward where the table times both: tensors read, bytes of a result's element, -1 as
the operand's, 0 where all is reduced to one value."""

PRODUCTS: Mapping[str, Callable[[Operations, Mapping[str, int]], Estimate]] = {
    "mm": lambda o, size: o.gemm(size["M"], size["N"], size["K"]),
    "addmm": lambda o, size: o.gemm(size["M"], size["N"], size["K"]),
    "bmm": lambda o, size: o.gemm(size["BS"] * size["M"], size["N"], size["K"]),
    "mv": lambda o, size: o.gemm(size["M"], 1, size["N"]),
}
"""Op of an operator table -> the product of its shape's sizes."""

DTYPE_BYTES: Mapping[str, int] = {"fp32": 4, "fp16": 2, "bf16": 2}


def _elementwise(operations: Operations, row: Row) -> Estimate:
    if _is_product(row):
        return _product(operations, row)
    if row["op"] not in ELEMENTWISE:
        known = ", ".join((*ELEMENTWISE, *PRODUCTS))
        raise ValueError(f"unknown element-wise op {row['op']!r}: expected one of {known}")
    width = DTYPE_BYTES.get(FORMATS.get(row["dtype"].lower(), ""))
    if width is None:
        raise ValueError(f"dtype: expected one of {', '.join(DTYPE_BYTES)}, found {row['dtype']!r}")
    sizes = _sizes(row)
    millions = sizes.get("Melements") or sizes.get("M")
    if not millions or len(sizes) > 1:
        raise ValueError(f"shape: expected 'Melements: N' for a tensor (N, 1024, 1024), found {row['shape']!r}")
    kernels = [
        operations.stream(millions << 20, inputs=inputs, width=width, result=width if result < 0 else result)
        for inputs, result in ELEMENTWISE[row["op"]]
    ]
    time, energy = (sum(getattr(one, name) for one in kernels) for name in ("time_s", "energy_j"))
    return replace(kernels[0], time_s=time, energy_j=energy)


def _product(operations: Operations, row: Row) -> Estimate:
    try:
        return PRODUCTS[row["op"]](operations, _sizes(row))
    except KeyError as error:
        raise ValueError(f"shape: {row['op']} needs {error.args[0]}, found {row['shape']!r}") from error


def _sizes(row: Row) -> dict[str, int]:
    """ "M: 4096;N: 4096" -> {"M": 4096, "N": 4096}."""
    found = {}
    for part in row["shape"].split(";"):
        name, _, number = part.partition(":")
        if not number.strip().isdigit() or int(number) < 1:
            raise ValueError(f"shape: expected 'NAME: SIZE;NAME: SIZE', found {row['shape']!r}")
        found[name.strip()] = int(number)
    return found


WORKLOADS: Mapping[str, Callable[[Operations, Row], Estimate]] = {
    "gemm": _gemm,
    "attention_prefill": _attention,
    "attention_decode": _attention,
    "llm_layer_ops": _layer,
    "collectives": _collective,
    "elementwise": _elementwise,
}
ALIASES: Mapping[str, str] = {"triton_and_native_ops": "elementwise", "attention": "attention_prefill"}
"""Further beginnings of a workload's name."""
