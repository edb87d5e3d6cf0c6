"""Small models train on the device as on the host: the same losses, step by step, and no operator left on the host
that the models spend their time in.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional

STEPS = 5


class Block(nn.Module):
    """A transformer's layer, written out."""

    def __init__(self, width, heads):
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.heads = heads

    def forward(self, x):
        q, k, v = (
            one.unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in self.attention(self.first(x)).chunk(3, -1)
        )
        found = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(found.transpose(1, 2).flatten(2))
        return x + self.mlp(self.second(x))


class Language(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 32)
        self.blocks = nn.Sequential(Block(32, 4), Block(32, 4))
        self.head = nn.Linear(32, 50)

    def forward(self, tokens):
        return self.head(self.blocks(self.embedding(tokens))).flatten(0, 1)


def mlp():
    return nn.Sequential(nn.Linear(20, 33), nn.ReLU(), nn.Linear(33, 16), nn.Tanh(), nn.Linear(16, 5))


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(8 * 9, 5),
    )


CASES = {
    "mlp": (mlp, lambda: (torch.randn(17, 20), torch.randint(0, 5, (17,)))),
    "cnn": (cnn, lambda: (torch.randn(6, 1, 8, 8), torch.randint(0, 5, (6,)))),
    "transformer": (Language, lambda: (torch.randint(0, 50, (3, 11)), torch.randint(0, 50, (33,)))),
}
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
}


def losses(case, optimizer, device):
    torch.manual_seed(1)
    make, data = CASES[case]
    model, (x, y) = make(), data()
    model, x, y = model.to(device), x.to(device), y.to(device)
    stepper = OPTIMIZERS[optimizer](model.parameters())
    found = []
    for _ in range(STEPS):
        loss = functional.cross_entropy(model(x), y)
        stepper.zero_grad()
        loss.backward()
        stepper.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_losses_are_the_hosts(case, optimizer):
    expected = losses(case, optimizer, "cpu")
    assert losses(case, optimizer, "supa") == pytest.approx(expected, rel=2e-4)
    assert expected[-1] < expected[0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_trains_in_the_lower_type(dtype):
    torch.manual_seed(1)
    model, x = mlp(), torch.randn(17, 20)
    exact = model(x)
    ours = model.to("supa")
    with torch.autocast("supa", dtype=dtype):
        found = ours(x.to("supa"))
        assert found.dtype == dtype
        loss = functional.mse_loss(found.float(), torch.zeros(17, 5, device="supa"))
    loss.backward()
    assert ours[0].weight.grad.dtype == torch.float32
    torch.testing.assert_close(found.float().cpu(), exact, rtol=0.05, atol=0.05)


def test_what_transformers_spend_time_in_runs_on_the_device():
    before = torch.supa.host_operators()
    losses("transformer", "sgd", "supa")
    ran = {name for name, count in torch.supa.host_operators().items() if count != before.get(name, 0)}
    hot = {"mm", "addmm", "bmm", "_softmax", "native_layer_norm", "native_layer_norm_backward", "gelu", "gelu_backward",
           "add.Tensor", "mul.Tensor", "sum.dim_IntList", "embedding_dense_backward"}  # fmt: skip
    assert not {name.removeprefix("aten::") for name in ran} & hot


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float16, 2**-11), (torch.bfloat16, 2**-8)])
def test_layer_norm_keeps_statistics_in_fp32(dtype, rounding):
    """As on GPUs: a mean in 16 bits moves all gradients of a column's weight in the same direction."""
    torch.manual_seed(0)
    x, grad = (torch.randn(1151, 100) * 0.5 - 2.3).to(dtype), (torch.randn(1151, 100) * 0.1 + 0.1).to(dtype)
    weight = torch.ones(100, dtype=torch.float64, requires_grad=True)
    functional.layer_norm(x.double(), (100,), weight).backward(grad.double())
    on_device = torch.ones(100, dtype=dtype, device="supa", requires_grad=True)
    functional.layer_norm(x.to("supa"), (100,), on_device).backward(grad.to("supa"))
    found = on_device.grad.cpu().double()
    torch.testing.assert_close(found, weight.grad, rtol=1.1 * rounding, atol=2e-3)
    _, mean, rstd = torch.native_layer_norm(x.to("supa"), (100,), None, None, 1e-5)
    assert mean.dtype == rstd.dtype == torch.float32
