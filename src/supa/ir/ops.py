"""The operations of the tile IR. Semantics are here in words; the oracle (`ir.oracle`) is their executable form.

A tile operation works on whole tiles; scalars are values without a shape. Memory is byte addressed; a masked-off
lane of a load gives `other` (or an unspecified value without it), of a store or atomic does nothing.
"""

from __future__ import annotations

from supa.ir.core import Attribute, Op, Operand, Value

# ---- structure and control -------------------------------------------------------------------------------------


class Func(Op):
    """One kernel: the body's arguments are the kernel's; ends in `return`. `arg_names` are the user's names."""

    name = "func"
    region_names = ("body",)
    sym_name = Attribute(str, "the kernel's name")
    arg_names = Attribute(tuple, "the user's argument names", default=())
    arg_divisibility = Attribute(
        tuple, "known divisor of each argument's value (bytes for pointers), 1 unknown", default=()
    )


class Return(Op):
    """End of a kernel's body. Kernels return nothing."""

    name = "return"
    is_terminator = True


class Yield(Op):
    """End of a region: hands `values` to the enclosing operation."""

    name = "yield"
    is_terminator = True
    values = Operand("values of the region", variadic=True)


class For(Op):
    """Counted loop: iv runs from lower below upper by step (signed, step > 0). Body args: iv, carried values.

    Results are the carried values after the last iteration. `num_stages` is the user's pipelining wish (0: none).
    """

    name = "for"
    region_names = ("body",)
    lower = Operand("first value of the induction variable")
    upper = Operand("bound, exclusive")
    step = Operand("increment")
    inits = Operand("initial carried values", variadic=True)
    num_stages = Attribute(int, "pipelining wish of this loop, 0: the kernel's", default=0)
    unsigned = Attribute(bool, "compare iv and upper as unsigned", default=False)
    flatten = Attribute(bool, "the user allows flattening with an inner loop", default=False)
    warp_specialize = Attribute(bool, "the user asks for producer and consumer warps", default=False)


class If(Op):
    """Runs `then` if the scalar i1 `condition` holds, else `otherwise`; results are what they yield."""

    name = "if"
    region_names = ("then", "otherwise")
    condition = Operand("scalar i1")


class While(Op):
    """`before` computes (condition, values); while the condition holds, `after` maps values to the next inits.

    Both blocks take arguments; results are the values handed over when the condition fails.
    """

    name = "while"
    region_names = ("before", "after")
    inits = Operand("initial values", variadic=True)


class Condition(Op):
    """End of a while's `before`: scalar i1 and the values to hand over."""

    name = "condition"
    is_terminator = True
    condition = Operand("scalar i1: go on")
    values = Operand("handed to `after`, or to the results", variadic=True)


DEVICE_READINGS = ("nanoseconds", "cycles", "processor", "processors")
"""What `read_device` gives, in the order of the numbers that the binary interface has for them."""

# ---- scalars and shapes ----------------------------------------------------------------------------------------


class Constant(Op):
    """A scalar, or a tile filled with one value: `value` is a Python bool, int or float.

    A tile of different values has `values`, a tuple in row-major order.
    """

    name = "constant"
    value = Attribute((bool, int, float), "the value, or of every element", default=0)
    values = Attribute(tuple, "row-major elements of a tile that is not uniform", default=())


class ProgramId(Op):
    """Index of this program in the launch grid along `axis` (0 to 2), i32."""

    name = "program_id"
    axis = Attribute(int)


class NumPrograms(Op):
    """Extent of the launch grid along `axis`, i32."""

    name = "num_programs"
    axis = Attribute(int)


class ReadDevice(Op):
    """What the device says of itself, i64: `nanoseconds` and `cycles` never fall during a program; `processor` is the
    one of `processors` that runs this program.
    """

    name = "read_device"
    has_effect = True
    what = Attribute(str, "nanoseconds, cycles, processor or processors")


class Range(Op):
    """The i32 tile start, start+1, ..., end-1."""

    name = "range"
    start = Attribute(int)
    end = Attribute(int)


class Splat(Op):
    """A tile filled with a scalar."""

    name = "splat"
    source = Operand("scalar")


class Broadcast(Op):
    """Repeats dimensions of extent 1 up to the result's shape; rank stays."""

    name = "broadcast"
    source = Operand("tile")


class ExpandDims(Op):
    """Inserts a dimension of extent 1 at `axis`."""

    name = "expand_dims"
    source = Operand("tile")
    axis = Attribute(int)


class Reshape(Op):
    """The same elements in row-major order under another shape (also tile to scalar: `unsplat`).

    `reorder` allows any order of elements; it is ignored.
    """

    name = "reshape"
    source = Operand("tile")
    reorder = Attribute(bool, default=False)


class Transpose(Op):
    """result dimension d is source dimension order[d]."""

    name = "transpose"
    source = Operand("tile")
    order = Attribute(tuple, "permutation of the dimensions")


class Join(Op):
    """Two tiles of one shape S to one of shape S + (2,)."""

    name = "join"
    left = Operand()
    right = Operand()


class Split(Op):
    """The inverse of join: two results."""

    name = "split"
    source = Operand("tile whose last extent is 2")


class Butterfly(Op):
    """result[.., i, ..] = source[.., 1 - i, ..] along `axis`, whose extent is 2."""

    name = "butterfly"
    source = Operand()
    axis = Attribute(int)


class Cat(Op):
    """Two tiles of shape (n,) to one of (2n,)."""

    name = "cat"
    left = Operand()
    right = Operand()


class Gather(Op):
    """result[i..] = source[.., indices[i..], ..] along `axis`."""

    name = "gather"
    source = Operand("tile")
    indices = Operand("integer tile")
    axis = Attribute(int)


# ---- elements --------------------------------------------------------------------------------------------------


class Map(Op):
    """Applies the scalar function `function` (see `ir.functions`) to each element; scalars or tiles of one shape."""

    name = "map"
    arguments = Operand("operands", variadic=True)
    function = Attribute(str, "a name of FUNCTIONS")


class Cast(Op):
    """Converts each element to the result's element type; `kind` is one of `functions.CASTS`."""

    name = "cast"
    source = Operand()
    kind = Attribute(str)
    rounding = Attribute(str, "rtne or rtz, for fptrunc", default="rtne")


class AddPtr(Op):
    """pointer + offset * size of the pointee, per element; the offset is a signed integer."""

    name = "addptr"
    pointer = Operand()
    offset = Operand()


class MapRegion(Op):
    """Runs a region of scalars once for each element: block args are one scalar for each operand (times `pack`,
    the `pack` elements of one operand next to each other); it yields `pack` scalars for each result.
    """

    name = "map_region"
    region_names = ("body",)
    sources = Operand("tiles of one shape", variadic=True)
    pack = Attribute(int, default=1)


# ---- memory ----------------------------------------------------------------------------------------------------


class Load(Op):
    """Reads scalars or tiles from `pointer`. `volatile` forbids reuse. cache: '', 'ca', 'cg', 'cv', 'cs'."""

    name = "load"
    reads_memory = True
    pointer = Operand()
    mask = Operand("i1 of the same shape", optional=True)
    other = Operand("value of masked-off lanes", optional=True)
    cache = Attribute(str, default="")
    eviction = Attribute(str, default="")
    volatile = Attribute(bool, default=False)


class Store(Op):
    """Writes `value` to `pointer`. Where two lanes write one address, the later lane in row-major order wins."""

    name = "store"
    writes_memory = True
    has_effect = True
    pointer = Operand()
    value = Operand()
    mask = Operand("i1 of the same shape", optional=True)
    cache = Attribute(str, default="")
    eviction = Attribute(str, default="")


class AtomicRmw(Op):
    """Atomically replaces memory by kind(old, value), giving the old value (masked-off lanes: unspecified).

    kind: add fadd and or xor smax smin umax umin xchg. Lanes act one after another in row-major order.
    """

    name = "atomic_rmw"
    reads_memory = True
    writes_memory = True
    has_effect = True
    pointer = Operand()
    value = Operand()
    mask = Operand(optional=True)
    kind = Attribute(str)
    order = Attribute(str, "relaxed acquire release acq_rel", default="acq_rel")
    scope = Attribute(str, "gpu cta sys", default="gpu")


class AtomicCas(Op):
    """Atomically writes `value` where memory equals `expected`; gives the old value."""

    name = "atomic_cas"
    reads_memory = True
    writes_memory = True
    has_effect = True
    pointer = Operand()
    expected = Operand()
    value = Operand()
    order = Attribute(str, default="acq_rel")
    scope = Attribute(str, default="gpu")


class MakeDescriptor(Op):
    """A tensor descriptor from base, then `rank` i32 shapes, then `rank` i64 strides (in elements), then, where
    `padding` is `choice`, an i1 that says whether to pad with NaN.
    """

    name = "make_descriptor"
    base = Operand("pointer")
    extents_and_strides = Operand("shapes then strides", variadic=True)
    padding = Attribute(str, "zero, nan or choice", default="zero")

    @property
    def extents(self) -> list[Value]:
        """The shapes."""
        numbers: list[Value] = self.extents_and_strides
        return numbers[: len(numbers) // 2]

    @property
    def strides(self) -> list[Value]:
        """The strides, in elements."""
        numbers: list[Value] = self.extents_and_strides
        return numbers[len(numbers) // 2 : len(numbers) // 2 * 2]

    @property
    def pads_with_nan(self) -> Value | None:
        """The choice, where it is made at run time."""
        return self.operands[-1] if self.padding == "choice" else None


class DescriptorLoad(Op):
    """Reads the block at i32 `indices`; elements outside the tensor read as the padding."""

    name = "descriptor_load"
    reads_memory = True
    descriptor = Operand()
    indices = Operand("one scalar per dimension", variadic=True)
    cache = Attribute(str, default="")
    eviction = Attribute(str, default="")


class DescriptorStore(Op):
    """Writes the block at i32 `indices`; elements outside the tensor are dropped."""

    name = "descriptor_store"
    writes_memory = True
    has_effect = True
    descriptor = Operand()
    value = Operand()
    indices = Operand(variadic=True)


class DescriptorReduce(Op):
    """Atomically combines the block into memory; kind: add min max and or xor inc dec. Relaxed.

    min and max of floats: a NaN loses. inc: 0 where old >= value, else old + 1; dec: value where old is 0 or above
    value, else old - 1; both unsigned.
    """

    name = "descriptor_reduce"
    reads_memory = True
    writes_memory = True
    has_effect = True
    descriptor = Operand()
    value = Operand()
    indices = Operand(variadic=True)
    kind = Attribute(str)


class DescriptorGather(Op):
    """Reads rows `row_indices` (i32 tile of n) and the columns from scalar `column` on: n x block columns."""

    name = "descriptor_gather"
    reads_memory = True
    descriptor = Operand()
    row_indices = Operand()
    column = Operand()


class DescriptorScatter(Op):
    """Writes rows `row_indices` of the columns from scalar `column` on."""

    name = "descriptor_scatter"
    writes_memory = True
    has_effect = True
    descriptor = Operand()
    value = Operand()
    row_indices = Operand()
    column = Operand()


# ---- tiles -----------------------------------------------------------------------------------------------------


class Dot(Op):
    """accumulator + left @ right: (m,k) x (k,n), or batched (b,m,k) x (b,k,n). Accumulates in the result's type
    (f32 for small floats, f64, i32). precision: how f32 operands enter the matrix unit: tf32, tf32x3, ieee,
    bf16x3, bf16x6 (what `tf32` means is the chip's: `arch` numerics). max_imprecise: 0 none. Integers are signed.
    x3: each operand as two pieces a0 + a1, the products a0b0 + a0b1 + a1b0; x6: three pieces, the six a_i b_j, i+j<3.
    """

    name = "dot"
    left = Operand()
    right = Operand()
    accumulator = Operand()
    precision = Attribute(str, default="ieee")
    max_imprecise = Attribute(int, default=0)


class DotScaled(Op):
    """Dot of microscaling operands: each group of elements along k shares an e8m0 scale (u8; f8E4M3FN for nvfp4).
    formats: e2m1 (two per byte, the low half first), e4m3, e5m2, bf16, fp16. Scales: (m, k/group) and (n, k/group),
    e8m0 is 2**(byte - 127), 255 is NaN. A product of element and scale is exact before it is multiplied.
    """

    name = "dot_scaled"
    left = Operand()
    left_scale = Operand(optional=True)
    right = Operand()
    right_scale = Operand(optional=True)
    accumulator = Operand()
    left_format = Attribute(str)
    right_format = Attribute(str)
    left_k_pack = Attribute(bool, "e2m1 packed along k", default=True)
    right_k_pack = Attribute(bool, default=True)
    fast_math = Attribute(bool, default=False)


class Reduce(Op):
    """Combines along `axis` with the region (2n scalars to n scalars); each result drops that dimension.

    The order of combination is free but fixed: a tree over the axis. Rank-1 sources give scalars. Only neighbours
    are combined, the lower index as the first n scalars: the region need not be commutative.
    """

    name = "reduce"
    region_names = ("combine",)
    sources = Operand("tiles of one shape", variadic=True)
    axis = Attribute(int)


class Scan(Op):
    """Inclusive scan along `axis` with the region (2n scalars to n; first the n scanned so far, then the n new);
    `reverse` scans from the end.
    """

    name = "scan"
    region_names = ("combine",)
    sources = Operand("tiles of one shape", variadic=True)
    axis = Attribute(int)
    reverse = Attribute(bool, default=False)


class Histogram(Op):
    """Counts of 0..bins-1 in an integer tile; out-of-range values are not counted. Result i32, shape (bins,)."""

    name = "histogram"
    source = Operand()
    mask = Operand(optional=True)


# ---- effects ---------------------------------------------------------------------------------------------------


class Barrier(Op):
    """All warps of the program meet; memory written before is seen after."""

    name = "barrier"
    has_effect = True


class Assert(Op):
    """Stops the launch with `message` if any element of `condition` is false."""

    name = "assert"
    has_effect = True
    condition = Operand()
    message = Attribute(str)


class Print(Op):
    """Prints prefix, program id, and the values; `signed` holds one flag for each value."""

    name = "print"
    has_effect = True
    values = Operand(variadic=True)
    prefix = Attribute(str)
    hexadecimal = Attribute(bool, default=False)
    signed = Attribute(tuple, default=())


class InlineAsm(Op):
    """PTX text on elements, `pack` elements at a time. Front ends turn the known patterns into other ops; what is
    left is refused by the native code generator.
    """

    name = "inline_asm"
    sources = Operand(variadic=True)
    text = Attribute(str)
    constraints = Attribute(str)
    pack = Attribute(int, default=1)
    pure = Attribute(bool, default=True)
