"""Laws of single operators: for PyTorch's own samples (OpInfo) in other forms, the device does what the host does.

A law takes a subject (an OpInfo) and a type and returns how many cases it tried and what differed. The host computes
the same call in the same type; errors are compared by type and message. Not here: plain samples (`opinfo`).
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bench.opinfo import NOT_COMPARED, ONLY_ELSEWHERE, UNORDERED, moved, random, results
from bench.opinfo_rule import compared, first_lines

SAMPLES = 4
MOST_ELEMENTS = 200_000


@dataclass(frozen=True, kw_only=True)
class Law:
    """What is checked of which subjects; `check` returns (cases, failures)."""

    subjects: Callable[[], list[Any]]
    name: Callable[[Any], str]
    check: Callable[[Any, Any], tuple[int, list[str]]]


def _operators() -> list[Any]:
    from torch.testing._internal.common_methods_invocations import op_db

    return [op for op in op_db if not any(word in op.name for word in ONLY_ELSEWHERE)]


def _name(op: Any) -> str:
    return str(op.formatted_name)


def _samples(op: Any, dtype: Any, count: int = SAMPLES, **options: Any) -> list[Any]:
    if dtype not in op.supported_dtypes("cpu"):
        return []
    found = itertools.islice(op.sample_inputs("cpu", dtype, **options), 60)
    return _spread([one for one in found if _elements(one) <= MOST_ELEMENTS], count)


def _spread(samples: list[Any], count: int) -> list[Any]:
    """Some of them, evenly."""
    if len(samples) <= count:
        return samples
    return [samples[number * len(samples) // count] for number in range(count)]


def _elements(sample: Any) -> int:
    import torch
    from torch.utils import _pytree as pytree

    leaves = pytree.tree_leaves((sample.input, sample.args, sample.kwargs))
    return sum(leaf.numel() for leaf in leaves if isinstance(leaf, torch.Tensor))


def _not_compared(op: Any, sample: Any) -> bool:
    return random(op, sample) or any(word in op.name for word in NOT_COMPARED)


def outcome(call: Callable[[], Any]) -> tuple[Any, BaseException | None, list[str]]:
    """What a call returns, what it raises, and what it warns of."""
    import torch

    torch.manual_seed(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            returned, raised = call(), None
        except Exception as error:
            returned, raised = None, error
    return returned, raised, [first_lines(one.message)[:80] for one in caught if issubclass(one.category, UserWarning)]  # type: ignore[arg-type]


def tensors_of(value: Any) -> list[Any]:
    import torch
    from torch.utils import _pytree as pytree

    return [leaf.detach() for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _kinds(error: BaseException) -> str:
    return type(error).__name__


def differs(ours: Callable[[], Any], host: Callable[[], Any], kept: int | None = None, warned: bool = False) -> str:
    """What differs between two calls: results, errors (type and message) and, if asked for, warnings; "" if nothing."""
    expected, refused, told = outcome(host)
    found, raised, said = outcome(ours)
    if isinstance(refused, NotImplementedError) or "not implemented for" in str(refused):
        return "" if raised is None or isinstance(raised, RuntimeError) else _errors_differ(raised, refused)
    if refused is not None or raised is not None:
        return _errors_differ(raised, refused)
    wanted, got = tensors_of(expected), tensors_of(found)
    try:
        compared(got, [], wanted, len(wanted) if kept is None else kept, "result")
    except AssertionError as error:
        return first_lines(error)
    except Exception as error:
        return f"reading the result: {type(error).__name__}: {first_lines(error)}"
    if warned and bool(told) != bool(said):
        return f"warns {said}, the host {told}"
    return ""


def _errors_differ(raised: BaseException | None, refused: BaseException | None) -> str:
    if raised is None:
        return f"not raised: {_kinds(refused)}: {first_lines(refused)}"  # type: ignore[arg-type]
    if refused is None:
        return f"raises {_kinds(raised)}: {first_lines(raised)}"
    if not isinstance(raised, type(refused)) and not isinstance(refused, type(raised)):
        ours, theirs = (f"{_kinds(error)}: {first_lines(error)[:110]}" for error in (raised, refused))
        return f"raises {ours}; the host {theirs}"
    ours, theirs = (
        first_lines(error).replace("supa:0", "cpu").replace("supa", "cpu")[:60] for error in (raised, refused)
    )
    if ours != theirs:
        return f"words: {first_lines(raised)[:110]!r}; the host's: {first_lines(refused)[:110]!r}"
    return ""


def _called(op: Any, sample: Any, device: str, change: Callable[[Any], Any] = lambda one: one) -> Callable[[], Any]:
    inputs, args, kwargs = (change(moved(part, device)) for part in (sample.input, sample.args, sample.kwargs))
    if "device" in kwargs:
        kwargs = {**kwargs, "device": device}
    return lambda: op(inputs, *args, **kwargs)


def _each(samples: list[Any], check: Callable[[Any], str]) -> tuple[int, list[str]]:
    found = []
    for number, sample in enumerate(samples):
        failure = check(sample)
        if failure:
            found.append(f"[{number}] {failure}")
    return len(samples), found


def _kept(op: Any, sample: Any) -> int | None:
    return 0 if _not_compared(op, sample) else UNORDERED.get(op.name)


# Reference inputs


def _reference(op: Any, dtype: Any) -> tuple[int, list[str]]:
    """OpInfo's larger set of inputs, against the host in float64 or in the same type, as plain samples are."""
    if dtype not in op.supported_dtypes("cpu") or op.reference_inputs_func is None:
        return 0, []
    every = itertools.islice(op.reference_inputs("cpu", dtype), 200)
    samples = _spread([one for one in every if _elements(one) <= MOST_ELEMENTS], 6)
    return _each(samples, lambda sample: _as_plain(op, sample, dtype))


def _as_plain(op: Any, sample: Any, dtype: Any) -> str:
    from bench.opinfo import exact_of

    try:
        plain, gradients, _ = results(op, sample, "cpu")
    except Exception:
        return ""
    exact, _ = exact_of(op, sample, dtype, plain, gradients)
    try:
        found, _, _ = results(op, sample, "supa")
        kept = _kept(op, sample)
        compared(found, exact, plain, len(found) if kept is None else kept, "result")
    except Exception as error:
        return f"{type(error).__name__}: {first_lines(error)}"
    return ""


# Views


def _mapped(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import torch
    from torch.utils import _pytree as pytree

    return lambda value: pytree.tree_map(lambda one: change(one) if isinstance(one, torch.Tensor) else one, value)


def strided(tensor: Any) -> Any:
    """The same values, every second element of memory with NaN (or ones) between."""
    import torch

    if not tensor.numel() or tensor.dim() == 0:
        return tensor
    with torch.no_grad():
        filler = torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else torch.ones_like(tensor)
        pair = torch.stack((tensor, filler), -1)
    return pair[..., 0].requires_grad_(tensor.requires_grad)


def turned(tensor: Any) -> Any:
    """The same values with the axes' order in memory reversed."""
    if tensor.dim() < 2:
        return tensor
    axes = tuple(reversed(range(tensor.dim())))
    return tensor.detach().permute(axes).contiguous().permute(axes).requires_grad_(tensor.requires_grad)


def _noncontiguous(op: Any, dtype: Any) -> tuple[int, list[str]]:
    def check(sample: Any) -> str:
        for change in (strided, turned):
            kept = _kept(op, sample)
            found = differs(_called(op, sample, "supa", _mapped(change)), _called(op, sample, "cpu"), kept)
            if found and not _host_differs(op, sample, change):
                return f"{change.__name__}: {found}"
        return ""

    return _each(_samples(op, dtype, 2) if op.name not in ("as_strided", "empty_strided") else [], check)


def _host_differs(op: Any, sample: Any, change: Callable[[Any], Any]) -> bool:
    """Whether the host itself gives another result for another layout."""
    return bool(differs(_called(op, sample, "cpu", _mapped(change)), _called(op, sample, "cpu")))


def _lazy(op: Any, dtype: Any) -> tuple[int, list[str]]:
    """Inputs that are conjugate or negative views."""
    import torch

    forms: list[tuple[str, Callable[[Any], Any]]] = []
    if dtype.is_complex:
        forms.append(("conj", lambda one: one.conj_physical().conj() if one.is_complex() else one))
    forms.append(("neg", lambda one: torch._neg_view(-one) if one.dtype != torch.bool else one))

    def check(sample: Any) -> str:
        for name, form in forms:
            ours, host = (
                _called(op, sample, device, _mapped(lambda one: form(one.detach()))) for device in ("supa", "cpu")
            )
            found = differs(ours, host, _kept(op, sample))
            if found:
                return f"{name}: {found}"
        return ""

    return _each(_samples(op, dtype, 2), check)


# Out and in place


def _out(op: Any, dtype: Any) -> tuple[int, list[str]]:
    if not op.supports_out:
        return 0, []

    def check(sample: Any) -> str:
        expected, refused, _ = outcome(_called(op, sample, "cpu"))
        if refused is not None:
            return ""
        shape = expected if not isinstance(expected, list) else tuple(expected)
        for form in (_as_is, _odd_strides, _other_shape, _empty, _other_type):
            made = {device: form(shape, device) for device in ("supa", "cpu")}

            def call(device: str, made: Any = made) -> Callable[[], Any]:
                inputs, args, kwargs = (moved(part, device) for part in (sample.input, sample.args, sample.kwargs))
                if "device" in kwargs:
                    kwargs["device"] = device
                return lambda: (op(inputs, *args, **kwargs, out=made[device]), made[device])

            found = differs(call("supa"), call("cpu"), _kept(op, sample), warned=form is _other_shape)
            if found:
                return f"{form.__name__.strip('_')}: {found}"
            strides = [[one.stride() for one in tensors_of(made[device])] for device in ("supa", "cpu")]
            if strides[0] != strides[1]:
                return f"{form.__name__.strip('_')}: strides {strides[0]}, the host's {strides[1]}"
        return ""

    return _each(_samples(op, dtype, 2), check)


def _over(value: Any, device: str, make: Callable[[Any], Any]) -> Any:
    import torch
    from torch.utils import _pytree as pytree

    def one(leaf: Any) -> Any:
        return make(leaf.detach()).to(device) if isinstance(leaf, torch.Tensor) else leaf

    if isinstance(value, tuple):
        return tuple(one(leaf) for leaf in value)
    return pytree.tree_map(one, value)


def _as_is(value: Any, device: str) -> Any:
    return _over(value, device, lambda one: one.clone().fill_(1))


def _odd_strides(value: Any, device: str) -> Any:
    import torch

    def make(one: Any) -> Any:
        wide = torch.ones((*one.shape, 2), dtype=one.dtype, device=device)
        return wide[..., 1]

    from torch.utils import _pytree as pytree

    if isinstance(value, tuple):
        return tuple(make(one) for one in value)
    return pytree.tree_map(make, value)


def _other_shape(value: Any, device: str) -> Any:
    import torch

    return _over(value, device, lambda one: torch.ones((*one.shape, 1, 3), dtype=one.dtype))


def _empty(value: Any, device: str) -> Any:
    return _over(value, device, lambda one: one.new_empty(0))


def _other_type(value: Any, device: str) -> Any:
    import torch

    return _over(value, device, lambda one: one.to(torch.int64 if one.is_floating_point() else torch.float64))


def _in_place(op: Any, dtype: Any) -> tuple[int, list[str]]:
    variant = op.inplace_variant
    if variant is None:
        return 0, []

    def check(sample: Any) -> str:
        for change in (lambda one: one, strided):

            def call(device: str, change: Any = change) -> Callable[[], Any]:
                inputs, args, kwargs = (moved(part, device) for part in (sample.input, sample.args, sample.kwargs))
                target = change(inputs) if not isinstance(inputs, (list, tuple)) else inputs
                return lambda: (variant(target, *args, **kwargs), target)

            found = differs(call("supa"), call("cpu"), _kept(op, sample))
            if found:
                return f"{'strided: ' if change is strided else ''}{found}"
        return ""

    return _each(_samples(op, dtype, 3), check)


# Errors


def _errors(op: Any, _: Any) -> tuple[int, list[str]]:
    if op.error_inputs_func is None:
        return 0, []

    def check(one: Any) -> str:
        sample = one.sample_input
        expected = outcome(_called(op, sample, "cpu"))[1]
        found = differs(_called(op, sample, "supa"), _called(op, sample, "cpu"))
        return f"{found} (listed: {one.error_regex[:60]!r})" if found and expected is not None else ""

    return _each(list(itertools.islice(op.error_inputs("cpu"), 40)), check)


# Sizes


def _sizes(op: Any, dtype: Any) -> tuple[int, list[str]]:
    """Samples with an axis of none, and tensors of no axes."""
    import torch

    def emptied(sample: Any) -> Any:
        return lambda one: one.detach()[..., :0] if one.dim() else one.detach()

    def single(sample: Any) -> Any:
        return lambda one: one.detach().flatten()[0] if one.numel() else one.detach()

    def check(sample: Any) -> str:
        for name, form in (("empty", emptied(sample)), ("0-dim", single(sample))):
            found = differs(
                _called(op, sample, "supa", _mapped(form)), _called(op, sample, "cpu", _mapped(form)), _kept(op, sample)
            )
            if found and "words:" not in found:
                return f"{name}: {found}"
        return ""

    del torch
    return _each(_samples(op, dtype, 2), check)


# Mixed types

_MIXED = ("bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64")
_EVERY = 7
"""Of the combinations each operator takes every seventh, another seventh by its name."""


def _binary() -> list[Any]:
    from torch.testing._internal.common_methods_invocations import op_db
    from torch.testing._internal.opinfo.core import BinaryUfuncInfo

    found = [op for op in op_db if isinstance(op, BinaryUfuncInfo)]
    names = ("where", "clamp", "clamp_min", "clamp_max", "lerp", "addcmul", "masked_fill")
    return [*found, *(op for op in op_db if op.name in names and op not in found)]


def _operands(name: str, shape: tuple[int, ...], number: int) -> Any:
    import torch

    generator = torch.Generator().manual_seed(number)
    return torch.randint(1, 4, shape, generator=generator).to(getattr(torch, name))


def _mixed_pairs() -> Iterator[tuple[str, Callable[[str], tuple[Any, Any]]]]:
    for left, right in itertools.product(_MIXED, _MIXED):
        for form, shapes in (("tensors", ((2, 3), (3,))), ("0-dim right", ((2, 3), ())), ("0-dim left", ((), (2, 3)))):
            a, b = _operands(left, shapes[0], 1), _operands(right, shapes[1], 2)
            yield f"{left} {right} {form}", lambda device, a=a, b=b: (a.to(device), b.to(device))
            if form == "0-dim right":
                yield f"{left} {right} host's number right", lambda device, a=a, b=b: (a.to(device), b)
            elif form == "0-dim left":
                yield f"{left} {right} host's number left", lambda device, a=a, b=b: (a, b.to(device))
        if right in ("bool", "int64", "float64", "complex64"):
            a, number = _operands(left, (2, 3), 1), _operands(right, (), 2).item()
            yield f"{left} {right} number", lambda device, a=a, number=number: (a.to(device), number)


def _mixed(op: Any, _: Any) -> tuple[int, list[str]]:
    import torch

    def call(pair: Callable[[str], tuple[Any, Any]], device: str) -> Callable[[], Any]:
        a, b = pair(device)
        if op.name == "where":
            condition = torch.tensor([[True, False, True], [False, True, True]]).to(device)
            return lambda: torch.where(condition, a, b)
        if op.name == "clamp":
            return lambda: torch.clamp(a, min=b)
        if op.name == "lerp":
            return lambda: torch.lerp(a, b, 0.5)
        if op.name == "addcmul":
            return lambda: torch.addcmul(a, b, b)
        if op.name == "masked_fill":
            condition = torch.tensor([[True, False, True], [False, True, True]]).to(device)
            return lambda: torch.masked_fill(a, condition, b)
        return lambda: op.op(a, b)

    found, count = [], 0
    for number, (name, pair) in enumerate(_mixed_pairs()):
        if number % _EVERY != sum(map(ord, op.formatted_name)) % _EVERY:
            continue
        count += 1
        failure = differs(call(pair, "supa"), call(pair, "cpu"))
        if failure:
            found.append(f"{name}: {failure}")
    return count, found


LAWS = {
    "reference": Law(subjects=_operators, name=_name, check=_reference),
    "layouts": Law(subjects=_operators, name=_name, check=_noncontiguous),
    "lazy": Law(subjects=_operators, name=_name, check=_lazy),
    "out": Law(subjects=_operators, name=_name, check=_out),
    "in_place": Law(subjects=_operators, name=_name, check=_in_place),
    "errors": Law(subjects=_operators, name=_name, check=_errors),
    "sizes": Law(subjects=_operators, name=_name, check=_sizes),
    "mixed": Law(subjects=_binary, name=_name, check=_mixed),
}
