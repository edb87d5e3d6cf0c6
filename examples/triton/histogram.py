"""Histogram of integers: every program counts its blocks on chip and adds its counts to the result by atomics.

Shapes: x of any shape, contiguous; counts (bins,) int32. Dtypes: uint8, int32, int64; bin b counts the elements equal
to b, and what lies outside [0, bins) is not counted.
"""

import torch
import triton
import triton.language as tl


@triton.jit
def histogram_kernel(x_ptr, counts_ptr, n_elements, n_bins, BINS: tl.constexpr, BLOCK_SIZE: tl.constexpr):
    counts = tl.zeros([BINS], dtype=tl.int32)
    step = tl.num_programs(0) * BLOCK_SIZE
    for start in range(tl.program_id(0) * BLOCK_SIZE, n_elements, step):
        offsets = start + tl.arange(0, BLOCK_SIZE)
        x = tl.load(x_ptr + offsets, mask=offsets < n_elements, other=0)
        counted = (offsets < n_elements) & (x >= 0) & (x < n_bins)
        counts += tl.histogram(x.to(tl.int32), BINS, mask=counted)
    bins = tl.arange(0, BINS)
    tl.atomic_add(counts_ptr + bins, counts, mask=(bins < n_bins) & (counts > 0))


def histogram(x: torch.Tensor, n_bins: int) -> torch.Tensor:
    """Return int32 counts of the values 0 .. n_bins - 1 in x."""
    counts = torch.zeros(n_bins, device=x.device, dtype=torch.int32)
    n_elements, block_size = x.numel(), 1024
    num_programs = min(triton.cdiv(n_elements, block_size), 256)
    histogram_kernel[(num_programs,)](
        x, counts, n_elements, n_bins, BINS=triton.next_power_of_2(n_bins), BLOCK_SIZE=block_size
    )
    return counts


def main() -> None:
    torch.manual_seed(0)
    x = torch.randint(0, 256, (300007,), dtype=torch.uint8)
    counts = histogram(x, 256)
    reference = torch.bincount(x, minlength=256)
    torch.testing.assert_close(counts.long(), reference, rtol=0, atol=0)
    print(f"histogram: {x.numel()} uint8 into 256 bins, every count exact, {counts.sum()} counted")


if __name__ == "__main__":
    main()
