"""What programs do around operators: modules that move to the device, optimizers made before that, torch's function
transforms, numbers of mixed types. Each against the host in the same type.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional as fn


def test_a_module_that_moves_keeps_its_parameters_for_an_optimizer_made_before():
    model = nn.Linear(3, 2)
    weight = model.weight
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    model(torch.ones(1, 3)).sum().backward()
    model.to("supa")
    assert model.weight is weight
    assert weight.device.type == weight.grad.device.type == "supa"
    before = weight.detach().cpu().clone()
    optimizer.zero_grad()
    model(torch.ones(1, 3, device="supa")).sum().backward()
    optimizer.step()
    torch.testing.assert_close(weight.detach().cpu(), before - 0.5)
    assert model.cpu().weight is weight
    assert torch.equal(weight.detach(), before - 0.5)


def test_data_of_another_device_may_be_set_and_of_another_layout_not():
    x = torch.ones(2)
    x.data = torch.arange(3.0, device="supa")
    assert x.device.type == "supa"
    assert x.tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(RuntimeError, match="incompatible tensor type"):
        x.data = torch.eye(2).to_sparse()


def test_a_module_without_sizes_yet_moves_to_the_device():
    torch.manual_seed(0)
    model = nn.Sequential(nn.LazyConv1d(3, 2), nn.LazyBatchNorm1d()).to("supa")
    assert model(torch.ones(2, 4, 5, device="supa")).shape == (2, 3, 4)
    assert model[0].weight.shape == (3, 4, 2)


def test_attention_of_many_at_once():
    q, k, v = (torch.randn(3, 2, 2, 5, 8) for _ in range(3))

    def first(*given):
        return torch.func.grad(lambda q, k, v: fn.scaled_dot_product_attention(q, k, v).square().sum())(*given)

    for function in (fn.scaled_dot_product_attention, first):
        found = torch.func.vmap(function)(*(one.to("supa") for one in (q, k, v)))
        expected = torch.stack([function(*each) for each in zip(q, k, v, strict=True)])
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.int64], ids=str)
def test_complex_numbers_and_others_give_the_type_that_they_are_promoted_to(dtype):
    x, number = torch.arange(1, 7).view(2, 3).to(dtype), torch.tensor(1 - 2j)
    mask = torch.tensor([True, False, True])
    functions = [
        lambda x, c: x + c,
        lambda x, c: c * x,
        lambda x, c: torch.where(mask.to(x.device), x, c),
        lambda x, c: x + c.item(),
    ]
    for function in functions:
        expected = function(x, number)
        for scalar in (number, number.to("supa")):
            found = function(x.to("supa"), scalar).cpu()
            assert found.dtype == expected.dtype
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    pairs = torch.ones(2, 3, dtype=torch.complex64)
    torch.testing.assert_close(
        torch.logaddexp(pairs.to("supa"), torch.tensor(1.0)).cpu(), torch.logaddexp(pairs, torch.tensor(1.0))
    )
