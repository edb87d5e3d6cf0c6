"""`triton.language.extra.libdevice` for this device: every name that Triton's own CUDA module offers. Not here: the
arithmetic (each function is named after its scalar function in `ir.functions`, as `__supa_<function>`) and the names
that are combinations of others (`libdevice_composed`).

Accepted types are those of CUDA's libdevice; functions of fp32 take fp16 and bf16 too, as other vendors' libraries do,
and round once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from triton.language import core
from triton.runtime.jit import JITFunction

from supa.ir.functions import FUNCTIONS, SYMBOL_PREFIX
from supa.jit.triton_backend import libdevice_composed as composed

_FLOATS = ("fp32", "fp64")
_INTS = ("int32", "int64")
_UNSIGNED = ("uint32", "uint64")
_NARROW = (core.float16, core.bfloat16)


def _function(
    name: str, *variants: tuple[str, tuple[str, ...]], result: str = "", integer_power: bool = False
) -> Callable[..., Any]:
    """The builtin `name`: for each (scalar function, types) one symbol a type; `result` converts what comes out."""
    arity = FUNCTIONS[variants[0][0]].arity
    table = {
        (core.dtype(type_),) * arity: (
            SYMBOL_PREFIX + function,
            core.int1 if FUNCTIONS[function].result == "i1" else core.dtype(type_),
        )
        for function, types in variants
        for type_ in types
    }
    return _builtin(name, arity, table, result, integer_power)


def _builtin(
    name: str, arity: int, table: dict[tuple[Any, ...], tuple[str, Any]], result: str = "", integer_power: bool = False
) -> Callable[..., Any]:
    """The builtin `name` that calls the symbol that `table` has for its arguments' types."""

    def call(*arguments: Any, _semantic: Any = None) -> Any:
        if len(arguments) != arity:
            raise TypeError(f"libdevice.{name} takes {arity} arguments, found {len(arguments)}")
        tensors = [_semantic.to_tensor(argument) for argument in arguments]
        if integer_power and tensors[1].dtype == core.int32:
            tensors[1] = tensors[1].to(tensors[0].dtype, _semantic=_semantic)
        found = tuple(tensor.dtype for tensor in tensors)
        narrow = found[0] if found[0] in _NARROW and set(found) <= {found[0], core.int32} else None
        if narrow is not None:
            tensors = [
                tensor.to(core.float32, _semantic=_semantic) if tensor.dtype == narrow else tensor for tensor in tensors
            ]
        if tuple(tensor.dtype for tensor in tensors) not in table:
            expected = " or ".join(str(types[0]) for types in table)
            raise TypeError(
                f"libdevice.{name} takes {expected}, found {', '.join(map(str, found))}; convert with .to()"
            )
        value = core.extern_elementwise("", "", tensors, table, is_pure=True, _semantic=_semantic)
        if narrow is not None and value.dtype == core.float32:
            value = value.to(narrow, _semantic=_semantic)
        return value.to(core.dtype(result), _semantic=_semantic) if result else value

    call.__name__ = call.__qualname__ = name
    return core.extern(call)  # type: ignore[no-any-return]


def _floats(name: str, function: str = "", types: tuple[str, ...] = _FLOATS, result: str = "") -> Callable[..., Any]:
    return _function(name, (function or name, types), result=result)


def _directed(stem: str, mode: str) -> Callable[..., Any]:
    """Arithmetic that rounds toward zero, down or up."""
    name, arity = f"{stem}_{mode}", _DIRECTED[stem]
    table = {(core.dtype(type_),) * arity: (SYMBOL_PREFIX + name, core.dtype(type_)) for type_ in _FLOATS}
    return _builtin(name, arity, table)


def _converting(stem: str, before: str, after: str, mode: str) -> Callable[..., Any]:
    """A conversion that rounds toward zero, down or up."""
    name = f"{stem}_{mode}"
    return _builtin(name, 1, {(core.dtype(before),): (SYMBOL_PREFIX + name, core.dtype(after))})


_SAME_NAME = (
    "floor ceil trunc rsqrt exp2 sqrt round rint sin cos tan sinpi cospi log2 exp exp10 cosh sinh tanh atan2 atan "
    "asin acos log log10 log1p acosh asinh atanh expm1 hypot rhypot cbrt rcbrt j0 j1 y0 y1 cyl_bessel_i0 "
    "cyl_bessel_i1 erf erfinv erfc erfcx erfcinv normcdfinv normcdf lgamma tgamma fdim logb copysign nextafter "
    "remainder fma isnan isinf "
)
_OTHER_NAME = {
    "fmod": "frem", "nearbyint": "rint", "sqrt_rn": "sqrt", "rsqrt_rn": "rsqrt", "fma_rn": "fma",
    "add_rn": "fadd", "sub_rn": "fsub", "mul_rn": "fmul", "div_rn": "fdiv",
    "fast_dividef": "fdiv", "fast_sinf": "sin", "fast_cosf": "cos", "fast_tanf": "tan", "fast_log2f": "log2",
    "fast_logf": "log", "fast_log10f": "log10", "fast_expf": "exp", "fast_tanhf": "tanh",
    "fast_exp10f": "exp10", "fast_powf": "pow",
    "finitef": "isfinite", "isfinited": "isfinite",
}  # fmt: skip
_ONLY = {"finitef": ("fp32",), "isfinited": ("fp64",), "rsqrt_rn": ("fp32",)}
_DIRECTED = {"add": 2, "sub": 2, "mul": 2, "div": 2, "fma": 3, "rcp": 1, "sqrt": 1}
"""Arithmetic with a direction of rounding -> how many arguments it takes."""
_CONVERSIONS = {
    "double2float": ("fp64", "fp32"), "int2float": ("int32", "fp32"), "uint2float": ("uint32", "fp32"),
    "ll2float": ("int64", "fp32"), "ull2float": ("uint64", "fp32"), "ll2double": ("int64", "fp64"),
    "ull2double": ("uint64", "fp64"),
}  # fmt: skip
"""Conversions that may round, and have a direction -> from what to what."""
_MODES = ("rz", "rd", "ru")

globals().update(
    {name: value for name, value in vars(composed).items() if isinstance(value, JITFunction) and name[0] != "_"}
)
globals().update({name: _floats(name) for name in _SAME_NAME.split()})
globals().update(
    {
        name: _floats(name, function, types=_ONLY.get(name, ("fp32",) if name.startswith("fast_") else _FLOATS))
        for name, function in _OTHER_NAME.items()
    }
)
globals().update({f"{stem}_{mode}": _directed(stem, mode) for stem in _DIRECTED for mode in _MODES})
globals().update(
    {f"{stem}_{mode}": _converting(stem, *types, mode) for stem, types in _CONVERSIONS.items() for mode in _MODES}
)

pow = _function("pow", ("pow", _FLOATS), integer_power=True)
signbit = _floats("signbit", result="int32")
abs = _function("abs", ("abs", _INTS), ("fabs", _FLOATS))
clz = _function("clz", ("clz", _INTS), result="int32")
popc = _function("popc", ("popcount", _INTS), result="int32")
ffs = _function("ffs", ("ffs", _INTS), result="int32")
brev = _function("brev", ("brev", _INTS))
mulhi = _function("mulhi", ("mulhi_s", _INTS), ("mulhi_u", _UNSIGNED))
double2float_rn = int2float_rn = uint2float_rn = ll2float_rn = ull2float_rn = composed.to_float
int2double_rn = uint2double_rn = ll2double_rn = ull2double_rn = composed.to_double
