"""Vector add: z = x + y, one program per block of elements.

Shapes: x, y, z of any equal shape, contiguous. Dtypes: float32, float16, bfloat16 and the integers.
"""

import torch
import triton
import triton.language as tl


@triton.jit
def add_kernel(x_ptr, y_ptr, z_ptr, n_elements, BLOCK_SIZE: tl.constexpr):
    pid = tl.program_id(axis=0)
    offsets = pid * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    mask = offsets < n_elements
    x = tl.load(x_ptr + offsets, mask=mask)
    y = tl.load(y_ptr + offsets, mask=mask)
    tl.store(z_ptr + offsets, x + y, mask=mask)


def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return x + y for two contiguous tensors of one shape and dtype."""
    if x.shape != y.shape or x.dtype != y.dtype:
        raise ValueError(f"x is {tuple(x.shape)} {x.dtype}, y is {tuple(y.shape)} {y.dtype}: they must agree")
    z = torch.empty_like(x)
    n_elements = z.numel()
    grid = lambda meta: (triton.cdiv(n_elements, meta["BLOCK_SIZE"]),)  # noqa: E731
    add_kernel[grid](x, y, z, n_elements, BLOCK_SIZE=1024)
    return z


def main() -> None:
    torch.manual_seed(0)
    x, y = torch.rand(98432), torch.rand(98432)
    reference = x.double() + y.double()
    z = add(x, y)
    torch.testing.assert_close(z.double(), reference, rtol=2**-23, atol=0)
    print(f"vector_add: {z.numel()} float32, largest error {(z - reference).abs().max():.2e}")


if __name__ == "__main__":
    main()
