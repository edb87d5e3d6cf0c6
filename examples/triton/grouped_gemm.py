"""Persistent grouped GEMM: many matrix products of different sizes in one launch, C_g = A_g @ B_g.

Shapes: A_g (M_g, K_g), B_g (K_g, N_g), C_g (M_g, N_g), row-major. Dtypes: float32, float16, bfloat16, accumulated in
float32. The addresses, sizes and leading strides lie in device memory; a fixed number of programs walks the tiles of
all the products in turn.
"""

import torch
import triton
import triton.language as tl

TRITON_DTYPE = {torch.float32: tl.float32, torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}


def persistent_configs() -> list[triton.Config]:
    """Block shapes and numbers of resident programs to tune over."""
    shapes = [(128, 128, 32, 4, 132), (128, 64, 32, 4, 132), (64, 64, 32, 4, 264)]
    return [
        triton.Config(
            {"BLOCK_M": m, "BLOCK_N": n, "BLOCK_K": k, "NUM_PROGRAMS": programs}, num_warps=num_warps, num_stages=3
        )
        for m, n, k, num_warps, programs in shapes
    ]


@triton.autotune(configs=persistent_configs(), key=["group_size"])
@triton.jit
def grouped_matmul_kernel(
    a_addresses,
    b_addresses,
    c_addresses,
    sizes,
    strides,
    group_size,
    DTYPE: tl.constexpr,
    PRECISION: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    NUM_PROGRAMS: tl.constexpr,
):
    tile = tl.program_id(0)
    first_tile_of_group = 0
    for g in range(group_size):
        M = tl.load(sizes + g * 3)
        N = tl.load(sizes + g * 3 + 1)
        K = tl.load(sizes + g * 3 + 2)
        num_n_tiles = tl.cdiv(N, BLOCK_N)
        num_tiles = tl.cdiv(M, BLOCK_M) * num_n_tiles
        while tile >= first_tile_of_group and tile < first_tile_of_group + num_tiles:
            stride_a = tl.load(strides + g * 3)
            stride_b = tl.load(strides + g * 3 + 1)
            stride_c = tl.load(strides + g * 3 + 2)
            a_ptr = tl.load(a_addresses + g).to(tl.pointer_type(DTYPE))
            b_ptr = tl.load(b_addresses + g).to(tl.pointer_type(DTYPE))
            c_ptr = tl.load(c_addresses + g).to(tl.pointer_type(DTYPE))

            tile_in_group = tile - first_tile_of_group
            offs_m = tile_in_group // num_n_tiles * BLOCK_M + tl.arange(0, BLOCK_M)
            offs_n = tile_in_group % num_n_tiles * BLOCK_N + tl.arange(0, BLOCK_N)
            offs_k = tl.arange(0, BLOCK_K)
            a_ptrs = a_ptr + offs_m[:, None] * stride_a + offs_k[None, :]
            b_ptrs = b_ptr + offs_k[:, None] * stride_b + offs_n[None, :]
            acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
            for k in range(0, tl.cdiv(K, BLOCK_K)):
                k_left = K - k * BLOCK_K
                a = tl.load(a_ptrs, mask=(offs_m[:, None] < M) & (offs_k[None, :] < k_left), other=0.0)
                b = tl.load(b_ptrs, mask=(offs_k[:, None] < k_left) & (offs_n[None, :] < N), other=0.0)
                acc = tl.dot(a, b, acc, input_precision=PRECISION)
                a_ptrs += BLOCK_K
                b_ptrs += BLOCK_K * stride_b
            c_ptrs = c_ptr + offs_m[:, None] * stride_c + offs_n[None, :]
            tl.store(c_ptrs, acc.to(DTYPE), mask=(offs_m[:, None] < M) & (offs_n[None, :] < N))
            tile += NUM_PROGRAMS
        first_tile_of_group += num_tiles


def grouped_matmul(
    a_group: list[torch.Tensor], b_group: list[torch.Tensor], precision: str = "ieee"
) -> list[torch.Tensor]:
    """Return [a @ b for each pair]; all of one dtype, rows contiguous."""
    c_group = []
    for a, b in zip(a_group, b_group, strict=True):
        if a.shape[1] != b.shape[0] or a.stride(1) != 1 or b.stride(1) != 1:
            raise ValueError(f"a {tuple(a.shape)} and b {tuple(b.shape)} must be row-major, with equal inner sizes")
        c_group.append(torch.empty((a.shape[0], b.shape[1]), device=a.device, dtype=a.dtype))
    device, dtype = a_group[0].device, a_group[0].dtype
    triples = list(zip(a_group, b_group, c_group, strict=True))
    addresses = [
        torch.tensor([matrix.data_ptr() for matrix in group], dtype=torch.int64, device=device)
        for group in (a_group, b_group, c_group)
    ]
    sizes = torch.tensor([[*c.shape, a.shape[1]] for a, _, c in triples], dtype=torch.int32, device=device)
    strides = torch.tensor([[m.stride(0) for m in triple] for triple in triples], dtype=torch.int32, device=device)
    grid = lambda meta: (meta["NUM_PROGRAMS"],)  # noqa: E731
    grouped_matmul_kernel[grid](
        *addresses, sizes, strides, len(a_group), DTYPE=TRITON_DTYPE[dtype], PRECISION=precision
    )
    return c_group


def main() -> None:
    torch.manual_seed(0)
    group = [(256, 192, 128), (100, 77, 50), (1, 300, 64)]
    a_group = [torch.randn(m, k, dtype=torch.float16) for m, _, k in group]
    b_group = [torch.randn(k, n, dtype=torch.float16) for _, n, k in group]
    largest = 0.0
    for a, b, c in zip(a_group, b_group, grouped_matmul(a_group, b_group), strict=True):
        reference = a.double() @ b.double()
        torch.testing.assert_close(c.double(), reference, rtol=1e-3, atol=1e-2)
        largest = max(largest, (c - reference).abs().max().item())
    print(f"grouped_gemm: {group} float16, largest error {largest:.2e}")


if __name__ == "__main__":
    main()
