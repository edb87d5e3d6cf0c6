"""The target-neutral passes: what each changes, what it must not change, and that answers keep every bit."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supa.base.dtypes import I32, I64
from supa.compiler.passes import PIPELINE, simplify
from supa.compiler.passes.carried import PruneCarried
from supa.compiler.passes.folding import Fold
from supa.compiler.passes.hoisting import HoistInvariant
from supa.compiler.passes.induction import RewriteInductions
from supa.compiler.ttir import read
from supa.ir import ops
from supa.ir.oracle import Memory, run
from supa.ir.parser import parse_function
from supa.ir.text import print_function
from supa.ir.types import Pointer, Tile
from supa.ir.verify import verify

FOLDER = Path(__file__).parent / "ttir"
GOLDENS = sorted(path.stem for path in FOLDER.glob("*.mlir") if path.stem != "block_pointers.raw")


def golden(name):
    return read((FOLDER / f"{name}.mlir").read_text())


def kernel(body, arguments="%out: ptr<i32>, %n: i32"):
    """The text may name its values and abbreviate: INTS is tile<4xi32>, PTRS is tile<4xptr<i32>>."""
    text = f'func {{sym_name="k"}} {{\n  body({arguments}):\n{body}\n    return\n}}\n'
    numbers = {name: f"%{number}" for number, name in enumerate(dict.fromkeys(re.findall(r"%[a-z]\w*", text)))}
    text = re.sub(r"%[a-z]\w*", lambda match: numbers[match[0]], text)
    func = parse_function(text.replace("INTS", "tile<4xi32>").replace("PTRS", "tile<4xptr<i32>>"))
    verify(func)
    return func


def count(func, cls):
    return sum(isinstance(op, cls) for op in func.walk())


def functions(func):
    return [op.function for op in func.walk() if isinstance(op, ops.Map)]


def results(func, n, size=4096):
    memory = Memory()
    region = memory.copy_of("out", np.arange(size, dtype=np.int32))
    run(func, (1,), [region, n], memory)
    return region.array(np.int32).copy()


def carried_tiles(func):
    """Tiles of pointers or integers that loops carry."""
    types = [value.type for op in func.walk() if isinstance(op, ops.For | ops.While) for value in op.results]
    return [t for t in types if isinstance(t, Tile) and (isinstance(t.element, Pointer) or not t.element.is_float)]


@pytest.mark.parametrize("name", GOLDENS)
def test_every_pass_leaves_a_well_formed_kernel(name):
    func = golden(name)
    for step in PIPELINE:
        step.run(func)
        verify(func)


@pytest.mark.parametrize("name", GOLDENS)
def test_a_second_run_changes_nothing(name):
    func = simplify(golden(name))
    once = print_function(func)
    assert print_function(simplify(func)) == once


def test_names_are_unique_enough_to_be_asked_for():
    assert len({step.name for step in PIPELINE}) == len({type(step) for step in PIPELINE})


# Inductions


def test_the_pointers_of_a_matmul_are_carried_as_two_scalars():
    func = golden("matmul")
    assert len(carried_tiles(func)) == 2
    RewriteInductions().run(func)
    verify(func)
    (loop,) = (op for op in func.walk() if isinstance(op, ops.For))
    assert carried_tiles(func) == []
    assert [value.type for value in loop.results[1:]] == [I64, I64]


@pytest.mark.parametrize("name", GOLDENS)
def test_no_golden_carries_a_tile_of_pointers_afterwards(name):
    assert carried_tiles(simplify(golden(name))) == []


WALK = """
    %zero = constant {value=0} : () -> i32
    %one = constant {value=1} : () -> i32
    %seven = constant {value=7} : () -> INTS
    %ids = range {start=0, end=4} : () -> INTS
    %base = splat %out : (ptr<i32>) -> PTRS
    %p0 = addptr %base, %ids : (PTRS, INTS) -> PTRS
    %step = splat %n : (i32) -> INTS
    %pa, %pb, %ia = for %zero, %n, %one, %p0, %base, %ids : (i32, i32, i32, PTRS, PTRS, INTS) -> (PTRS, PTRS, INTS) {
      body(%i: i32, %a: PTRS, %b: PTRS, %c: INTS):
        %x = load %b, _, _ : (PTRS) -> INTS
        %y = map %x, %c {function="add"} : (INTS, INTS) -> INTS
        store %a, %y, _ : (PTRS, INTS) -> ()
        %a1 = addptr %a, %step : (PTRS, INTS) -> PTRS
        %a2 = addptr %a1, %seven : (PTRS, INTS) -> PTRS
        %b1 = addptr %b, %step : (PTRS, INTS) -> PTRS
        %b2 = addptr %b1, %seven : (PTRS, INTS) -> PTRS
        %c1 = map %c, %seven {function="sub"} : (INTS, INTS) -> INTS
        yield %a2, %b2, %c1 : (PTRS, PTRS, INTS) -> ()
    }
    store %pa, %ia, _ : (PTRS, INTS) -> ()"""


def test_chains_of_steps_share_a_scalar_and_keep_the_answer():
    func, plain = kernel(WALK), kernel(WALK)
    RewriteInductions().run(func)
    verify(func)
    (loop,) = (op for op in func.walk() if isinstance(op, ops.For))
    assert [value.type for value in loop.results] == [I64, I32]  # both pointers advance by n + 7
    for n in (0, 1, 5):
        assert np.array_equal(results(func, n), results(plain, n))


NESTED = """
    %zero = constant {value=0} : () -> i32
    %one = constant {value=1} : () -> i32
    %three = constant {value=3} : () -> i32
    %ids = range {start=0, end=4} : () -> INTS
    %base = splat %out : (ptr<i32>) -> PTRS
    %p0 = addptr %base, %ids : (PTRS, INTS) -> PTRS
    %end = for %zero, %n, %one, %p0 : (i32, i32, i32, PTRS) -> PTRS {
      body(%i: i32, %p: PTRS):
        %q = for %zero, %i, %one, %p : (i32, i32, i32, PTRS) -> PTRS {
          body(%j: i32, %r: PTRS):
            %v = splat %j : (i32) -> INTS
            store %r, %v, _ : (PTRS, INTS) -> ()
            %s = map %j, %three {function="mul"} : (i32, i32) -> i32
            %by = splat %s : (i32) -> INTS
            %r1 = addptr %r, %by : (PTRS, INTS) -> PTRS
            yield %r1 : (PTRS) -> ()
        }
        yield %q : (PTRS) -> ()
    }
    store %end, %ids, _ : (PTRS, INTS) -> ()"""


def test_an_inner_loop_and_steps_that_vary_advance_the_outer_pointer():
    func, plain = kernel(NESTED), kernel(NESTED)
    simplify(func)
    verify(func)
    assert carried_tiles(func) == []
    for n in (0, 1, 6):
        assert np.array_equal(results(func, n), results(plain, n))


def test_a_tile_that_gains_different_amounts_in_its_elements_stays():
    text = WALK.replace("%step = splat %n : (i32) -> INTS", "%step = range {start=3, end=7} : () -> INTS")
    func = kernel(text)
    RewriteInductions().run(func)
    assert [t.element for t in carried_tiles(func)] == [Pointer(I32), Pointer(I32)]


WAITING = """
    %one = constant {value=1} : () -> i32
    %ids = range {start=0, end=4} : () -> INTS
    %base = splat %out : (ptr<i32>) -> PTRS
    %by = splat %one : (i32) -> INTS
    %last, %ia, %left = while %base, %ids, %n : (PTRS, INTS, i32) -> (INTS, PTRS, i32) {
      before(%p: PTRS, %i: INTS, %m: i32):
        %v = load %p, _, _ : (PTRS) -> INTS
        %w = map %v, %i {function="add"} : (INTS, INTS) -> INTS
        store %p, %w, _ : (PTRS, INTS) -> ()
        %zero = constant {value=0} : () -> i32
        %go = map %m, %zero {function="icmp_sgt"} : (i32, i32) -> i1
        condition %go, %i, %p, %m : (i1, INTS, PTRS, i32) -> ()
      after(%j: INTS, %q: PTRS, %k: i32):
        %x = splat %k : (i32) -> INTS
        store %q, %x, _ : (PTRS, INTS) -> ()
        %q1 = addptr %q, %x : (PTRS, INTS) -> PTRS
        %j1 = map %j, %by {function="sub"} : (INTS, INTS) -> INTS
        %k1 = map %k, %one {function="sub"} : (i32, i32) -> i32
        yield %q1, %j1, %k1 : (PTRS, INTS, i32) -> ()
    }
    %end = addptr %ia, %by : (PTRS, INTS) -> PTRS
    %lane = addptr %end, %ids : (PTRS, INTS) -> PTRS
    store %lane, %last, _ : (PTRS, INTS) -> ()"""


def test_a_while_loop_carries_its_pointers_as_scalars():
    func, plain = kernel(WAITING), kernel(WAITING)
    assert len(carried_tiles(func)) == 2
    simplify(func)
    verify(func)
    assert carried_tiles(func) == []
    for n in (0, 1, 5):
        assert np.array_equal(results(func, n), results(plain, n))


# Folding


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ('map %x, %zero {function="add"}', []),
        ('map %one, %x {function="mul"}', []),
        ('map %x, %zero {function="mul"}', []),
        ('map %x, %zero {function="sub"}', []),
        ('map %zero, %x {function="sub"}', ["sub"]),
        ('map %x, %ones {function="and"}', []),
        ('map %x, %one {function="sdiv"}', []),
        ('map %one, %x {function="sdiv"}', ["sdiv"]),
        ('map %x, %zero {function="shl"}', []),
        ('map %one, %zero {function="sdiv"}', ["sdiv"]),
    ],
)
def test_neutral_operands_of_integers(line, left):
    func = kernel(f"""
    %zero = constant {{value=0}} : () -> i32
    %one = constant {{value=1}} : () -> i32
    %ones = constant {{value=-1}} : () -> i32
    %x = load %out, _, _ : (ptr<i32>) -> i32
    %y = {line} : (i32, i32) -> i32
    store %out, %y, _ : (ptr<i32>, i32) -> ()""")
    Fold().run(func)
    verify(func)
    assert functions(func) == left


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ('map %x, %plus {function="fadd"}', ["fadd"]),  # -0.0 + 0.0 is 0.0
        ('map %x, %minus {function="fadd"}', []),
        ('map %x, %plus {function="fsub"}', []),
        ('map %x, %minus {function="fsub"}', ["fsub"]),
        ('map %x, %plus {function="fmul"}', ["fmul"]),  # inf * 0.0 is nan
        ('map %x, %one {function="fmul"}', []),
        ('map %plus, %plus {function="fdiv"}', ["fdiv"]),
        ('map %big, %big {function="fmul"}', ["fmul"]),
    ],
)
def test_neutral_operands_of_floats_keep_every_bit(line, left):
    func = kernel(
        f"""
    %plus = constant {{value=0.0}} : () -> f32
    %minus = constant {{value=-0.0}} : () -> f32
    %one = constant {{value=1.0}} : () -> f32
    %big = constant {{value=3.0e38}} : () -> f32
    %x = load %out, _, _ : (ptr<f32>) -> f32
    %y = {line} : (f32, f32) -> f32
    store %out, %y, _ : (ptr<f32>, f32) -> ()""",
        "%out: ptr<f32>",
    )
    Fold().run(func)
    verify(func)
    assert functions(func) == left


ARITHMETIC = "add sub mul sdiv udiv srem urem and or xor smin smax umin umax shl lshr ashr"
PREDICATES = "eq ne slt sle sgt sge ult ule ugt uge"
INTEGERS = [*ARITHMETIC.split(), *(f"icmp_{predicate}" for predicate in PREDICATES.split())]
WORDS = st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 1, -1, 7, 31, 32, -(2**31), 2**31 - 1])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(INTEGERS), WORDS, WORDS)
def test_integers_fold_to_what_the_oracle_computes(function, left, right):
    if function in ("sdiv", "udiv", "srem", "urem") and right == 0:
        return
    is_comparison = function.startswith("icmp")
    widen = '%z = cast %y {kind="zext"} : (i1) -> i32' if is_comparison else ""
    func, plain = (
        kernel(f"""
    %a = constant {{value={left}}} : () -> i32
    %b = constant {{value={right}}} : () -> i32
    %y = map %a, %b {{function="{function}"}} : (i32, i32) -> {"i1" if is_comparison else "i32"}
    {widen}
    store %out, {"%z" if is_comparison else "%y"}, _ : (ptr<i32>, i32) -> ()""")
        for _ in range(2)
    )
    simplify(func)
    assert np.array_equal(results(func, 0, 1), results(plain, 0, 1))


def test_shapes_of_uniform_tiles_become_uniform_tiles():
    func = kernel("""
    %c = constant {value=3} : () -> tile<4xi32>
    %d = expand_dims %c {axis=0} : (tile<4xi32>) -> tile<1x4xi32>
    %e = broadcast %d : (tile<1x4xi32>) -> tile<2x4xi32>
    %s = splat %n : (i32) -> tile<4xi32>
    %t = expand_dims %s {axis=0} : (tile<4xi32>) -> tile<1x4xi32>
    %u = broadcast %t : (tile<1x4xi32>) -> tile<2x4xi32>
    %v = map %e, %u {function="add"} : (tile<2x4xi32>, tile<2x4xi32>) -> tile<2x4xi32>
    %p = splat %out : (ptr<i32>) -> tile<2x4xptr<i32>>
    %m = map %v, %e {function="icmp_slt"} : (tile<2x4xi32>, tile<2x4xi32>) -> tile<2x4xi1>
    store %p, %v, %m : (tile<2x4xptr<i32>>, tile<2x4xi32>, tile<2x4xi1>) -> ()""")
    simplify(func)
    verify(func)
    assert count(func, ops.Broadcast) == count(func, ops.ExpandDims) == 0


def test_a_branch_that_is_known_takes_the_place_of_its_if():
    func = kernel("""
    %yes = constant {value=true} : () -> i1
    %x = if %yes : (i1) -> i32 {
      then():
        %five = constant {value=5} : () -> i32
        yield %five : (i32) -> ()
      otherwise():
        yield %n : (i32) -> ()
    }
    store %out, %x, _ : (ptr<i32>, i32) -> ()""")
    simplify(func)
    verify(func)
    assert count(func, ops.If) == 0 and results(func, 0)[0] == 5


# Loops


CARRYING = """
    %zero = constant {value=0} : () -> i32
    %one = constant {value=1} : () -> i32
    %a, %b, %c = for %zero, %n, %one, %zero, %one, %n : (i32, i32, i32, i32, i32, i32) -> (i32, i32, i32) {
      body(%i: i32, %x: i32, %y: i32, %z: i32):
        %x1 = map %x, %z {function="add"} : (i32, i32) -> i32
        %y1 = map %y, %y {function="mul"} : (i32, i32) -> i32
        yield %x1, %y1, %z : (i32, i32, i32) -> ()
    }
    %sum = map %a, %c {function="add"} : (i32, i32) -> i32
    store %out, %sum, _ : (ptr<i32>, i32) -> ()"""


def test_carried_values_without_a_purpose_go():
    func, plain = kernel(CARRYING), kernel(CARRYING)
    PruneCarried().run(func)
    verify(func)
    (loop,) = (op for op in func.walk() if isinstance(op, ops.For))
    assert len(loop.results) == 1  # y only feeds itself, z never changes
    assert results(func, 6)[0] == results(plain, 6)[0] == 42


def test_invariant_scalars_leave_nested_loops_and_divisions_stay():
    func = kernel("""
    %zero = constant {value=0} : () -> i32
    %one = constant {value=1} : () -> i32
    for %zero, %n, %one : (i32, i32, i32) -> () {
      body(%i: i32):
        for %zero, %i, %one : (i32, i32, i32) -> () {
          body(%j: i32):
            %a = map %n, %n {function="mul"} : (i32, i32) -> i32
            %b = map %i, %a {function="add"} : (i32, i32) -> i32
            %c = map %n, %i {function="sdiv"} : (i32, i32) -> i32
            %d = map %b, %c {function="sub"} : (i32, i32) -> i32
            store %out, %d, _ : (ptr<i32>, i32) -> ()
            yield
        }
        yield
    }""")
    HoistInvariant().run(func)
    verify(func)
    body = func.regions[0]
    outer = next(op for op in body.ops if isinstance(op, ops.For))
    inner = next(op for op in outer.regions[0].ops if isinstance(op, ops.For))
    functions_in = [[op.function for op in block.ops if isinstance(op, ops.Map)]
                    for block in (body, outer.regions[0], inner.regions[0])]  # fmt: skip
    assert functions_in == [["mul"], ["add"], ["sdiv", "sub"]]
