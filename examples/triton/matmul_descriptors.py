"""Matrix multiplication through tensor descriptors, C = A @ B^T: whole tiles by coordinates, no pointers, no masks.

Shapes: A (M, K), B (N, K), C (M, N), row-major, K and N multiples of 16 bytes; any M. Dtypes: float32, float16,
bfloat16, accumulated in float32. Two ways to the same tiles: descriptors built on the host, and built by the kernel.
"""

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor


@triton.jit
def _tile_product(
    a_desc,
    b_desc,
    start_m,
    start_n,
    K,
    PRECISION: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for start_k in range(0, K, BLOCK_K):
        a = a_desc.load([start_m, start_k])
        b = b_desc.load([start_n, start_k])
        acc = tl.dot(a, b.T, acc, input_precision=PRECISION)
    return acc


@triton.jit
def host_descriptor_kernel(
    a_desc,
    b_desc,
    c_desc,
    K,
    PRECISION: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    start_m = tl.program_id(0) * BLOCK_M
    start_n = tl.program_id(1) * BLOCK_N
    acc = _tile_product(a_desc, b_desc, start_m, start_n, K, PRECISION, BLOCK_M, BLOCK_N, BLOCK_K)
    c_desc.store([start_m, start_n], acc.to(c_desc.dtype))


@triton.jit
def device_descriptor_kernel(
    a_ptr,
    b_ptr,
    c_ptr,
    M,
    N,
    K,
    PRECISION: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    a_desc = tl.make_tensor_descriptor(a_ptr, shape=[M, K], strides=[K, 1], block_shape=[BLOCK_M, BLOCK_K])
    b_desc = tl.make_tensor_descriptor(b_ptr, shape=[N, K], strides=[K, 1], block_shape=[BLOCK_N, BLOCK_K])
    c_desc = tl.make_tensor_descriptor(c_ptr, shape=[M, N], strides=[N, 1], block_shape=[BLOCK_M, BLOCK_N])
    start_m = tl.program_id(0) * BLOCK_M
    start_n = tl.program_id(1) * BLOCK_N
    acc = _tile_product(a_desc, b_desc, start_m, start_n, K, PRECISION, BLOCK_M, BLOCK_N, BLOCK_K)
    c_desc.store([start_m, start_n], acc.to(c_ptr.dtype.element_ty))


def descriptor_matmul(
    a: torch.Tensor, b: torch.Tensor, built_on: str = "host", precision: str = "ieee"
) -> torch.Tensor:
    """Return a @ b.T; built_on, "host" or "device", says who makes the descriptors."""
    (M, K), N = a.shape, b.shape[0]
    if b.shape[1] != K:
        raise ValueError(f"inner sizes differ: a is {tuple(a.shape)}, b is {tuple(b.shape)}")
    if K * a.itemsize % 16 or N * a.itemsize % 16:
        raise ValueError(f"rows must be multiples of 16 bytes: K = {K}, N = {N}, {a.itemsize} bytes an element")
    c = torch.empty((M, N), device=a.device, dtype=a.dtype)
    block_m, block_n, block_k = 128, 64, 64 if a.itemsize == 2 else 32
    grid = (triton.cdiv(M, block_m), triton.cdiv(N, block_n))
    blocks = {"PRECISION": precision, "BLOCK_M": block_m, "BLOCK_N": block_n, "BLOCK_K": block_k}
    if built_on == "host":
        a_desc = TensorDescriptor.from_tensor(a, [block_m, block_k])
        b_desc = TensorDescriptor.from_tensor(b, [block_n, block_k])
        c_desc = TensorDescriptor.from_tensor(c, [block_m, block_n])
        host_descriptor_kernel[grid](a_desc, b_desc, c_desc, K, **blocks, num_warps=4, num_stages=3)
        return c

    def scratch(size: int, alignment: int, stream: int | None) -> torch.Tensor:
        return torch.empty(size, device=a.device, dtype=torch.int8)

    triton.set_allocator(scratch)  # where the device keeps the descriptors that it builds
    device_descriptor_kernel[grid](a.contiguous(), b.contiguous(), c, M, N, K, **blocks, num_warps=4, num_stages=3)
    return c


def main() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(200, 160, dtype=torch.float16), torch.randn(136, 160, dtype=torch.float16)
    reference = a.double() @ b.double().T
    for built_on in ("host", "device"):
        c = descriptor_matmul(a, b, built_on)
        torch.testing.assert_close(c.double(), reference, rtol=1e-3, atol=1e-2)
        error = (c - reference).abs().max()
        print(f"matmul_descriptors: 200x136x160 float16, built on the {built_on}, largest error {error:.2e}")


if __name__ == "__main__":
    main()
