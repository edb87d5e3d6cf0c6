"""torch.compile on the device: Inductor's Triton kernels, forward and backward, against eager on the host."""

import pytest
import torch
from torch import nn

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's compiler warns about itself


def compiled(function, *tensors, **options):
    return torch.compile(function, **options)(*(tensor.to("supa") for tensor in tensors)).cpu()


def test_fused_kernels_forward():
    x = torch.randn(33, 65)
    for function in (lambda x: torch.nn.functional.gelu(x * 2 + 1).softmax(-1), lambda x: (x @ x.t()).relu().sum(0)):
        torch.testing.assert_close(compiled(function, x), function(x))


def test_a_model_trains_and_its_kernels_are_on_the_clock():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(65, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 4)), torch.randn(33, 65)
    loss = model(x).pow(2).mean()
    loss.backward()
    expected = model[0].weight.grad.clone()
    model.zero_grad()
    ours = model.to("supa")
    before = torch.supa.host_operators()
    found = torch.compile(ours)(x.to("supa")).pow(2).mean()
    found.backward()
    assert found.item() == pytest.approx(loss.item(), rel=1e-5)
    torch.testing.assert_close(ours[0].weight.grad.cpu(), expected, rtol=1e-4, atol=1e-6)
    assert torch.supa.host_operators() == before
    names = [record.name for record in supa_session().records]
    assert any(name.startswith("triton_per_fused") for name in names)


def supa_session():
    from supa.frameworks.torch.cards import cards

    cards()[0].synchronize()
    return cards()[0].session
