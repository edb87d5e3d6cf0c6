"""Random kernels: native code leaves the same bytes in memory as the oracle, on every width of host."""

import time

import amx_trap
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native_calls import Area, Native, compare
from program_check import WIDTHS, Setting, check_text, host_of, program_of
from program_choices import DataChooser
from program_generator import generate_program
from program_reducer import reduce_program

from supa.base.errors import UnsupportedError
from supa.compiler.native.generate import generate
from supa.compiler.native.generator import Rounding
from supa.compiler.passes import simplify
from supa.compiler.work import WorkOptions, extract
from supa.ir.parser import parse_function
from supa.ir.text import print_function

BATCHES, SEEDS_PER_BATCH = 8, 16


@pytest.fixture(scope="module", autouse=True)
def report(request):
    """How many kernels ran, and for how long."""
    ran, start = [0], time.perf_counter()
    yield ran
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{ran[0]} random kernels in {time.perf_counter() - start:.0f} s")


def check(program, seed, setting, ran, reduce=False):
    """Fails with the text of the kernel, made small if that is wanted, if the two ways of running differ."""
    text = print_function(program.func)
    try:
        difference = check_text(text, program, seed, setting)
    except UnsupportedError:
        return
    ran[0] += 1
    if difference is None:
        return
    if reduce:
        text = reduce_program(text, lambda func: check_text(print_function(func), program, seed, setting) is not None)
        difference = check_text(text, program, seed, setting)
    pytest.fail(f"{difference}\n{setting}\n{program.grid}, {program.arguments}, seed {seed}\n{text}", pytrace=False)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_kernels_of_fixed_seeds(batch, report):
    for seed in range(batch * SEEDS_PER_BATCH, (batch + 1) * SEEDS_PER_BATCH):
        check(program_of(seed), seed, Setting.of(seed), report, reduce=True)


@pytest.mark.parametrize("seed", [60002220, 60003190, 60005953])
def test_kernels_that_fetched_ahead_what_a_nest_does_not_index(seed, report):
    check(program_of(seed), seed, Setting.of(seed), report)


def test_the_same_kernel_gives_the_same_text():
    """Wherever its objects lie in memory: 214 has a table with a NaN, 307 a nest whose loads were in any order."""
    for seed in (*range(12), 214, 307):
        texts, alive = set(), []
        for _ in range(4):
            func = program_of(seed).func
            simplify(func)
            texts.add(generate(func, host_of(512), Rounding()).text + extract(func, WorkOptions()).llvm)
            alive.append((func, [object() for _ in range(31)]))
        assert len(texts) == 1, seed


def test_seeds_reach_every_way_to_compile():
    settings = [Setting.of(seed) for seed in range(200)]
    seen = {(setting.vector_bits, setting.passes, setting.optimised) for setting in settings}
    assert len(seen) == len(set(WIDTHS)) * 2 * 2
    assert any(setting.amx for setting in settings) == amx_trap.can_run()
    assert all(host_of(bits).vector_bits <= bits for bits in WIDTHS)


@settings(suppress_health_check=list(HealthCheck))
@given(data=st.data(), seed=st.integers(0, 3), passes=st.booleans())
def test_any_kernel(report, data, seed, passes):
    setting = Setting(vector_bits=512, passes=passes, optimised=True, statements=6)
    check(generate_program(DataChooser(data), setting.statements), seed, setting, report)


def test_the_comparison_sees_one_wrong_bit():
    text = """func {sym_name="k"} {
  body(%0: ptr<i32>):
    %1 = constant {value=5} : () -> i32
    store %0, %1, _ : (ptr<i32>, i32) -> ()
    return
}
"""
    area = Area(np.zeros(3, np.int32))
    right, wrong = parse_function(text), parse_function(text.replace("value=5", "value=4"))
    assert compare(right, Native(right), (1,), [area]) is None
    difference = compare(right, Native(wrong), (1,), [area])
    assert difference is not None and (difference.native, difference.oracle, difference.count) == (4, 5, 1)
