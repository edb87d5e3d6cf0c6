"""The conversion of TTIR to tile IR: what comes out of the golden texts, and of texts that no golden holds."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supa.base.dtypes import BF16, F16, I1, I32, I64
from supa.base.errors import CompileError, UnsupportedError
from supa.compiler.ttir import read
from supa.compiler.ttir.conversion import RULES
from supa.ir import ops
from supa.ir.oracle import Memory, run
from supa.ir.types import Pointer
from supa.ir.verify import verify

FOLDER = Path(__file__).parent / "ttir"
REFUSED = "block_pointers.raw"
GOLDENS = sorted(path.name.removesuffix(".mlir") for path in FOLDER.glob("*.mlir") if REFUSED not in path.name)

# triton.md's list for 3.7.1 without what Triton's passes remove (make_tensor_ptr, advance) and what is no operation
COVERED = (
    "tt.addptr tt.assert tt.atomic_cas tt.atomic_rmw tt.bitcast tt.broadcast tt.call tt.cat tt.clampf "
    "tt.descriptor_load tt.descriptor_store tt.descriptor_reduce tt.descriptor_gather tt.descriptor_scatter tt.dot "
    "tt.dot_scaled tt.elementwise_inline_asm tt.expand_dims tt.extern_elementwise tt.fp_to_fp tt.gather "
    "tt.get_num_programs tt.get_program_id tt.histogram tt.int_to_ptr tt.join tt.load tt.make_range "
    "tt.make_tensor_descriptor tt.map_elementwise tt.mulhiui tt.precise_divf tt.precise_sqrt tt.print tt.ptr_to_int "
    "tt.reduce tt.reshape tt.scan tt.splat tt.split tt.store tt.trans tt.unsplat scf.for scf.if scf.while ttg.barrier "
    "llvm.intr.assume ub.poison"
)


def golden(name):
    func = read((FOLDER / f"{name}.mlir").read_text())
    verify(func)
    return func


def count(func, cls):
    return sum(isinstance(op, cls) for op in func.walk())


def of_class(func, cls):
    return [op for op in func.walk() if isinstance(op, cls)]


@pytest.mark.parametrize("name", GOLDENS)
def test_every_golden_becomes_a_well_formed_kernel(name):
    func = golden(name)
    assert func.sym_name == name.removesuffix(".raw")


def test_a_block_pointer_that_no_pass_has_rewritten_is_refused_with_what_to_do():
    with pytest.raises(CompileError, match="rewrite_tensor_pointer"):
        read((FOLDER / f"{REFUSED}.mlir").read_text())


def test_every_operation_that_triton_leaves_has_a_rule():
    assert set(COVERED.split()) <= set(RULES)


def test_arguments_keep_their_names_and_known_divisors():
    func = golden("matmul")
    assert func.arg_names == ("a", "b", "c", "M", "N", "K", "lda", "ldb", "ldc")
    assert func.arg_divisibility == (16, 16, 16, 1, 1, 1, 16, 16, 16)


def test_a_descriptor_argument_is_a_pointer_and_the_numbers_behind_it():
    func = golden("host_descriptor")
    types = [value.type for value in func.regions[0].args]
    assert types[:6] == [Pointer(F16), I1, I32, I32, I64, I64] and types[6] == Pointer(BF16)
    assert func.arg_names[:6] == (
        "source",
        "source.padding",
        "source.shape.0",
        "source.shape.1",
        "source.stride.0",
        "source.stride.1",
    )
    assert [op.result.type.signed for op in of_class(func, ops.MakeDescriptor)] == [True, True, False]


def test_early_returns_become_nested_branches_and_nothing_is_emitted_twice():
    func = golden("early_return")
    assert [type(op) for op in func.regions[0].ops][-2:] == [ops.If, ops.Return]
    assert count(func, ops.If) == 2 and count(func, ops.Store) == 2 and count(func, ops.Load) == 1


def test_calls_are_inlined_and_remember_their_call_sites():
    func = golden("nested_calls")
    products = [op for op in of_class(func, ops.Map) if op.function == "fmul"]
    assert len(products) == 2  # outer is called twice and calls inner once
    callers = [(op.location.caller.line, op.location.caller.caller.line) for op in products]
    text = (FOLDER / "kernels.py").read_text().splitlines()
    assert all("inner(x, 2.0)" in text[inner - 1] for inner, _ in callers)
    assert all("outer(tl.load" in text[outer - 1] for _, outer in callers)


def test_loop_hints_arrive():
    first, *others = of_class(golden("loop_hints"), ops.For)
    assert (first.num_stages, first.flatten, first.warp_specialize) == (3, True, True)
    assert (others[0].num_stages, others[0].flatten, others[0].warp_specialize) == (0, False, False)


def test_atomics_keep_kind_order_and_scope():
    found = [(op.kind, op.order, op.scope) for op in of_class(golden("atomics"), ops.AtomicRmw)]
    assert found[0] == ("add", "acq_rel", "gpu")
    assert ("fadd", "relaxed", "gpu") in found and ("fadd", "acq_rel", "cta") in found
    assert ("umin", "acq_rel", "gpu") in found and ("umax", "acquire", "gpu") in found
    assert ("and", "release", "sys") in found and ("xchg", "acq_rel", "gpu") in found


def test_cache_hints_arrive():
    func = golden("mathematics")
    assert any((op.cache, op.eviction) == ("cs", "evict_first") for op in of_class(func, ops.Store))
    assert any((op.cache, op.eviction, op.volatile) == ("cg", "evict_last", True) for op in of_class(func, ops.Load))


def test_reading_twice_gives_two_independent_kernels():
    text = (FOLDER / "vector_add.mlir").read_text()
    first, second = read(text), read(text)
    for op in reversed(list(first.regions[0].ops)):
        op.drop()
    verify(second)


# Texts that no golden holds


def kernel(body, signature="!tt.ptr<i32>, i32", arguments="%out: !tt.ptr<i32>, %n: i32", more=""):
    return f""""builtin.module"() ({{
  "tt.func"() <{{function_type = ({signature}) -> (), sym_name = "k", sym_visibility = "public"}}> ({{
  ^bb0({arguments}):
{body}
  }}) : () -> ()
{more}
}}) : () -> ()
#loc = loc(unknown)
"""


STORE = '"tt.store"(%out, {}) <{{cache = 1 : i32, evict = 1 : i32}}> : (!tt.ptr<i32>, i32) -> ()'
CONSTANTS = "\n".join(f'%c{i} = "arith.constant"() <{{value = {i} : i32}}> : () -> i32' for i in range(8))
RETURN = '"tt.return"() : () -> ()'


def branch(name, bit, yes, no):
    """Branch on one bit of n."""
    return f"""%{name}m = "arith.andi"(%n, %c{bit}) : (i32, i32) -> i32
%{name} = "arith.cmpi"(%{name}m, %c0) <{{predicate = 1 : i64}}> : (i32, i32) -> i1
"cf.cond_br"(%{name})[{yes}, {no}] <{{operandSegmentSizes = array<i32: 1, 0, 0>}}> : (i1) -> ()"""


def add(result, left, right):
    return (
        f'%{result} = "arith.addi"(%{left}, %{right}) <{{overflowFlags = #arith.overflow<none>}}> : (i32, i32) -> i32'
    )


def stored(text, n):
    """What the kernel leaves in memory that starts as 99."""
    func = read(text)
    verify(func)
    memory = Memory()
    region = memory.copy_of("out", np.array([99], np.int32))
    run(func, (1,), [region, n], memory)
    return int(region.array(np.int32)[0])


def test_paths_that_leave_early_and_paths_that_meet_again():
    """if n & 1: (if n & 2: return; store 10); store (n & 1 ? 11 : 12) + n; if n & 4: return; store 7."""
    text = kernel(f"""{CONSTANTS}
{branch("a", 1, "^bb1", "^bb3")}
^bb1:
{branch("b", 2, "^bb2", "^bb4")}
^bb2:
{RETURN}
^bb3:
{add("twelve", "c6", "c6")}
"cf.br"(%twelve)[^bb5] : (i32) -> ()
^bb4:
{add("eleven", "c6", "c5")}
"cf.br"(%eleven)[^bb5] : (i32) -> ()
^bb5(%base: i32):
{add("sum", "base", "n")}
{STORE.format("%sum")}
{branch("c", 4, "^bb2", "^bb6")}
^bb6:
{STORE.format("%c7")}
{RETURN}""")
    func = read(text)
    assert count(func, ops.Store) == 2  # what follows the meeting point is emitted once
    for n in range(8):
        expected = 99 if n & 3 == 3 else ((11 if n & 1 else 12) + n if n & 4 else 7)
        assert stored(text, n) == expected


WAYS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=9)


def graph_text(ways):
    """A kernel of one block for each entry (yes, no, bit): it records that it ran and goes on by a bit of n."""
    bits = {f"%b{bit}": 1 << bit for bit in range(4)} | {"%i0": 31}
    made = [f'{name} = "arith.constant"() <{{value = {value} : i32}}> : () -> i32' for name, value in bits.items()]
    count, lines = len(ways), [CONSTANTS, *made]
    for block, (yes, no, bit) in enumerate(ways):
        if block:
            lines.append(f"^bb{block}(%i{block}: i32):")
        lines.append(f'%k{block} = "arith.constant"() <{{value = {block + 2} : i32}}> : () -> i32')
        lines.append(f'%o{block} = "arith.muli"(%i{block}, %k{block}) : (i32, i32) -> i32')
        one = "operandSegmentSizes = array<i32: 1, 0, 0>"
        lines.append(f'%h{block} = "tt.load"(%out) <{{{one}}}> : (!tt.ptr<i32>) -> i32')
        lines.append(f'%g{block} = "arith.muli"(%h{block}, %c7) : (i32, i32) -> i32')
        lines.append(add(f"t{block}", f"g{block}", f"o{block}"))
        lines.append(STORE.format(f"%t{block}"))
        left, right = (target(count, block, distance) for distance in (yes, no))
        if left == right == count:
            lines.append(RETURN)
            continue
        if left == right:
            lines.append(f'"cf.br"(%o{block})[^bb{left}] : (i32) -> ()')
            continue
        lines.append(f'%m{block} = "arith.andi"(%n, %b{bit}) : (i32, i32) -> i32')
        lines.append(f'%q{block} = "arith.cmpi"(%m{block}, %c0) <{{predicate = 1 : i64}}> : (i32, i32) -> i1')
        lines.append(f'"cf.cond_br"(%q{block}, %o{block}, %t{block})[^bb{left}, ^bb{right}] '
                     f"<{{operandSegmentSizes = array<i32: 1, 1, 1>}}> : (i1, i32, i32) -> ()")  # fmt: skip
    lines.append(f"^bb{count}(%end: i32):\n{STORE.format('%end')}\n{RETURN}")
    return kernel("\n".join(lines))


def target(count, block, distance):
    return min(block + 1 + distance, count)


def walked(ways, n):
    """What the blocks of `graph_text` leave in memory, by walking them."""
    memory, given, block = 99, 31, 0
    while block < len(ways):
        yes, no, bit = ways[block]
        made = given * (block + 2)
        memory = memory * 7 + made
        left, right = (target(len(ways), block, distance) for distance in (yes, no))
        if left == right == len(ways):
            return memory
        given = made if left == right or n >> bit & 1 else memory
        block = left if left == right or n >> bit & 1 else right
    return given


@settings(max_examples=60, deadline=None)
@given(WAYS)
def test_any_graph_of_blocks_runs_as_if_its_branches_were_followed(ways):
    text = graph_text(ways)
    for n in range(0, 16, 3):
        assert stored(text, n) == int(np.int64(walked(ways, n)).astype(np.int32))


def test_a_function_with_early_returns_is_inlined_with_its_results():
    """f(n) = 3 if n & 1 else (5 if n & 2 else n); out = f(n) + f(n + 1)."""
    function = f"""
  "tt.func"() <{{function_type = (i32) -> i32, sym_name = "f", sym_visibility = "private"}}> ({{
  ^bb0(%n: i32):
{CONSTANTS}
{branch("a", 1, "^bb1", "^bb2")}
^bb1:
"tt.return"(%c3) : (i32) -> ()
^bb2:
{branch("b", 2, "^bb3", "^bb4")}
^bb3:
"tt.return"(%c5) : (i32) -> ()
^bb4:
"tt.return"(%n) : (i32) -> ()
  }}) : () -> ()"""
    text = kernel(
        f"""%one = "arith.constant"() <{{value = 1 : i32}}> : () -> i32
{add("next", "n", "one")}
%a = "tt.call"(%n) <{{callee = @f}}> : (i32) -> i32
%b = "tt.call"(%next) <{{callee = @f}}> : (i32) -> i32
{add("sum", "a", "b")}
{STORE.format("%sum")}
{RETURN}""",
        more=function,
    )
    for n in range(8):
        f = [3 if m & 1 else 5 if m & 2 else m for m in (n, n + 1)]
        assert stored(text, n) == sum(f)


def test_recursion_is_refused():
    function = """
  "tt.func"() <{function_type = (i32) -> i32, sym_name = "f", sym_visibility = "private"}> ({
  ^bb0(%n: i32):
    %a = "tt.call"(%n) <{callee = @f}> : (i32) -> i32
    "tt.return"(%a) : (i32) -> ()
  }) : () -> ()"""
    text = kernel(f'%a = "tt.call"(%n) <{{callee = @f}}> : (i32) -> i32\n{RETURN}', more=function)
    with pytest.raises(UnsupportedError, match="f calls itself"):
        read(text)


def test_a_jump_backwards_is_refused():
    text = kernel(f'"cf.br"()[^bb1] : () -> ()\n^bb1:\n{CONSTANTS}\n{branch("a", 1, "^bb1", "^bb2")}\n^bb2:\n{RETURN}')
    with pytest.raises(UnsupportedError, match="backwards"):
        read(text)


def test_an_operation_without_a_rule_is_refused_with_its_line_and_a_hint():
    text = kernel(f'%a = "tt.teleport"(%n) : (i32) -> i32 loc("user.py":12:3)\n{RETURN}')
    with pytest.raises(UnsupportedError, match=r"user.py:12:4: tt.teleport is not supported\n  write it") as caught:
        read(text)
    assert caught.value.location.line == 12


def test_a_comparison_that_is_always_true_is_a_constant():
    text = kernel(f"""%x = "arith.constant"() <{{value = 1.0 : f32}}> : () -> f32
%a = "arith.cmpf"(%x, %x) <{{fastmath = #arith.fastmath<none>, predicate = 15 : i64}}> : (f32, f32) -> i1
%b = "arith.extui"(%a) : (i1) -> i32
{STORE.format("%b")}
{RETURN}""")
    assert stored(text, 0) == 1


# External functions


def called(symbol, inputs, result):
    """The operations that a call of an external function becomes, its arguments being those of the kernel."""
    arguments = ", ".join(f"%x{i}: {type_}" for i, type_ in enumerate(inputs))
    operands = ", ".join(f"%x{i}" for i in range(len(inputs)))
    body = f"""%r = "tt.extern_elementwise"({operands}) <{{pure = true, symbol = "{symbol}"}}> \
: ({", ".join(inputs)}) -> {result} loc("user.py":5:1)
{RETURN}"""
    func = read(kernel(body, ", ".join(inputs), arguments))
    verify(func)
    return [
        op.function if isinstance(op, ops.Map) else op.kind if isinstance(op, ops.Cast) else op.name
        for op in func.regions[0].ops[:-1]
    ]


@pytest.mark.parametrize(
    ("symbol", "inputs", "result", "expected"),
    [
        ("__supa_tanh", ["f32"], "f32", ["tanh"]),
        ("__supa_isnan", ["f64"], "i1", ["isnan"]),
        ("__nv_expf", ["f32"], "f32", ["exp"]),
        ("__nv_exp", ["f64"], "f64", ["exp"]),
        ("__nv_erff", ["f32"], "f32", ["erf"]),
        ("__nv_erf", ["f64"], "f64", ["erf"]),
        ("__nv_fabsf", ["f32"], "f32", ["fabs"]),
        ("__nv_fast_expf", ["f32"], "f32", ["exp"]),
        ("__nv_fast_fdividef", ["f32", "f32"], "f32", ["fdiv"]),
        ("__nv_fmodf", ["f32", "f32"], "f32", ["frem"]),
        ("__nv_fmaf_rn", ["f32", "f32", "f32"], "f32", ["fma"]),
        ("__nv_dadd_rn", ["f64", "f64"], "f64", ["fadd"]),
        ("__nv_fsqrt_rn", ["f32"], "f32", ["sqrt"]),
        ("__nv_frsqrt_rn", ["f32"], "f32", ["rsqrt"]),
        ("__nv_frcp_rn", ["f32"], "f32", ["constant", "fdiv"]),
        ("__nv_isnanf", ["f32"], "i32", ["isnan", "zext"]),
        ("__nv_signbitd", ["f64"], "i32", ["signbit", "zext"]),
        ("__nv_clzll", ["i64"], "i32", ["clz", "trunc"]),
        ("__nv_popc", ["i32"], "i32", ["popcount"]),
        ("__nv_umulhi", ["i32", "i32"], "i32", ["mulhi_u"]),
        ("__nv_float2int_rd", ["f32"], "i32", ["floor", "fptosi"]),
        ("__nv_double2uint_rn", ["f64"], "i32", ["rint", "fptoui"]),
        ("__nv_float2ll_rz", ["f32"], "i64", ["fptosi"]),
        ("__nv_ull2float_rn", ["i64"], "f32", ["uitofp"]),
        ("__nv_double2float_rz", ["f64"], "f32", ["fptrunc"]),
        ("__nv_float_as_int", ["f32"], "i32", ["bitcast"]),
        ("__nv_longlong_as_double", ["i64"], "f64", ["bitcast"]),
        ("__nv_powif", ["f32", "i32"], "f32", ["sitofp", "pow"]),
        ("__nv_uhadd", ["i32", "i32"], "i32", ["xor", "constant", "lshr", "and", "add"]),
    ],
)
def test_external_functions(symbol, inputs, result, expected):
    assert called(symbol, inputs, result) == expected


@pytest.mark.parametrize("symbol", ["__nv_ynf", "__ocml_exp_f32", "__supa_nothing"])
def test_external_functions_that_are_refused(symbol):
    with pytest.raises(UnsupportedError, match=f"user.py:5:2: the external function {symbol} is not supported"):
        called(symbol, ["f32"], "f32")


@pytest.mark.parametrize(
    ("symbol", "inputs", "result"),
    [
        ("__nv_fadd_rd", ["f32", "f32"], "f32"),
        ("__nv_dmul_ru", ["f64", "f64"], "f64"),
        ("__nv_fmaf_rz", ["f32", "f32", "f32"], "f32"),
        ("__nv_int2float_ru", ["i32"], "f32"),
        ("__nv_double2float_rd", ["f64"], "f32"),
    ],
)
def test_directed_roundings_correct_the_nearest_result(symbol, inputs, result):
    assert called(symbol, inputs, result).count("nextafter") == 1
