"""A Llama-shaped decoder in plain PyTorch, its layers spread over all cards: one pass over a prompt, then some tokens.

`python examples/torch/llama.py` computes a small one. `supa run --mode time --device hearten examples/torch/llama.py
--layers 80 --width 8192 --hidden 28672 --heads 64 --key-value-heads 8 --vocabulary 32000 --sequence 2048` prices one of
Llama 2 70B's shape, 138 GB of bf16 weights, on eight cards, without touching memory. Weights are random: the shape is
what costs time. Not here: a tokenizer, real weights, several requests at once.

Shape: Touvron et al., "Llama 2: Open Foundation and Fine-Tuned Chat Models", 2023.
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RMSNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], self.weight, 1e-5)


def rotary_table(length: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines of each position's angles, [length, size]."""
    frequencies = 10000.0 ** -(torch.arange(0, size, 2, device=device, dtype=torch.float32) / size)
    angles = torch.arange(length, device=device, dtype=torch.float32)[:, None] * frequencies
    angles = torch.cat((angles, angles), -1)
    return angles.cos(), angles.sin()


def rotated(x: Tensor, table: tuple[Tensor, Tensor], start: int) -> Tensor:
    cos, sin = (part[start : start + x.shape[-2]].to(x.dtype) for part in table)
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, key_value_heads: int) -> None:
        super().__init__()
        self.heads, self.key_value_heads, self.size = heads, key_value_heads, width // heads
        self.query = nn.Linear(width, heads * self.size, bias=False)
        self.key = nn.Linear(width, key_value_heads * self.size, bias=False)
        self.value = nn.Linear(width, key_value_heads * self.size, bias=False)
        self.out = nn.Linear(heads * self.size, width, bias=False)
        self.cache: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor, table: tuple[Tensor, Tensor], start: int) -> Tensor:
        batch, length, _ = x.shape

        def split(y: Tensor, heads: int) -> Tensor:
            return y.view(batch, length, heads, self.size).transpose(1, 2)

        query = rotated(split(self.query(x), self.heads), table, start)
        key = rotated(split(self.key(x), self.key_value_heads), table, start)
        value = split(self.value(x), self.key_value_heads)
        if self.cache is not None:
            key, value = torch.cat((self.cache[0], key), 2), torch.cat((self.cache[1], value), 2)
        self.cache = key, value
        found = F.scaled_dot_product_attention(query, key, value, is_causal=length > 1, enable_gqa=True)
        return self.out(found.transpose(1, 2).reshape(batch, length, -1))


class FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    def __init__(self, width: int, hidden: int, heads: int, key_value_heads: int) -> None:
        super().__init__()
        self.attention_norm, self.attention = RMSNorm(width), Attention(width, heads, key_value_heads)
        self.feed_forward_norm, self.feed_forward = RMSNorm(width), FeedForward(width, hidden)

    def forward(self, x: Tensor, table: tuple[Tensor, Tensor], start: int) -> Tensor:
        x = x + self.attention(self.attention_norm(x), table, start)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Llama(nn.Module):
    """Layers in equal runs over the cards; what goes from one run to the next is copied from card to card."""

    def __init__(self, shape: argparse.Namespace, cards: list[torch.device]) -> None:
        super().__init__()
        self.cards = [cards[index * len(cards) // shape.layers] for index in range(shape.layers)]
        with cards[0]:
            self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList()
        for card in self.cards:
            with card:
                self.blocks.append(Block(shape.width, shape.hidden, shape.heads, shape.key_value_heads))
        with self.cards[-1]:
            self.norm, self.head = RMSNorm(shape.width), nn.Linear(shape.width, shape.vocabulary, bias=False)
        length, size = shape.sequence + shape.tokens, shape.width // shape.heads
        self.tables = {card: rotary_table(length, size, card) for card in set(self.cards)}

    def forward(self, tokens: Tensor, start: int) -> Tensor:
        x = self.embedding(tokens)
        for card, block in zip(self.cards, self.blocks, strict=True):
            x = block(x.to(card), self.tables[card], start)
        return self.head(self.norm(x[:, -1]))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in {
        "layers": 4, "width": 256, "hidden": 688, "heads": 8, "key-value-heads": 4, "vocabulary": 1000, "batch": 1,
        "sequence": 64, "tokens": 4, "devices": 0,
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value, help="0: all" if name == "devices" else None)
    return parser.parse_args()


def main() -> None:
    shape = arguments()
    kind = torch.accelerator.current_accelerator()
    if kind is None:
        cards = [torch.device("cpu")]
    else:
        cards = [torch.device(kind.type, index) for index in range(shape.devices or torch.accelerator.device_count())]
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    model = Llama(shape, cards).eval()
    parameters = sum(one.numel() for one in model.parameters())
    print(f"{parameters / 1e9:.2f} billion parameters on {len(set(model.cards))} x {cards[0].type}")
    prompt = torch.randint(shape.vocabulary, (shape.batch, shape.sequence)).to(cards[0])
    with torch.inference_mode():
        took = timed(cards[0], lambda: model(prompt, 0))
        print(f"prompt of {shape.batch} x {shape.sequence} tokens: {took:.3f} ms")
        token, started = prompt[:, -1:], shape.sequence
        for index in range(shape.tokens):
            took = timed(cards[0], lambda position=started + index: model(token, position))
        if shape.tokens:
            print(f"one token after {started + shape.tokens - 1}: {took:.3f} ms")
    for index, card in enumerate(cards if kind else ()):
        print(f"{card}: {torch.accelerator.max_memory_allocated(index) / 2**30:.2f} GiB")


def timed(card: torch.device, work) -> float:
    """Milliseconds: of the device's clock where there is a device."""
    if card.type == "cpu":
        start = time.perf_counter()
        work()
        return (time.perf_counter() - start) * 1e3
    start, end = torch.Event(card, enable_timing=True), torch.Event(card, enable_timing=True)
    start.record()
    work().to(card)
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


if __name__ == "__main__":
    main()
