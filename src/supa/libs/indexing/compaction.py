"""The places of elements that are not 0, in order: counted by blocks, then written behind the blocks before.

Not here: the running sum of the blocks' counts (`lines.scan`), what is read at the places (`elements`).
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def count(count_ptr, x_ptr, n, BLOCK: tl.constexpr):
    """count[block] = how many of the block's elements are not 0."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n, other=0)
    tl.store(count_ptr + tl.program_id(0), tl.sum((x != 0).to(tl.int32), axis=0).to(tl.int64))


@triton.jit
def places(out_ptr, x_ptr, end_ptr, n, BLOCK: tl.constexpr):
    """out: the places of the elements that are not 0; end[block] is how many there are up to the block's last one."""
    block = tl.program_id(0)
    at = block.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n, other=0)
    kept = (x != 0).to(tl.int32)
    begin = tl.load(end_ptr + block) - tl.sum(kept, axis=0)
    tl.store(out_ptr + begin + tl.cumsum(kept, axis=0) - 1, at, mask=kept > 0)
