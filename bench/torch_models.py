"""Models as their papers have them, written out: ResNet-50, BERT-base, GPT-2-small. Not here: weights, data."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Bottleneck(nn.Module):
    """A block of ResNet-50: 1x1, 3x3, 1x1, and the way round it."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width),
        )  # fmt: skip
        self.round = nn.Identity()
        if stride != 1 or channels != 4 * width:
            self.round = nn.Sequential(nn.Conv2d(channels, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.round(x))


class ResNet50(nn.Module):
    """Images (n, 3, h, w) to 1000 classes; at most `most` blocks of each width."""

    def __init__(self, most: int = 6) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        ]  # fmt: skip
        channels = 64
        for width, depth, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            for block in range(min(depth, most)):
                layers.append(Bottleneck(channels, width, stride if block == 0 else 1))
                channels = 4 * width
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Layer(nn.Module):
    """A transformer's layer, its norms before (GPT-2) or after (BERT) what they belong to."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def attend(self, x: Tensor) -> Tensor:
        q, k, v = (one.unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in self.qkv(x).chunk(3, -1))
        found = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(found.transpose(1, 2).flatten(2))

    def think(self, x: Tensor) -> Tensor:
        return self.down(functional.gelu(self.up(x), approximate="tanh" if self.causal else "none"))

    def forward(self, x: Tensor) -> Tensor:
        if self.causal:
            x = x + self.attend(self.first(x))
            return x + self.think(self.second(x))
        x = self.first(x + self.attend(x))
        return self.second(x + self.think(x))


class Transformer(nn.Module):
    """Tokens (n, length) to scores of each word."""

    def __init__(self, words: int, positions: int, width: int, depth: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(words, width), nn.Embedding(positions, width)
        self.before = nn.Identity() if causal else nn.LayerNorm(width)
        self.layers = nn.Sequential(*(Layer(width, heads, causal) for _ in range(depth)))
        self.after = nn.LayerNorm(width) if causal else nn.Identity()
        self.head = nn.Linear(width, words, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        return self.head(self.after(self.layers(self.before(self.words(tokens) + self.positions(places)))))


def bert_base(depth: int = 12) -> Transformer:
    """12 layers of 768, 12 heads, 30522 words."""
    return Transformer(30522, 512, 768, depth, 12, causal=False)


def gpt2_small(depth: int = 12) -> Transformer:
    """12 layers of 768, 12 heads, 50257 words."""
    return Transformer(50257, 1024, 768, depth, 12, causal=True)
