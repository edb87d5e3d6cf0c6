"""Dropout from a seed: no mask is stored, because the same seed and offset always draw the same number.

Shapes: any, contiguous. Dtypes: float32, float16, bfloat16. Kept elements are scaled by 1 / (1 - p); the gradient is
the same kernel, with the same seed, over the gradient of the output.
"""

import torch
import triton
import triton.language as tl


@triton.jit
def seeded_dropout_kernel(x_ptr, out_ptr, n_elements, p, seed, BLOCK_SIZE: tl.constexpr):
    pid = tl.program_id(axis=0)
    offsets = pid * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    mask = offsets < n_elements
    x = tl.load(x_ptr + offsets, mask=mask)
    keep = tl.rand(seed, offsets) > p
    tl.store(out_ptr + offsets, tl.where(keep, x / (1 - p), 0.0), mask=mask)


def dropout(x: torch.Tensor, p: float, seed: int) -> torch.Tensor:
    """Return x with each element zeroed with probability p (0 <= p < 1), the others divided by 1 - p."""
    if not 0 <= p < 1:
        raise ValueError(f"p must be in [0, 1), not {p}")
    out = torch.empty_like(x)
    n_elements = x.numel()
    grid = lambda meta: (triton.cdiv(n_elements, meta["BLOCK_SIZE"]),)  # noqa: E731
    seeded_dropout_kernel[grid](x, out, n_elements, p, seed, BLOCK_SIZE=1024)
    return out


def main() -> None:
    torch.manual_seed(0)
    x = torch.randn(98432)
    out = dropout(x, p=0.3, seed=123)
    kept = out != 0
    reference = torch.where(kept, x.double() / 0.7, 0.0)
    torch.testing.assert_close(out.double(), reference, rtol=1e-6, atol=0)
    if not torch.equal(out, dropout(x, p=0.3, seed=123)) or torch.equal(out, dropout(x, p=0.3, seed=124)):
        raise AssertionError("the seed alone must decide which elements are dropped")
    print(
        f"dropout: {x.numel()} float32, kept {kept.double().mean():.4f} of 0.7,"
        f" largest error {(out - reference).abs().max():.2e}"
    )


if __name__ == "__main__":
    main()
