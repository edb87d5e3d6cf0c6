"""Seeded dropout against an independent Philox generator: the very elements that the seed names, and no others."""

import numpy as np
import pytest
import torch
from dropout import dropout
from float64_bounds import FLOATS, assert_elementwise


def philox_first_word(counters: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """First word of Philox-4x32-10 of (counter, 0, 0, 0). Source: Salmon et al., "Parallel random numbers", 2011."""
    low = np.uint64(0xFFFFFFFF)
    words = [counters.astype(np.uint64), *(np.zeros(len(counters), np.uint64) for _ in range(3))]
    k0, k1 = key
    for _ in range(10):
        first, third = words[0] * np.uint64(0xD2511F53), words[2] * np.uint64(0xCD9E8D57)
        words = [
            (third >> np.uint64(32)) ^ words[1] ^ np.uint64(k0),
            third & low,
            (first >> np.uint64(32)) ^ words[3] ^ np.uint64(k1),
            first & low,
        ]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return words[0].astype(np.uint32)


def kept_elements(seed: int, n_elements: int, p: float) -> torch.Tensor:
    signed = philox_first_word(np.arange(n_elements), (seed & 0xFFFFFFFF, seed >> 32)).view(np.int32)
    folded = np.where(signed < 0, ~signed, signed)
    uniform = folded.astype(np.float32) * np.float32(4.6566127342e-10)
    return torch.from_numpy(uniform > np.float32(p))


def test_the_generator_gives_the_published_answer() -> None:
    assert philox_first_word(np.zeros(1), (0, 0))[0] == 0x6627E8D5  # Random123, known-answer file


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("n_elements", "p", "seed"), [(1, 0.5, 0), (1023, 0.1, 7), (5003, 0.37, 2**31 - 1)])
def test_the_seed_names_the_elements(n_elements: int, p: float, seed: int, dtype: torch.dtype) -> None:
    x = torch.randn(n_elements).to(dtype)
    kept = kept_elements(seed, n_elements, p)
    reference = torch.where(kept, x.double() / (1 - p), 0.0)
    assert_elementwise(dropout(x, p, seed), torch.where(kept, x / (1 - p), 0), reference)


def test_zero_keeps_everything() -> None:
    x = torch.randn(2049)
    assert torch.equal(dropout(x, 0.0, 3), torch.where(kept_elements(3, 2049, 0.0), x, 0))


def test_refuses_one() -> None:
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\)"):
        dropout(torch.ones(3), 1.0, 0)
