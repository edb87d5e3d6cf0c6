"""Ten small training scripts of ten kinds: `python tests/torch/training_curves.py [KIND] [DEVICE]` prints the losses.

Each is a model, its data, and a loss; parameters and data are drawn on the host, so that every device begins alike.
Random numbers that a step needs (noise, actions) are drawn on the host too. Not here: the comparison (the test).
"""

import sys
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as fn

STEPS = 6


def vision(device):
    """A convolutional network with batch norms and pooling, classes, SGD with momentum."""
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 16, 1), nn.BatchNorm2d(16), nn.SiLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5),
    ).to(device)  # fmt: skip
    x, y = torch.randn(8, 3, 12, 12).to(device), torch.randint(0, 5, (8,)).to(device)
    return train(net.parameters(), lambda: fn.cross_entropy(net(x), y, label_smoothing=0.1), torch.optim.SGD, lr=0.05,
                 momentum=0.9)  # fmt: skip


class Block(nn.Module):
    """A transformer's layer."""

    def __init__(self, width, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.one, self.two = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        q, k, v = (one.unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in self.qkv(self.one(x)).chunk(3, -1))
        found = fn.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(found.transpose(1, 2).flatten(2))
        return x + self.mlp(self.two(x))


def vision_transformer(device):
    """Patches, a class token, positions, two layers, AdamW."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(3, 16, 4, 4)
            self.token, self.place = nn.Parameter(torch.randn(1, 1, 16)), nn.Parameter(torch.randn(1, 10, 16) * 0.1)
            self.layers, self.head = nn.Sequential(Block(16, 2, False), Block(16, 2, False)), nn.Linear(16, 4)

        def forward(self, x):
            x = self.patch(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.place
            return self.head(self.layers(x)[:, 0])

    net = Model().to(device)
    x, y = torch.randn(6, 3, 12, 12).to(device), torch.randint(0, 4, (6,)).to(device)
    return train(net.parameters(), lambda: fn.cross_entropy(net(x), y), torch.optim.AdamW, lr=3e-3)


def language(device):
    """A character model: embeddings, causal layers, tied head, fused AdamW."""
    text = torch.tensor([ord(one) % 40 for one in "what was written for a gpu runs here too, and it learns"])
    words, places = nn.Embedding(40, 16).to(device), nn.Embedding(64, 16).to(device)
    layers = nn.Sequential(Block(16, 4, True), Block(16, 4, True), nn.LayerNorm(16)).to(device)
    x, y = text[:-1].to(device)[None], text[1:].to(device)
    at = torch.arange(len(text) - 1, device=device)

    def loss():
        return fn.cross_entropy((layers(words(x) + places(at)) @ words.weight.t())[0], y)

    parameters = [*words.parameters(), *places.parameters(), *layers.parameters()]
    return train(parameters, loss, torch.optim.AdamW, lr=1e-2, fused=True)


def recurrent(device):
    """An LSTM and a GRU that follow a sine, gradients clipped, Adam."""
    lstm, gru, head = (
        nn.LSTM(1, 12, 2, batch_first=True).to(device),
        nn.GRU(12, 8, batch_first=True).to(device),
        nn.Linear(8, 1).to(device),
    )
    wave = torch.sin(torch.arange(25.0) / 3).to(device)
    x, y = wave[None, :-1, None], wave[None, 1:, None]
    parameters = [*lstm.parameters(), *gru.parameters(), *head.parameters()]
    return train(parameters, lambda: fn.mse_loss(head(gru(lstm(x)[0])[0]), y), torch.optim.Adam, clip=1.0, lr=1e-2)


def adversarial(device):
    """A generator with transposed convolutions against a critic, in turns."""
    maker = nn.Sequential(
        nn.ConvTranspose2d(8, 8, 4), nn.BatchNorm2d(8), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh()
    ).to(device)
    critic = nn.Sequential(nn.Conv2d(1, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(128, 1)).to(device)
    real, noise = torch.randn(6, 1, 8, 8).tanh().to(device), torch.randn(STEPS, 6, 8, 1, 1).to(device)
    one, two = (torch.optim.Adam(net.parameters(), lr=2e-3, betas=(0.5, 0.9)) for net in (critic, maker))
    truth, lie = torch.ones(6, 1, device=device), torch.zeros(6, 1, device=device)
    judge, losses = fn.binary_cross_entropy_with_logits, []
    for step in range(STEPS):
        false = maker(noise[step])
        one.zero_grad()
        loss = judge(critic(real), truth) + judge(critic(false.detach()), lie)
        loss.backward()
        one.step()
        two.zero_grad()
        fooled = judge(critic(false), truth)
        fooled.backward()
        two.step()
        losses.append(loss.item() + fooled.item())
    return losses


def graph(device):
    """Two graph convolutions by index_add over edges."""
    first, second = nn.Linear(6, 10).to(device), nn.Linear(10, 3).to(device)
    x, edges = torch.randn(20, 6).to(device), torch.randint(0, 20, (2, 60)).to(device)
    y = torch.randint(0, 3, (20,)).to(device)

    def gather(values):
        degree = (
            torch.zeros(20, 1, device=device).index_add_(0, edges[1], torch.ones(60, 1, device=device)).clamp(min=1)
        )
        return torch.zeros_like(values).index_add(0, edges[1], values[edges[0]]) / degree + values

    def loss():
        return fn.nll_loss(second(gather(fn.elu(first(gather(x))))).log_softmax(1), y)

    return train([*first.parameters(), *second.parameters()], loss, torch.optim.Adam, lr=2e-2, weight_decay=1e-3)


def diffusion(device):
    """A tiny U-Net that takes noise away: group norms, a way down and up, a skip."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.time = nn.Linear(2, 8)
            self.enter, self.down = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, 2, 1)
            self.norm, self.middle = nn.GroupNorm(4, 8), nn.Conv2d(8, 8, 3, padding=1)
            self.out = nn.Conv2d(16, 1, 3, padding=1)

        def forward(self, x, t):
            first = fn.silu(self.enter(x) + self.time(torch.stack([t.sin(), t.cos()], 1))[:, :, None, None])
            deep = fn.silu(self.middle(self.norm(self.down(first))))
            return self.out(torch.cat([first, fn.interpolate(deep, scale_factor=2.0, mode="nearest")], 1))

    net = Net().to(device)
    clean, noise = torch.rand(5, 1, 8, 8).to(device), torch.randn(5, 1, 8, 8).to(device)
    t = torch.rand(5).to(device)
    level = t[:, None, None, None]
    return train(net.parameters(), lambda: fn.mse_loss(net((1 - level).sqrt() * clean + level.sqrt() * noise, t),
    noise),
                 torch.optim.AdamW, lr=5e-3)  # fmt: skip


def policy(device):
    """A policy gradient on a line: the state moves with the action, the reward is to be near 0."""
    net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 2)).to(device)
    chances = torch.rand(STEPS, 8, 10).to(device)
    optimizer, losses = torch.optim.RMSprop(net.parameters(), lr=1e-2), []
    for step in range(STEPS):
        state, logs, rewards = torch.linspace(-2, 2, 10, device=device), [], []
        for turn in range(8):
            scores = net(state[:, None]).log_softmax(-1)
            action = (chances[step, turn] < scores[:, 1].exp()).long()
            logs.append(scores.gather(1, action[:, None])[:, 0])
            state = state + (action * 2 - 1) * 0.5
            rewards.append(-state.abs())
        returns = torch.stack(rewards).flip(0).cumsum(0).flip(0)
        returns = (returns - returns.mean()) / (returns.std() + 1e-6)
        loss = -(torch.stack(logs) * returns).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def speech(device):
    """Frames of sound: one-dimensional convolutions with strides and dilation, weight norm's cousin GLU,
    mean pooling.
    """
    net = nn.Sequential(
        nn.Conv1d(1, 16, 9, 4, 4), nn.GLU(1), nn.BatchNorm1d(8), nn.Conv1d(8, 16, 5, padding=4, dilation=2),
        nn.Hardtanh(),
        nn.AvgPool1d(2), nn.Conv1d(16, 8, 3), nn.PReLU(),
    ).to(device)  # fmt: skip
    head = nn.Linear(8, 4).to(device)
    x, y = torch.randn(5, 1, 96).to(device), torch.randint(0, 4, (5,)).to(device)
    return train([*net.parameters(), *head.parameters()], lambda: fn.cross_entropy(head(net(x).mean(-1)), y),
                 torch.optim.SGD, lr=0.05, momentum=0.9, nesterov=True, fused=True)  # fmt: skip


def variational(device):
    """A variational autoencoder: its noise, a bound of two losses."""
    encoder = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 8)).to(device)
    decoder = nn.Sequential(nn.Linear(4, 16), nn.Softplus(), nn.Linear(16, 20)).to(device)
    x, noise = torch.rand(12, 20).to(device), torch.randn(12, 4).to(device)

    def loss():
        mean, log = encoder(x).chunk(2, -1)
        again = decoder(mean + (log / 2).exp() * noise)
        divergence = -0.5 * (1 + log - mean**2 - log.exp()).sum(1).mean()
        return fn.binary_cross_entropy_with_logits(again, x, reduction="sum") / len(x) + divergence

    return train([*encoder.parameters(), *decoder.parameters()], loss, torch.optim.Adam, lr=5e-3)


def train(parameters, loss_of: Callable[[], torch.Tensor], optimizer, clip=0.0, **options) -> list[float]:
    """The losses of some steps."""
    parameters = list(parameters)
    stepper, losses = optimizer(parameters, **options), []
    for _ in range(STEPS):
        stepper.zero_grad()
        loss = loss_of()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(parameters, clip)
        stepper.step()
        losses.append(loss.item())
    return losses


KINDS = {
    one.__name__: one
    for one in (
        vision,
        vision_transformer,
        language,
        recurrent,
        adversarial,
        graph,
        diffusion,
        policy,
        speech,
        variational,
    )
}


def curve(kind: str, device: str) -> list[float]:
    """The losses of a script on a device, from the same beginning."""
    torch.manual_seed(11)
    return KINDS[kind](device)


if __name__ == "__main__":
    import supa.torch  # noqa: F401

    kinds = sys.argv[1:2] or list(KINDS)
    for name in kinds:
        print(name, [round(loss, 5) for loss in curve(name, (sys.argv[2:] or ["supa"])[0])])
