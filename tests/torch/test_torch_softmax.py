"""Softmax and log-softmax over axes whose lines lie beside each other, forward and backward, against float64."""

import pytest
import torch

from supa.frameworks.torch.ops import normal

SHAPES = {
    "few columns": ((3, 5, 41), 1),
    "ragged": ((2, 37, 19), 1),
    "first axis": ((130, 67), 0),
    "several axes behind": ((2, 3, 7, 5, 11), -3),
    "long lines": ((2, 2500, 23), 1),
    "few beside each other": ((4, 33, 3), 1),
}


@pytest.fixture(autouse=True)
def not_priced(monkeypatch):
    """Long lines too are taken where they lie, which devices of mode `execute` do."""
    monkeypatch.setattr(normal, "is_priced", lambda _: False)


def _found(x, weight, dim, log):
    x = x.detach().requires_grad_()
    result = x.log_softmax(dim) if log else x.softmax(dim)
    (result * weight).sum().backward()
    return result.detach().cpu().double(), x.grad.cpu().double()


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_lines_beside_each_other(name, log):
    shape, dim = SHAPES[name]
    torch.manual_seed(0)
    for dtype, bound in ((torch.float32, 2e-5), (torch.bfloat16, 4e-2)):
        x, weight = torch.randn(shape).to(dtype), torch.randn(shape).to(dtype)
        found, expected = _found(x.to("supa"), weight.to("supa"), dim, log), _found(x.double(), weight, dim, log)
        for ours, true in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, true, rtol=bound, atol=bound)


def test_lines_that_do_not_lie_contiguously():
    x = torch.randn(40, 6, 30).transpose(0, 1)
    for dim in range(3):
        torch.testing.assert_close(x.to("supa").softmax(dim).cpu().double(), x.double().softmax(dim), rtol=0, atol=1e-6)
    y = torch.randn(50, 40, device="supa")[:, ::2]
    torch.testing.assert_close(y.softmax(0).cpu().double(), y.cpu().double().softmax(0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("columns", [9, 1500])
def test_lines_of_no_number(columns):
    x = torch.randn(columns, 20)
    x[:, 3] = -torch.inf
    x[:-1, 4] = -torch.inf
    x[1, 5] = torch.inf
    x[2, 6] = torch.nan
    for log in (False, True):
        found, expected = (one.log_softmax(0) if log else one.softmax(0) for one in (x.to("supa"), x.double()))
        torch.testing.assert_close(found.cpu().double(), expected, rtol=0, atol=2e-5, equal_nan=True)
