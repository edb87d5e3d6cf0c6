"""Kernels of functions of triton.language that no table of the tests holds. Not a test."""

import triton
import triton.language as tl


@triton.jit
def random_kernel(out_ptr, seed, N: tl.constexpr):
    at = tl.arange(0, N)
    bits = out_ptr.to(tl.pointer_type(tl.uint32))
    tl.store(bits + at, tl.randint(seed, at))
    tl.store(out_ptr + N + at, tl.rand(seed, at))
    tl.store(out_ptr + 2 * N + at, tl.randn(seed, at))
    a, b, c, d = tl.randint4x(seed, at)
    tl.store(bits + 3 * N + at, a)
    tl.store(bits + 4 * N + at, b)
    tl.store(bits + 5 * N + at, c)
    tl.store(bits + 6 * N + at, d)
    e, f, g, h = tl.rand4x(seed, at)
    tl.store(out_ptr + 7 * N + at, e)
    tl.store(out_ptr + 8 * N + at, f)
    tl.store(out_ptr + 9 * N + at, g)
    tl.store(out_ptr + 10 * N + at, h)
    i, j, k, m = tl.randn4x(seed, at)
    tl.store(out_ptr + 11 * N + at, i)
    tl.store(out_ptr + 12 * N + at, j)
    tl.store(out_ptr + 13 * N + at, k)
    tl.store(out_ptr + 14 * N + at, m)


@triton.jit
def shapes_kernel(x_ptr, out_ptr, R: tl.constexpr, C: tl.constexpr):
    at = tl.arange(0, R)[:, None] * C + tl.arange(0, C)[None, :]
    x = tl.load(x_ptr + at)
    tl.store(out_ptr + at, tl.softmax(x, 1, keep_dims=True))
    out_ptr += R * C
    tl.store(out_ptr + at, tl.squeeze(tl.unsqueeze(x, 1), 1))
    out_ptr += R * C
    tl.store(out_ptr + at, tl.reshape(tl.ravel(x), [R, C]))
    out_ptr += R * C
    row, wide = tl.broadcast(tl.expand_dims(tl.arange(0, C), 0), tl.zeros([R, C], tl.int32))
    tl.store(out_ptr + at, tl.cast(row + wide, tl.float32))
    out_ptr += R * C
    tl.store(out_ptr + at, tl.add(tl.sub(x, 1.0), tl.mul(x, tl.to_tensor(2.0))))
    out_ptr += R * C
    tl.static_print("a kernel of", R, "rows")
    chosen = (x > 0).logical_and(x < 1).logical_or(x < -1)
    tl.store(out_ptr + at, tl.where(chosen, 1.0, 0.0))


@triton.jit
def order_kernel(x_ptr, out_ptr, swizzled_ptr, N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, G: tl.constexpr):
    at = tl.arange(0, N)
    x = tl.load(x_ptr + at)
    # two halves, one ascending and one descending, are what a merge takes
    upward, downward = tl.sort(x), tl.sort(x, descending=True)
    bitonic = tl.where(at < N // 2, upward, downward)
    tl.store(out_ptr + at, bitonic)
    tl.store(out_ptr + N + at, tl.bitonic_merge(bitonic))
    tl.store(out_ptr + 2 * N + at, tl.bitonic_merge(bitonic, descending=True))
    places = tl.arange(0, R * C)
    i, j = tl.swizzle2d(places // C, places % C, R, C, G)
    tl.store(swizzled_ptr + places, i * C + j)


@triton.jit
def descriptor_kernel(x_ptr, out_ptr, rows, columns, B: tl.constexpr):
    x = tl.make_tensor_descriptor(x_ptr, [rows, columns], [columns, 1], [B, B])
    out = tl.make_tensor_descriptor(out_ptr, [rows, columns], [columns, 1], [B, B])
    at = [tl.program_id(0) * B, tl.program_id(1) * B]
    tl.store_tensor_descriptor(out, at, tl.load_tensor_descriptor(x, at) * 2)
