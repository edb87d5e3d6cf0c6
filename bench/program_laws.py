"""Laws of what programs are made of: PyTorch's own samples of modules (ModuleInfo), optimizers (OptimizerInfo) and
foreach operators, and functions under torch's transforms, give on the device what they give on the host.

Not here: single operators (`operator_laws`), the rule of equality (`opinfo_rule`).
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

from bench.operator_laws import Law, differs
from bench.opinfo import moved

SAMPLES = 4
_RANDOM_MODULES = ("Dropout", "FractionalMaxPool", "RReLU")


# Modules


def _modules() -> list[Any]:
    from torch.testing._internal.common_modules import module_db

    return list(module_db)


def _module_result(module: Any, sample: Any, device: str) -> Callable[[], Any]:
    """Results, gradients of parameters and inputs, and buffers after a step forward and backward."""
    import torch
    from torch.utils import _pytree as pytree

    def run() -> Any:
        here = copy.deepcopy(module).to(device)
        args, kwargs = moved(sample.forward_input.args, device), moved(sample.forward_input.kwargs, device)
        outputs = [one for one in pytree.tree_leaves(here(*args, **kwargs)) if isinstance(one, torch.Tensor)]
        trained = [one for one in outputs if one.requires_grad]
        if trained:
            weights = [torch.linspace(0.5, 1.5, one.numel()).view(one.shape).to(one) for one in trained]
            sum((one * weight).sum() for one, weight in zip(trained, weights, strict=True)).backward()  # type: ignore[union-attr]
        given = [one for one in pytree.tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
        gradients = [one.grad for one in (*here.parameters(), *given) if one.grad is not None]
        return outputs, gradients, list(here.buffers())

    return run


def _module(info: Any, dtype: Any) -> tuple[int, list[str]]:
    import torch

    if dtype not in info.dtypes and dtype not in (torch.bfloat16, torch.float16):
        return 0, []
    found, count = [], 0
    for training in (True, False):
        samples = info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=training)
        for sample in itertools.islice(samples, SAMPLES):
            torch.manual_seed(0)
            module = info.module_cls(*sample.constructor_input.args, **sample.constructor_input.kwargs)
            module = module.to(dtype).train(training)
            count += 1
            hidden = training and any(word in info.name for word in _RANDOM_MODULES)
            failure = differs(
                _module_result(module, sample, "supa"), _module_result(module, sample, "cpu"), 0 if hidden else None
            )
            if failure:
                found.append(f"{'training' if training else 'evaluation'} {sample.desc}: {failure}")
    return count, found


# Optimizers


def _optimizers() -> list[Any]:
    from torch.testing._internal.common_optimizers import optim_db

    return list(optim_db)


def _after_steps(info: Any, options: dict[str, Any], dtype: Any, device: str) -> Callable[[], Any]:
    """The parameters and the optimizer's state after three steps over given gradients."""
    import torch

    def run() -> Any:
        generator = torch.Generator().manual_seed(0)
        shapes = ((4, 3), (5,), (), (2, 3, 2))
        weights = [torch.randn(shape, generator=generator).to(device, dtype).requires_grad_() for shape in shapes]
        if info.optim_cls.__name__ == "Muon":
            weights = weights[:1]
        given = {
            name: one.to(device) if isinstance(one, torch.Tensor) and one.dim() else one
            for name, one in options.items()
        }
        optimizer = info.optim_cls(weights, **given)

        def closure() -> Any:
            optimizer.zero_grad()
            loss = sum((one * one * 0.5 + one).sum() for one in weights)
            loss.backward()  # type: ignore[union-attr]
            return loss

        for _ in range(3):
            if info.step_requires_closure:
                optimizer.step(closure)
            else:
                closure()
                optimizer.step()
        state = [value for one in weights for value in optimizer.state[one].values() if isinstance(value, torch.Tensor)]
        return [one.detach() for one in weights], [one.float() for one in state if one.dim()]

    return run


def _optimizer(info: Any, dtype: Any) -> tuple[int, list[str]]:
    found, count = [], 0
    if info.only_supports_sparse_grads:
        return 0, []
    for sample in info.optim_inputs_func(device="cpu"):
        plain = {name: value for name, value in sample.kwargs.items() if name != "capturable"}
        host = _after_steps(info, plain, dtype, "cpu")
        forms: list[dict[str, Any]] = [{}]
        forms += [{"foreach": True}, {"foreach": False}] if "foreach" in info.supported_impls else []
        forms += [{"fused": True}] if "fused" in info.supported_impls else []
        forms += [{"capturable": True}, {"capturable": True, "foreach": True}] if info.has_capturable_arg else []
        for form in forms:
            if "fused" in form and plain.get("differentiable"):
                continue
            count += 1
            failure = differs(_after_steps(info, {**plain, **form}, dtype, "supa"), host)
            if failure:
                found.append(f"{sample.desc} {form}: {failure}")
    return count, found


# Foreach


def _foreach_operators() -> list[Any]:
    from torch.testing._internal import common_methods_invocations as methods

    names = ("unary", "binary", "pointwise", "reduce", "other")
    return [op for name in names for op in getattr(methods, f"foreach_{name}_op_db")]


def _foreach(op: Any, dtype: Any) -> tuple[int, list[str]]:
    found, count = [], 0
    samples = itertools.islice(op.sample_inputs("cpu", dtype, noncontiguous=False, allow_higher_dtype_scalars=True), 80)
    every = list(samples)
    for number in range(0, len(every), max(1, len(every) // 10)):
        sample = every[number]
        kwargs = {name: value for name, value in sample.kwargs.items() if name != "is_fastpath"}
        for label, function in (("", op.op), ("in place: ", op.inplace_variant)):
            if function is None:
                continue
            count += 1

            def call(device: str, function: Any = function) -> Callable[[], Any]:
                inputs, args = moved(sample.input, device), moved(sample.args, device)
                given = moved(kwargs, device)
                return lambda: (function(inputs, *args, **given), inputs)

            failure = differs(call("supa"), call("cpu"))
            if failure:
                found.append(f"[{number}] {label}{failure}")
    return count, found


# Function transforms


def _functions() -> list[tuple[str, Callable[..., Any], tuple[tuple[int, ...], ...]]]:
    """Functions of tensors of these shapes, each with a batch in front."""
    import torch
    from torch.nn import functional as fn

    attention = fn.scaled_dot_product_attention
    return [
        ("chain", lambda x: (x.sin() * x.exp()).tanh().sum(-1), ((4, 5),)),
        ("product", lambda x, w: fn.relu(x @ w), ((4, 5), (5, 3))),
        ("linear", lambda x, w, b: fn.gelu(fn.linear(x, w, b)), ((4, 5), (3, 5), (3,))),
        ("softmax", lambda x: fn.log_softmax(x, -1), ((4, 6),)),
        ("layer norm", lambda x, w, b: fn.layer_norm(x, (6,), w, b), ((4, 6), (6,), (6,))),
        ("convolution", lambda x, w: fn.conv2d(x, w, padding=1), ((2, 3, 6, 6), (4, 3, 3, 3))),
        ("group norm", lambda x: fn.group_norm(x, 2), ((2, 4, 5),)),
        ("pooling", lambda x: fn.max_pool2d(x, 2), ((2, 3, 6, 6),)),
        ("average", lambda x: fn.adaptive_avg_pool2d(x, 2), ((2, 3, 6, 6),)),
        ("resize", lambda x: fn.interpolate(x, scale_factor=2, mode="bilinear"), ((2, 3, 4, 4),)),
        ("attention", lambda q, k, v: attention(q, k, v), ((2, 2, 5, 8), (2, 2, 5, 8), (2, 2, 5, 8))),
        ("index", lambda x: x[torch.tensor([0, 2, 2], device=x.device)] * 2, ((4, 3),)),
        ("gather", lambda x: x.gather(1, torch.ones(4, 2, dtype=torch.long, device=x.device)), ((4, 3),)),
        ("embedding", lambda w: fn.embedding(torch.tensor([[0, 3], [1, 1]], device=w.device), w), ((5, 3),)),
        ("cross entropy", lambda x: fn.cross_entropy(x, torch.tensor([0, 2, 1, 1], device=x.device)), ((4, 3),)),
        ("cumulative", lambda x: x.cumsum(0) + x.logcumsumexp(1), ((4, 3),)),
        ("sort", lambda x: x.sort(-1)[0] * torch.arange(5, device=x.device), ((4, 5),)),
        ("topk", lambda x: x.topk(2, -1)[0], ((4, 5),)),
        ("where", lambda x, y: torch.where(x > 0, x, y), ((4, 5), (4, 5))),
        ("cat", lambda x, y: torch.cat((x, y.flip(0)), 0), ((4, 5), (3, 5))),
        ("variance", lambda x: x.var(-1) + x.norm(dim=-1), ((4, 5),)),
        ("einsum", lambda x, y: torch.einsum("bij,bjk->ik", x, y), ((2, 3, 4), (2, 4, 5))),
        ("solve", lambda x: torch.linalg.inv(x @ x.mT + 3 * torch.eye(4, device=x.device)), ((4, 4),)),
        ("cholesky", lambda x: torch.linalg.cholesky(x @ x.mT + 3 * torch.eye(4, device=x.device)), ((4, 4),)),
        ("determinant", lambda x: torch.linalg.det(x), ((4, 4),)),
        ("fft", lambda x: torch.fft.rfft(x).abs(), ((4, 8),)),
        ("pad", lambda x: fn.pad(x, (1, 2), mode="reflect"), ((2, 3, 6),)),
        ("unfold", lambda x: fn.unfold(x, 3), ((2, 3, 6, 6),)),
        ("batch norm", lambda x: fn.batch_norm(x, None, None, training=True), ((4, 3, 5),)),
        ("prelu", lambda x, w: fn.prelu(x, w), ((4, 3, 5), (3,))),
        ("grid", lambda x, g: fn.grid_sample(x, g.tanh(), align_corners=False), ((2, 3, 5, 5), (2, 4, 4, 2))),
        ("huber", lambda x, y: fn.huber_loss(x, y) + fn.smooth_l1_loss(x, y), ((4, 5), (4, 5))),
        ("index_put", lambda x, y: x.index_put((torch.tensor([0, 2], device=x.device),), y), ((4, 5), (2, 5))),
        (
            "scatter",
            lambda x, y: x.scatter_add(0, torch.ones(2, 5, dtype=torch.long, device=x.device), y),
            ((4, 5), (2, 5)),
        ),
        ("masked", lambda x: x.masked_fill(x > 0, 2.0).clamp(-1, 1), ((4, 5),)),
    ]


def _vmapped(function: Callable[..., Any], inputs: list[Any]) -> Any:
    import torch

    return torch.func.vmap(function)(*(torch.stack((one, one * 0.5, one + 0.25)) for one in inputs))


def _gradient(function: Callable[..., Any], inputs: list[Any]) -> Any:
    import torch

    return torch.func.grad(lambda *given: function(*given).square().sum(), argnums=tuple(range(len(inputs))))(*inputs)


def _vjp(function: Callable[..., Any], inputs: list[Any]) -> Any:
    import torch

    found, backward = torch.func.vjp(function, *inputs)
    return found, backward(torch.ones_like(found))


def _jvp(function: Callable[..., Any], inputs: list[Any]) -> Any:
    import torch

    return torch.func.jvp(function, tuple(inputs), tuple(torch.ones_like(one) for one in inputs))


def _by_sample(function: Callable[..., Any], inputs: list[Any]) -> Any:
    import torch

    gradient = torch.func.grad(lambda *given: function(*given).square().sum())
    return torch.func.vmap(gradient)(*(torch.stack((one, one * 0.5)) for one in inputs))


def _jacobian(function: Callable[..., Any], inputs: list[Any]) -> Any:
    import torch

    return torch.func.jacrev(function)(*inputs), torch.func.jacfwd(function)(*inputs)


def _hessian(function: Callable[..., Any], inputs: list[Any]) -> Any:
    import torch

    return torch.func.hessian(lambda one: function(one, *inputs[1:]).square().mean())(inputs[0])


def _twice(function: Callable[..., Any], inputs: list[Any]) -> Any:
    """Gradients of gradients."""
    import torch

    leaves = [one.clone().requires_grad_() for one in inputs]
    first = torch.autograd.grad(function(*leaves).square().sum(), leaves, create_graph=True)
    total = sum((one * one).sum() for one in first)
    return torch.autograd.grad(total, leaves, allow_unused=True)


def _checkpointed(function: Callable[..., Any], inputs: list[Any]) -> Any:
    import torch
    from torch.utils.checkpoint import checkpoint

    leaves = [one.clone().requires_grad_() for one in inputs]
    found = [checkpoint(function, *leaves, use_reentrant=kind) for kind in (True, False)]
    return found, [torch.autograd.grad(one.square().sum(), leaves) for one in found]


TRANSFORMS = {
    "vmap": _vmapped, "grad": _gradient, "vjp": _vjp, "jvp": _jvp, "gradients by sample": _by_sample,
    "jacobians": _jacobian, "hessian": _hessian, "second gradient": _twice, "checkpoint": _checkpointed,
}  # fmt: skip


def _transformed(subject: Any, dtype: Any) -> tuple[int, list[str]]:
    import torch

    _, function, shapes = subject
    found = []
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]
    for name, transform in TRANSFORMS.items():

        def call(device: str, transform: Any = transform) -> Callable[[], Any]:
            return lambda: transform(function, [one.to(device) for one in inputs])

        failure = differs(call("supa"), call("cpu"))
        if failure:
            found.append(f"{name}: {failure}")
    return len(TRANSFORMS), found


LAWS = {
    "modules": Law(subjects=_modules, name=lambda info: str(info.name), check=_module),
    "optimizers": Law(subjects=_optimizers, name=lambda info: str(info.name), check=_optimizer),
    "foreach": Law(subjects=_foreach_operators, name=lambda op: str(op.name), check=_foreach),
    "transforms": Law(subjects=_functions, name=lambda subject: str(subject[0]), check=_transformed),
}
