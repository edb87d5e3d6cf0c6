"""Random kernels: native code leaves the same bytes in memory as the oracle, on every width of host."""

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native_calls import Area, Native, compare
from program_choices import Chooser, DataChooser
from program_generator import generate_program
from program_reducer import reduce_program

from supa.base.errors import UnsupportedError
from supa.compiler.native.host import detect
from supa.compiler.passes import simplify
from supa.ir.parser import parse_function
from supa.ir.text import print_function
from supa.ir.verify import verify

BATCHES, SEEDS_PER_BATCH = 6, 12


@pytest.fixture(scope="module", autouse=True)
def report(request):
    """How many kernels ran, and for how long."""
    ran, start = [0], time.perf_counter()
    yield ran
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{ran[0]} random kernels in {time.perf_counter() - start:.0f} s")


def host_of(bits, monkeypatch):
    monkeypatch.setenv("SUPA_HOST_VECTOR_BITS", str(bits))
    return detect.__wrapped__()


def check(program, seed, host, passes, ran, reduce=False):
    """Fails with the text of the kernel, made small if that is wanted, if the two ways of running differ."""
    text = print_function(program.func)
    difference = differs(text, program, seed, host, passes)
    ran[0] += 1
    if difference is None:
        return
    if reduce:
        text = reduce_program(text, lambda func: differs(print_function(func), program, seed, host, passes) is not None)
        difference = differs(text, program, seed, host, passes)
    pytest.fail(f"{difference}\ngrid {program.grid}, arguments {program.arguments}, seed {seed}\n{text}", pytrace=False)


def differs(text, program, seed, host, passes):
    func = parse_function(text)
    if passes:
        simplify(func)
    verify(func)
    try:
        native = Native(func, host)
    except UnsupportedError:
        return None
    return compare(func, native, program.grid, program.areas(seed))


@pytest.mark.parametrize("batch", range(BATCHES))
def test_kernels_of_fixed_seeds(batch, report):
    for seed in range(batch * SEEDS_PER_BATCH, (batch + 1) * SEEDS_PER_BATCH):
        check(generate_program(Chooser(seed)), seed, detect(), seed % 2 == 1, report, reduce=True)


@pytest.mark.parametrize("bits", [128, 256])
def test_kernels_on_narrower_hosts(bits, report, monkeypatch):
    host = host_of(bits, monkeypatch)
    assert host.vector_bits <= bits
    for seed in range(1000 + bits, 1000 + bits + SEEDS_PER_BATCH):
        check(generate_program(Chooser(seed)), seed, host, seed % 2 == 1, report, reduce=True)


@settings(suppress_health_check=list(HealthCheck))
@given(data=st.data(), seed=st.integers(0, 3), passes=st.booleans())
def test_any_kernel(report, data, seed, passes):
    check(generate_program(DataChooser(data), 6), seed, detect(), passes, report)


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
