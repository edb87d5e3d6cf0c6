"""The static side of the work: which steps there are, what they wait for, how loops and guesses show; resources;
the native entry's contract.
"""

import llvmlite.binding as llvm
import numpy as np
import pytest
from work_calls import Native, kernel

from supa.base.errors import UnsupportedError
from supa.base.location import Location
from supa.compiler.work import WorkOptions, extract
from supa.compiler.work.walker import RULES
from supa.ir import ops
from supa.ir.core import OPERATIONS, Block
from supa.ir.parser import parse_function
from supa.ir.verify import verify
from supa.program.stream import decode
from supa.program.work import Access, Branch, Count, Exchange, Loop, Matrix, Repeat, Vector
from supa.program.work_text import format_work

OPTIONS = WorkOptions()
EVERY_KERNEL = [
    "argmax", "atomics", "attention", "block_pointers", "collatz", "descriptors", "dropout", "early_return",
    "elementwise_map", "host_descriptor", "inline_assembly", "layer_norm_backward", "loop_hints", "mathematics",
    "matmul", "nested_calls", "scaled_dot", "scans", "shapes", "softmax", "sort", "vector_add",
    "interior", "persistent", "ragged_rows", "embedding", "wrapped", "grid_stride", "chosen", "doubling", "backwards",
    "cursor", "nothing", "maze", "unrolled", "indirect", "queue",
]  # fmt: skip


def work_of(name):
    return extract(kernel(name), OPTIONS).work


def steps_of(name, kind):
    return [step for step in work_of(name).steps() if isinstance(step, kind)]


def test_every_operation_has_a_rule():
    elsewhere = {"func", "butterfly"}  # a body; what native code alone makes of a reduction
    assert {name for name, cls in OPERATIONS.items() if cls not in RULES} == elsewhere


def test_an_operation_without_a_rule_is_refused_with_its_line(monkeypatch):
    monkeypatch.delitem(RULES, ops.Barrier)
    where = Location("user.py", 7)
    body = Block()
    body.append(ops.Barrier(location=where))
    body.append(ops.Return())
    func = ops.Func((), (), {"sym_name": "k"}, [body])
    with pytest.raises(UnsupportedError, match=r"user\.py:7: .*barrier"):
        extract(func, OPTIONS)


@pytest.mark.parametrize("name", EVERY_KERNEL)
def test_ids_follow_walking_order_and_waits_name_steps(name):
    work = work_of(name)
    ids = [step.id for step in work.steps()]
    assert ids == list(range(len(ids)))
    for step in work.steps():
        assert set(step.waits) <= set(ids)


@pytest.mark.parametrize("name", EVERY_KERNEL)
def test_waits_on_a_later_step_are_inside_one_loop(name):
    """Outside loops a step can only wait for an earlier one."""

    def check(nodes, first):
        for node in nodes:
            if isinstance(node, Repeat | Loop):
                inner = [step.id for step in type(work)(body=node.body).steps()]
                check(node.body, min(inner, default=0) if first is None else first)
            elif isinstance(node, Branch):
                check(node.then, first)
                check(node.otherwise, first)
            elif first is None:
                assert all(wait < node.id for wait in node.waits)
            else:
                assert all(wait < node.id or wait >= first for wait in node.waits)

    work = work_of(name)
    check(work.body, None)


def test_matmul_is_three_phases():
    work = work_of("matmul")
    index, loop, finish, store = work.body
    assert isinstance(loop, Repeat) and loop.stages == OPTIONS.num_stages
    pointers, left, right, product = loop.body
    assert isinstance(index, Vector) and isinstance(pointers, Vector) and isinstance(finish, Vector)
    assert (left.shape, left.element_bytes, left.asynchronous, left.argument) == ((64, 32), 2, True, 0)
    assert (right.shape, right.element_bytes, right.asynchronous, right.argument) == ((32, 64), 2, True, 1)
    assert isinstance(product, Matrix)
    assert (product.m, product.n, product.k, product.format) == (64, 64, 32, "fp16")
    assert product.left_shared and product.right_shared
    assert product.waits == (left.id, right.id, product.id)
    assert left.waits == right.waits == ()
    assert finish.waits == (product.id,) and store.waits == (finish.id,)
    # leaky relu on 64 x 64: a comparison, a product, a choice and the conversion to fp16, once an element each
    kinds = ("compare", "mul", "logic", "convert")
    assert set(finish.counts) == {Count(kind=kind, format="f32", elements=64 * 64) for kind in kinds}


def test_attention_waits_follow_the_recurrence():
    work = work_of("attention")
    loop = next(node for node in work.body if isinstance(node, Repeat))
    assert loop.stages == 2
    scores, output = (step for step in loop.body if isinstance(step, Matrix))
    keys, values = (step for step in loop.body if isinstance(step, Access))
    queries = next(node for node in work.body if isinstance(node, Access))
    assert set(scores.waits) == {queries.id, keys.id}
    assert values.id in output.waits and not output.left_shared and output.right_shared
    rescale = next(step for step in loop.body if step.id in output.waits and output.id in step.waits)
    assert rescale.counts == (Count(kind="mul", format="f32", elements=64 * 64),)
    exponentials = sum(c.elements for s in loop.body if isinstance(s, Vector) for c in s.counts if c.kind == "special")
    assert exponentials == 64 * 64 + 64
    assert [step.scope for step in loop.body if isinstance(step, Exchange)] == ["warp", "warp"]


def test_a_row_wider_than_a_warp_is_reduced_through_shared_memory():
    scopes = [(step.scope, step.rounds) for step in steps_of("softmax", Exchange)]
    assert scopes == [("warp", 5), ("block", 1)] * 2
    total = {}
    for step in steps_of("softmax", Vector):
        for count in step.counts:
            total[count.kind, count.format] = total.get((count.kind, count.format), 0) + count.elements
    assert total["special", "f32"] == total["div", "f32"] == 1024
    assert total["add", "f32"] == 3 * 1024  # the maximum, the difference, the sum


def test_three_pass_tf32_is_three_times_the_depth():
    (product,) = steps_of("persistent", Matrix)
    assert (product.m, product.n, product.k, product.format) == (32, 16, 3 * 16, "tf32")


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("matmul", ["Repeat"]),
        ("attention", ["Repeat"]),
        ("block_pointers", ["Repeat"]),
        ("descriptors", ["Repeat"]),
        ("persistent", ["Loop", "Repeat"]),
        ("wrapped", ["Loop"]),  # addresses move by i % period
        ("grid_stride", ["Loop"]),  # a while
        ("chosen", ["Branch", "Loop", "Branch"]),
        ("early_return", ["Branch", "Branch"]),
        ("collatz", []),  # its loop is on scalars and decides nothing
        ("ragged_rows", ["Repeat"]),
    ],
)
def test_control_nodes(name, shape):
    def names(nodes):
        for node in nodes:
            if isinstance(node, Repeat | Loop):
                yield type(node).__name__
                yield from names(node.body)
            elif isinstance(node, Branch):
                yield "Branch"
                yield from names((*node.then, *node.otherwise))

    assert list(names(work_of(name).body)) == shape


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("matmul", []),
        ("attention", []),
        ("persistent", []),
        ("ragged_rows", ["a value loaded from memory", "a value loaded from memory"]),
        ("indirect", ["a value loaded from memory"] * 3),
        ("queue", ["an atomic's old value"]),
        ("embedding", ["addresses depend on data"]),
        ("doubling", ["addresses are not evenly spaced"]),
    ],
)
def test_guesses_are_named_with_their_line(name, words):
    reasons = work_of(name).data_dependent
    assert len(reasons) == len(words)
    for reason, word in zip(reasons, words, strict=True):
        assert word in reason and reason.startswith("kernels.py:")


def test_addresses_made_of_loaded_sizes_hold_nothing_up():
    """A pointer that a loop moves is ready as soon as the sizes in it are: no load waits for the moving."""
    work = work_of("indirect")
    scalars = {step.id for step in work.steps() if isinstance(step, Access) and step.shape == ()}
    loop = next(node for node in work.body if isinstance(node, Repeat))
    load = next(step for step in loop.body if isinstance(step, Access))
    assert set(load.waits) == scalars and len(scalars) == 3
    assert not load.scattered and load.argument == -1


def test_an_atomic_whose_old_value_is_unused_says_so():
    returns = [step.returns for step in steps_of("atomics", Access) if step.kind == "atomic"]
    assert returns.count(True) < len(returns) and True in returns


# ---- resources


def test_resources_of_a_pipelined_product():
    resources = extract(kernel("matmul"), OPTIONS).resources
    assert resources.threads == 128
    assert resources.shared_bytes == 3 * (64 * 32 + 32 * 64) * 2
    assert 64 * 64 * 4 // 4 // 128 <= resources.registers_per_thread <= 128  # holds the accumulator, with room


def test_more_warps_hold_fewer_registers_each():
    few, many = (extract(kernel("attention"), WorkOptions(num_warps=n)).resources for n in (4, 8))
    assert many.threads == 2 * few.threads
    assert many.registers_per_thread < few.registers_per_thread
    assert few.shared_bytes == 2 * 2 * 64 * 64 * 2  # two stages of a key and a value tile


def test_registers_end_at_the_architectures_limit():
    assert extract(kernel("attention"), WorkOptions(num_warps=1)).resources.registers_per_thread == 255


# ---- the native entry


def grid_stride():
    func = kernel("grid_stride")
    result = extract(func, OPTIONS)
    args = [np.zeros(500, np.float32), np.zeros(510, np.float32), 500]
    return result, Native(func, result), args


def test_blocks_can_be_asked_for_in_any_range():
    result, native, args = grid_stride()
    whole = native.stream([3], args)
    answer, part = native.call([3], args, 1, 3, 1000)
    start = 1 + whole[0]
    assert answer == len(whole) - start
    assert part[:answer].tolist() == whole[start:].tolist()
    assert {block for block, _, _ in decode(result.work, part[:answer], first_block=1)} == {1, 2}
    assert native.call([3], args, 2, 2, 10)[0] == 0


@pytest.mark.parametrize("name", ["grid_stride", "matmul"])
def test_a_short_buffer_is_never_overrun_and_the_need_is_told(name):
    func = kernel(name)
    native = Native(func, extract(func, OPTIONS))
    half = np.zeros(1, np.float16)
    args = [half, half, 500] if name == "grid_stride" else [half, half, half, 200, 70, 90, 90, 70, 70]
    grid = [3] if name == "grid_stride" else [8]
    whole = native.stream(grid, args)
    for capacity in {0, 1, 2, 5, len(whole) // 2, len(whole) - 1}:
        answer, out = native.call(grid, args, 0, grid[0], capacity)
        assert answer == -len(whole)
    answer, out = native.call(grid, args, 0, grid[0], len(whole) + 7)
    assert answer == len(whole) and (out[answer:] == -77).all()


def test_a_loop_of_no_trips_streams_its_count_only():
    func = kernel("matmul")
    half = np.zeros(1, np.float16)
    args = [half, half, half, 64, 64, 0, 64, 64, 64]
    stream = Native(func, extract(func, OPTIONS)).stream([1], args)
    store = 5  # address, and limit and stride of two dimensions
    assert stream[0] == 1 + store and stream[1] == 0 and len(stream) == 2 + store


def test_a_stream_that_does_not_fit_is_refused():
    result, native, args = grid_stride()
    whole = native.stream([3], args)
    with pytest.raises(ValueError, match="the stream ends"):
        list(decode(result.work, whole[:-1]))
    broken = whole.copy()
    broken[0] += 1
    with pytest.raises(ValueError, match="block 0 has"):
        list(decode(result.work, broken))


# ---- text


def test_scalars_of_small_floats_are_guessed_and_constants_rounded():
    text = """func {sym_name="k"} {
  body(%0: ptr<f8E5M2>, %1: ptr<f16>, %2: f16):
    %3 = load %0, _, _ : (ptr<f8E5M2>) -> f8E5M2
    %4 = map %3, %3 {function="fcmp_olt"} : (f8E5M2, f8E5M2) -> i1
    %5 = constant {value=1e+30} : () -> f16
    %6 = map %2, %5 {function="fcmp_olt"} : (f16, f16) -> i1
    %7 = map %4, %6 {function="or"} : (i1, i1) -> i1
    if %7 : (i1) -> () {
      then():
        store %1, %2, _ : (ptr<f16>, f16) -> ()
        yield
      otherwise():
        yield
    }
    return
}
"""
    func = parse_function(text)
    verify(func)
    result = extract(func, OPTIONS)
    llvm.parse_assembly(result.llvm).verify()
    assert any("fcmp_olt" in reason for reason in result.work.data_dependent)


def test_the_text_of_a_work():
    text = format_work(work_of("grid_stride"))
    assert text == (
        "loop {  ; kernels.py:66:5\n"
        "  %0 = vector add.i32 64, compare.i32 64, add.i64 32  ; kernels.py:67:22\n"
        "  %1 = load 64 4 B arg0  ; kernels.py:68:39\n"
        "  %2 = vector add.f32 64 (%1)  ; kernels.py:68:68\n"
        "  %3 = store 64 4 B arg1 (%2)  ; kernels.py:68:31\n"
        "}\n"
        "%4 = store scalar 4 B arg1  ; kernels.py:70:42\n"
    )


@pytest.mark.parametrize("name", EVERY_KERNEL)
def test_every_step_has_a_line_of_text(name):
    work = work_of(name)
    text = format_work(work)
    assert all(f"%{step.id} = " in text for step in work.steps())
    assert all(f"guess: {reason}" in text for reason in work.data_dependent)
