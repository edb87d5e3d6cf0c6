"""The binary interface between compiled kernels and the runtime, as ctypes and in words. Not here: calling them.

C signatures::

    void    entry(const uint64_t *args, Launch *launch, int64_t first, int64_t last, uint8_t *scratch);
    int64_t work (const uint64_t *args, Launch *launch, int64_t first, int64_t last, int64_t *out, int64_t capacity);
    int64_t order(const uint64_t *args, const Launch *launch, int64_t block, int64_t *keys);

`args` holds one 8-byte slot per kernel argument. Blocks are numbered x fastest: block b has program ids
(b % grid_x, b / grid_x % grid_y, b / (grid_x * grid_y)). `work` writes for each block the number of values that
follow and then these values; it returns the number of int64 written, or, where `capacity` would be exceeded, stops
writing and returns the negative of the number needed for the whole range.

`entry` runs the blocks whose numbers are at the places [first, last) of `launch.order` (i32), or, where that is null,
the blocks [first, last). Only programs with an `order` function look at it. That function writes where a block begins
to read, and returns how many addresses these are: of a product two, its right and its left operand's, of other kernels
one.

A kernel reports through `launch.report(launch, kind, message, block, count, values)`: kind 0 an assert that failed,
kind 1 a print of `count` values (8-byte slots, tiles row-major); `message` indexes `Program.messages`. A print's
text may hold one place `{type}` for its values, which says how they are read (a dtype's name, `u8` to `u64`, `ptr`,
or `hex8` to `hex64`), or `{type:4x32}` with the extents of their tile, none for a scalar; without one they are signed
integers. After an assert `launch.stopped` is 1 and blocks not yet begun are skipped.

A loop in which a block may wait for another one calls `launch.yield_(launch)`, unless it is null, once an iteration:
other blocks of the grid run meanwhile. A program with such a loop says so (`Program.waits`).

`launch.read(launch, what)`, unless it is null, gives what a kernel may ask of the device: 0 nanoseconds of a clock that
never falls, 1 the same clock's cycles, 2 the number of the host thread that runs the block, 3 how many there are, 4
whether no other thread runs kernels until the entry returns: 1 where atomic operations need not be atomic.

A kernel compiled with checks (`Program.sites`) asks `launch.sanitizer`, unless it is null. It points to functions::

    uint64_t check(void *sanitizer, int32_t site, int64_t block, uint64_t base, const uint64_t *addresses,
                   uint64_t lanes, int32_t element, int32_t step, const int32_t *elements);
    void     note (void *sanitizer, int32_t site, int64_t block, uint64_t lanes,
                   int32_t element, int32_t step, const int32_t *elements);
    void     origin (void *sanitizer, uint64_t address);
    void     product(void *sanitizer, int32_t site, int64_t block, const uint8_t *left, const uint8_t *right,
                     const uint8_t *sums, const uint8_t *result, const int64_t *sizes);

`check` is called before an access of the lanes that are set in `lanes`, lane i at addresses[i] or, where that is null,
at base + i * size; it returns those that may be performed. Lane i is element elements[i] of the tile (row-major), or,
where that is null, element + i * step. After a scalar atomic operation `check` is called again with no lanes and base
set to its address. `note` reports lanes whose arithmetic went wrong. `origin` tells, right before `check`, what the
address that is checked was made of, where that is no argument. Behind the functions stands a pointer to pairs of
addresses, one for each site: accesses of neighbouring lanes between them need no `check`, unless what they load is the
mark (`FRESH`). Behind it stands a function for a whole row of a tile, which returns 1 where all of it may be accessed,
and after 0 each part is asked for on its own::

    int32_t row(void *sanitizer, int32_t site, int64_t block, uint64_t base, int64_t bytes);

`product` reports results of result = sums + left @ right that are not finite though all their operands
are; sizes are batch, m, n, k, the tiles hold for each element a byte, 0 where it is finite.
"""

from __future__ import annotations

import ctypes

FRESH = 0xFFF9FDE7
"""What fresh memory is filled with under the sanitizer, word by word: reading it is reading what was never written."""

READ_ALONE = 4
"""What `launch.read` is asked for to learn whether the launch has the process's kernels to itself."""

REPORT = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.c_int32,
    ctypes.c_int32,
    ctypes.c_int64,
    ctypes.c_int64,
    ctypes.POINTER(ctypes.c_int64),
)

READ = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int32)
YIELD = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Launch(ctypes.Structure):
    """What native code knows of its launch. Field offsets are part of the contract."""

    _fields_ = (
        ("grid", ctypes.c_int32 * 3),  # offset 0
        ("stopped", ctypes.c_int32),  # offset 12
        ("report", REPORT),  # offset 16
        ("yield_", YIELD),  # offset 24
        ("sanitizer", ctypes.c_void_p),  # offset 32
        ("read", READ),  # offset 40
        ("order", ctypes.c_void_p),  # offset 48
    )
