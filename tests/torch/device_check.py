"""What tests of operators share: a function on the device, twice, against the host in float64, all of it there.

Not a test itself.
"""

import torch
from torch.utils import _pytree as pytree


def check_on_device(function, *arguments, tolerance=1e-5):
    """`function` gives on the device what it gives on the host in float64; no operator of it ran on the host."""
    before = torch.supa.host_operators()
    for _ in range(2):  # the second call is the extension's replay
        found = pytree.tree_leaves(function(*_each(arguments, lambda one: one.to("supa"))))
    after = torch.supa.host_operators()
    expected = pytree.tree_leaves(function(*_each(arguments, _wide)))
    assert len(found) == len(expected)
    for ours, exact in zip(found, expected, strict=True):
        if isinstance(ours, torch.Tensor):
            ours = ours.detach().cpu().to(exact.dtype)
            torch.testing.assert_close(
                ours, exact.detach(), rtol=tolerance, atol=tolerance, equal_nan=True, check_stride=False
            )
        else:
            assert ours == exact
    ran = {name: count for name, count in after.items() if count != before.get(name, 0)}
    assert not ran, "it ran on the host"


def with_gradient(function):
    """A function of one tensor, and the gradient of a weighted sum of what it returns."""

    def both(x):
        x = x.detach().requires_grad_()
        y = function(x)
        weights = torch.arange(1, y.numel() + 1, device=y.device).to(y.dtype).view(y.shape) / y.numel()
        return y, torch.autograd.grad((y * weights).sum(), x)[0]

    return both


def _each(arguments, change):
    return [change(one) if isinstance(one, torch.Tensor) else one for one in arguments]


def _wide(one):
    kinds = {torch.complex64: torch.complex128}
    return one.to(kinds.get(one.dtype, torch.float64 if one.is_floating_point() else one.dtype))
