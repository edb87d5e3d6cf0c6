"""Which kernels have stores past the caches: none that tells other blocks of what it wrote before its end.

And which are read by vectors of half the width: those that move 32-bit elements side by side and do little else.
"""

import dataclasses
import re

import pytest

from supa.compiler.native.generate import generate
from supa.compiler.native.generator import Rounding
from supa.compiler.native.host import detect
from supa.ir.parser import parse_function

ATOMIC = """    %9 = constant {value=1} : () -> i32
    %10 = atomic_rmw %1, %9, _ {kind="add"} : (ptr<i32>, i32) -> i32
"""
SPIN = """    %9 = constant {value=true} : () -> i1
    %11 = while %9 : (i1) -> i1 {
      before(%12: i1):
        %13 = load %1, _, _ {volatile=true} : (ptr<i32>) -> i32
        %14 = cast %13 {kind="trunc"} : (i32) -> i1
        condition %14, %12 : (i1, i1) -> ()
      after(%15: i1):
        yield %15 : (i1) -> ()
    }
"""
READ = """    %16 = load %4, _, _ : (tile<64xptr<i32>>) -> tile<64xi32>
"""


def text_of(more, bits=512):
    kernel = f"""func {{sym_name="k"}} {{
  body(%0: ptr<i32>, %1: ptr<i32>):
    %2 = range {{start=0, end=64}} : () -> tile<64xi32>
    %3 = splat %0 : (ptr<i32>) -> tile<64xptr<i32>>
    %4 = addptr %3, %2 : (tile<64xptr<i32>>, tile<64xi32>) -> tile<64xptr<i32>>
    store %4, %2, _ : (tile<64xptr<i32>>, tile<64xi32>) -> ()
{more}    return
}}
"""
    host = dataclasses.replace(detect(), vector_bits=bits)
    return generate(parse_function(kernel), host, Rounding()).text


def test_a_plain_kernel_has_them_and_ends_with_a_fence():
    text = text_of("")
    assert "!nontemporal" in text and "call void @llvm.x86.sse.sfence()" in text


@pytest.mark.parametrize("more", [ATOMIC, SPIN, READ], ids=["atomic", "spin", "read"])
def test_kernels_without_them(more):
    text = text_of(more)
    assert "nontemporal" not in text and "sfence" not in text


def test_hosts_without_wide_vectors_have_none():
    assert "nontemporal" not in text_of("", bits=128)


def test_each_store_past_the_caches_asks_for_its_own_size():
    """Where vectors of 32 bytes asked for addresses that fit 64, every other one went through the caches instead."""
    text = text_of("""    %20 = cast %2 {kind="trunc"} : (tile<64xi32>) -> tile<64xi16>
    %21 = cast %1 {kind="bitcast"} : (ptr<i32>) -> ptr<i16>
    %22 = splat %21 : (ptr<i16>) -> tile<64xptr<i16>>
    %23 = addptr %22, %2 : (tile<64xptr<i16>>, tile<64xi32>) -> tile<64xptr<i16>>
    store %23, %20, _ : (tile<64xptr<i16>>, tile<64xi16>) -> ()
""")
    asked = re.findall(r"or i64 %\w+, (\d+)", text)
    stored = re.findall(r"store <16 x (i\d+)>.*!nontemporal", text)
    assert stored == ["i32", "i16"] and asked == ["63", "31"]


def moving(kind, function, host):
    """A kernel that stores `function` of what it loads, elements at distance 1 or, with `kind` "apart", at 2."""
    distance = "    %6 = addptr %3, %2 : (tile<64xptr<f32>>, tile<64xi32>) -> tile<64xptr<f32>>\n"
    if kind == "apart":
        distance = """    %20 = map %2, %2 {function="add"} : (tile<64xi32>, tile<64xi32>) -> tile<64xi32>
    %6 = addptr %3, %20 : (tile<64xptr<f32>>, tile<64xi32>) -> tile<64xptr<f32>>
"""
    kernel = f"""func {{sym_name="k"}} {{
  body(%0: ptr<f32>, %1: ptr<f32>):
    %2 = range {{start=0, end=64}} : () -> tile<64xi32>
    %3 = splat %0 : (ptr<f32>) -> tile<64xptr<f32>>
    %4 = splat %1 : (ptr<f32>) -> tile<64xptr<f32>>
    %5 = addptr %4, %2 : (tile<64xptr<f32>>, tile<64xi32>) -> tile<64xptr<f32>>
{distance}    %7 = load %6, _, _ : (tile<64xptr<f32>>) -> tile<64xf32>
    %8 = map %7 {{function="{function}"}} : (tile<64xf32>) -> tile<64xf32>
    store %5, %8, _ : (tile<64xptr<f32>>, tile<64xf32>) -> ()
    return
}}
"""
    return generate(parse_function(kernel), host, Rounding()).text


@pytest.mark.parametrize(
    ("kind", "function", "prefers", "lanes"),
    [("near", "fneg", True, 8), ("near", "fneg", False, 16), ("near", "exp", True, 16), ("apart", "fneg", True, 16)],
)
def test_streams_are_read_in_halves_where_the_host_prefers_it(kind, function, prefers, lanes):
    host = dataclasses.replace(detect(), vector_bits=512, halves_streams=prefers)
    assert f"store <{lanes} x float>" in moving(kind, function, host)
