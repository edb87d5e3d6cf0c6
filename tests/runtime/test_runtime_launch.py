"""Launches: every block once, on any number of threads, from any thread; and what becomes of kernels that fail."""

from __future__ import annotations

import faulthandler
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import native_kernels as kernels
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supa.arch import load as load_description
from supa.base.errors import DeviceError, LaunchError
from supa.program.program import Program
from supa.runtime import Device, Kernel, load, set_threads, threads
from supa.runtime.failures import print_lines

DEVICE = Device(load_description("bili100"), mode="execute")


def kernel(program: Program) -> Kernel:
    return DEVICE.kernel(program)


VISITS = kernel(kernels.count_visits())
SPINS = kernel(kernels.spins())


@pytest.mark.parametrize("n", [1, 63, 64, 65, 1000, 100_003])
def test_vector_add(n: int) -> None:
    generator = np.random.default_rng(n)
    x, y = generator.random((2, n), np.float32)
    z = np.full(n + 16, np.nan, np.float32)
    DEVICE.launch(kernels.vector_add(), (-(-n // 64), 1, 1), x.ctypes.data, y.ctypes.data, z.ctypes.data, n)
    np.testing.assert_array_equal(z[:n], (x.astype(np.float64) + y).astype(np.float32))
    assert np.isnan(z[n:]).all()


def test_vector_add_in_device_memory() -> None:
    n, size = 5000, 20_000
    views = []
    addresses = [DEVICE.memory.allocate(size) for _ in range(3)]
    for address in addresses:
        views.append(np.ctypeslib.as_array((np.ctypeslib.ctypes.c_float * n).from_address(address)))
    views[0][:], views[1][:] = np.arange(n), 0.5
    DEVICE.launch(kernels.vector_add(), (-(-n // 64), 1, 1), *addresses, n)
    np.testing.assert_array_equal(views[2], np.arange(n) + 0.5)
    for address in addresses:
        DEVICE.memory.free(address)


@settings(max_examples=60, deadline=None)
@given(
    grid=st.tuples(st.integers(0, 300), st.integers(1, 5), st.integers(1, 4)),
    count=st.integers(1, 9),
)
def test_every_block_runs_exactly_once(grid: tuple[int, int, int], count: int) -> None:
    set_threads(count)
    total = grid[0] * grid[1] * grid[2]
    counts = np.zeros(total + 1, np.int32)
    VISITS(*grid, VISITS.pack(counts.ctypes.data))
    np.testing.assert_array_equal(counts, [1] * total + [0])


@pytest.mark.parametrize("count", [1, 2, 3, 8, 70])
def test_every_block_runs_once_when_threads_share(count: int) -> None:
    set_threads(count)
    counts = np.zeros(97, np.int32)
    SPINS(97, 1, 1, SPINS.pack(counts.ctypes.data, 20_000))
    np.testing.assert_array_equal(counts, 1)


def test_a_million_blocks() -> None:
    counts = np.zeros(1_000_003, np.int32)
    VISITS(1_000_003, 1, 1, VISITS.pack(counts.ctypes.data))
    assert counts.min() == counts.max() == 1


def test_launches_from_several_threads_at_once() -> None:
    set_threads(3)
    rounds, blocks = 30, 41
    counts = np.zeros((4, blocks), np.int32)

    def work(row: int) -> None:
        slots = SPINS.pack(counts[row].ctypes.data, 500 * (row + 1))
        for _ in range(rounds):
            SPINS(blocks, 1, 1, slots)

    workers = [threading.Thread(target=work, args=(row,)) for row in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    np.testing.assert_array_equal(counts, rounds)


def test_python_goes_on_while_a_kernel_runs() -> None:
    counts = np.zeros(1, np.int32)
    worker = threading.Thread(target=SPINS, args=(1, 1, 1, SPINS.pack(counts.ctypes.data, 200_000_000)))
    worker.start()
    turns = 0
    while worker.is_alive():
        turns += 1
        time.sleep(0.001)
    assert turns > 3
    assert counts[0] == 1


def test_a_child_of_fork_launches() -> None:
    set_threads(3)
    counts = np.zeros(64, np.int32)
    SPINS(64, 1, 1, SPINS.pack(counts.ctypes.data, 20_000))  # the parent's pool exists
    kept = DEVICE.memory.allocate(4096)
    shared = mmap.mmap(-1, 4096)
    results = np.frombuffer(shared, np.int32)[:64]
    child = os.fork()
    if child == 0:
        try:
            SPINS(64, 1, 1, SPINS.pack(results.ctypes.data, 20_000))
            DEVICE.memory.free(kept)
            os._exit(0 if threads() == 3 else 4)
        except BaseException:
            os._exit(3)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(results, 1)
    SPINS(64, 1, 1, SPINS.pack(counts.ctypes.data, 20_000))
    np.testing.assert_array_equal(counts, 2)
    DEVICE.memory.free(kept)


def threads_of_this_process() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


COUNT_THREADS = """
import os, numpy as np, native_kernels as kernels
from supa.arch import load
from supa.runtime import Device, threads
before = len(os.listdir("/proc/self/task"))
counts = np.zeros(64, np.int32)
Device(load("bili100"), mode="execute").launch(kernels.spins(), (64, 1, 1), counts.ctypes.data, 100_000)
print(threads(), len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.parametrize(("setting", "expected"), [("1", "1 0"), ("3", "3 2")])
def test_the_number_of_threads_is_honoured(setting: str, expected: str) -> None:
    assert run_python(COUNT_THREADS, SUPA_NUM_THREADS=setting).stdout.strip() == expected


@pytest.mark.parametrize("setting", ["0", "-2", "many", "99999"])
def test_a_wrong_number_of_threads_is_refused(setting: str) -> None:
    result = run_python(COUNT_THREADS, SUPA_NUM_THREADS=setting)
    assert "expected a number from 1 to 4096" in result.stderr
    with pytest.raises(DeviceError, match="expected a number"):
        set_threads(0)


def test_idle_threads_take_no_time() -> None:
    set_threads(4)
    counts = np.zeros(64, np.int32)
    SPINS(64, 1, 1, SPINS.pack(counts.ctypes.data, 50_000))
    time.sleep(0.02)
    before = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before < 0.02


def test_threads_sleep_soon_after_launches_that_came_at_intervals() -> None:
    set_threads(2)
    counts = np.zeros(64, np.int32)
    for _ in range(20):
        SPINS(64, 1, 1, SPINS.pack(counts.ctypes.data, 50_000))
        time.sleep(0.0005)
    time.sleep(0.02)
    before = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before < 0.02


def test_asserts_name_kernel_block_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    asserts = kernel(kernels.asserts_below())
    set_threads(1)
    with pytest.raises(LaunchError, match=r"asserts_below: assertion failed in block \(0, 0, 0\).*kernel.py:7"):
        asserts(5, 2, 1, asserts.pack(3))
    capsys.readouterr()
    asserts(2, 2, 1, asserts.pack(0))
    assert capsys.readouterr().out.splitlines() == [
        f"pid ({block % 2}, {block // 2}, 0) block {block} spoke" for block in range(4)
    ]


def test_prints_beyond_the_bound_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    asserts = kernel(kernels.asserts_below())
    asserts(65536 + 10, 1, 1, asserts.pack(0))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 65537
    assert "10 further prints were dropped" in lines[-1]


def test_prints_read_their_values_as_they_are_told() -> None:
    bits = [np.array([value], np.float32).view(np.int32)[0].item() for value in (1.5, -2.0)]
    assert list(print_lines("x: {f32}", (1, 0, 2), bits)) == [
        "pid (1, 0, 2) idx (0) x: 1.500000",
        "pid (1, 0, 2) idx (1) x: -2.000000",
    ]
    half = np.array([0.25], np.float16).view(np.int16)[0].item()
    assert list(print_lines("h {f16}!", (0, 0, 0), [half])) == ["pid (0, 0, 0) h 0.250000!"]
    assert list(print_lines("b {bf16}", (0, 0, 0), [0x3FC0])) == ["pid (0, 0, 0) b 1.500000"]
    assert list(print_lines("{u8}", (0, 0, 0), [-1])) == ["pid (0, 0, 0) 255"]
    assert list(print_lines("{i8}", (0, 0, 0), [0xFF])) == ["pid (0, 0, 0) -1"]
    assert list(print_lines("{hex16}", (0, 0, 0), [255])) == ["pid (0, 0, 0) 0x00ff"]
    assert list(print_lines("n", (0, 0, 0), [-3])) == ["pid (0, 0, 0) n -3"]
    assert list(print_lines("here", (0, 0, 0), [])) == ["pid (0, 0, 0) here"]


def test_prints_of_tiles_name_each_element_as_triton_does() -> None:
    lines = list(print_lines(": (operand 1) {i64:2x16}", (0, 0, 0), range(32)))
    assert lines[0] == "pid (0, 0, 0) idx (0,  0): (operand 1) 0"
    assert lines[27] == "pid (0, 0, 0) idx (1, 11): (operand 1) 27"
    assert list(print_lines(" x: {u64:}", (0, 0, 0), [7])) == ["pid (0, 0, 0) idx () x: 7"]
    assert list(print_lines(" p: {ptr:1}", (0, 0, 0), [255])) == ["pid (0, 0, 0) idx (0) p: 0xff"]


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("which", [0, 123, 999])
def test_a_wild_pointer_becomes_an_error_that_names_the_block(which: int, count: int) -> None:
    set_threads(count)
    wild = kernel(kernels.stores_at())
    for _ in range(3):
        with pytest.raises(LaunchError, match=rf"stores_at: invalid access to address 0x10.*block \({which}, 0, 0\)"):
            wild(1000, 1, 1, wild.pack(16, which))
    counts = np.zeros(100, np.int32)
    VISITS(100, 1, 1, VISITS.pack(counts.ctypes.data))
    assert counts.min() == counts.max() == 1


def test_running_over_the_end_of_memory_names_the_allocation(small_description: object) -> None:
    device = Device(small_description, mode="execute")  # type: ignore[arg-type]
    address = device.memory.allocate(64 << 20)
    wild = device.kernel(kernels.stores_at())
    with pytest.raises(LaunchError, match=rf"40 bytes past the end of the allocation {address:#x}"):
        wild(1, 1, 1, wild.pack(address + (64 << 20) + 40, 0))


def test_an_address_that_no_pointer_can_have() -> None:
    wild = kernel(kernels.stores_at())
    with pytest.raises(LaunchError, match="invalid access"):
        wild(1, 1, 1, wild.pack(0xDEAD_0000_0000_0000, 0))


def test_division_by_zero_and_stack_overflow_become_errors() -> None:
    out = np.zeros(1, np.int64)
    divides, overflows = kernel(kernels.divides()), kernel(kernels.overflows_stack())
    divides(1, 1, 1, divides.pack(out.ctypes.data, 7))
    assert out[0] == 14
    with pytest.raises(LaunchError, match="division by zero"):
        divides(1, 1, 1, divides.pack(out.ctypes.data, 0))
    with pytest.raises(LaunchError, match="invalid access"):
        overflows(1, 1, 1, overflows.pack(1 << 40))


def test_faults_after_another_handler_was_installed_are_still_caught() -> None:
    wild = kernel(kernels.stores_at())
    was_enabled = faulthandler.is_enabled()
    faulthandler.enable()
    try:
        with pytest.raises(LaunchError):
            wild(1, 1, 1, wild.pack(16, 0))
    finally:
        if not was_enabled:
            faulthandler.disable()


def test_faults_of_others_still_end_the_process() -> None:
    code = """
import ctypes, native_kernels as kernels, numpy as np
from supa.arch import load
from supa.runtime import Device
counts = np.zeros(4, np.int32)
DEVICE, LAUNCH = Device(load("bili100"), mode="execute"), (kernels.count_visits(), (4, 1, 1), counts.ctypes.data)
DEVICE.launch(*LAUNCH)
ctypes.string_at(16)
"""
    assert run_python(code).returncode == -signal.SIGSEGV
    traced = run_python("import faulthandler; faulthandler.enable()\n" + code)
    assert traced.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in traced.stderr
    interleaved = code.replace("ctypes.string_at", "faulthandler.enable(); DEVICE.launch(*LAUNCH); ctypes.string_at")
    again = run_python("import faulthandler\n" + interleaved)
    assert again.returncode == -signal.SIGSEGV
    assert again.stderr.count("Segmentation fault") == 1


@pytest.mark.parametrize("count", [1, 3])
def test_a_host_without_memory_for_scratch_is_an_error(count: int) -> None:
    set_threads(count)
    greedy = kernel(kernels.make("greedy", (), "  br label %next\n", scratch_bytes=1 << 60))
    with pytest.raises(LaunchError, match="greedy: the host has no memory for its scratch"):
        greedy(9, 1, 1, b"")


def test_wrong_grids_and_slots_are_refused() -> None:
    slots = VISITS.pack(0)
    VISITS(0, 5, 5, slots)
    for grid in ((-1, 1, 1), (0, -1, 1), (1 << 31, 1, 1)):
        with pytest.raises(LaunchError, match="expected a grid"):
            VISITS(*grid, slots)
    with pytest.raises(LaunchError, match="expected 1 argument slots, found 2"):
        VISITS(1, 1, 1, slots + slots)
    with pytest.raises(LaunchError, match="expected 1 kernel arguments, found 0"):
        VISITS.pack()


def test_values_are_packed_as_the_contract_says() -> None:
    from supa.program.program import Argument
    from supa.runtime.arguments import pack

    def slot(type_: str, value: float) -> bytes:
        return pack((Argument(name="a", type=type_),), (value,))

    assert slot("i32", -2) == (-2).to_bytes(8, "little", signed=True)
    assert slot("i64", 2**64 - 1) == b"\xff" * 8
    assert slot("ptr", 2**63) == (2**63).to_bytes(8, "little")
    assert slot("i1", True) == b"\x01" + bytes(7)
    assert slot("f32", 1.1)[:4] == np.float32(1.1).tobytes()
    assert slot("f32", 1e300)[:4] == np.float32(np.inf).tobytes()
    assert slot("f64", 1.1) == np.float64(1.1).tobytes()
    assert slot("f16", -1e9)[:2] == np.float16(-np.inf).tobytes()
    assert slot("bf16", 1.00390625)[:2] == b"\x80\x3f"  # halfway between 1 and the next: to even
    for type_, value in (("i8", 256), ("i32", 2**32), ("ptr", 1.5), ("f8E5M2", 1.0)):
        with pytest.raises(LaunchError, match="'a'"):
            slot(type_, value)


def test_the_same_code_is_linked_once_and_foreign_code_is_refused() -> None:
    program = kernels.count_visits()
    assert load(program).entry_address == load(kernels.count_visits()).entry_address
    broken = kernels.make("broken", (), "  br label %next\n").__class__(
        **{**{name: getattr(program, name) for name in program.__dataclass_fields__}, "object_code": b"not an object"}
    )
    with pytest.raises(DeviceError, match="can not be loaded"):
        load(broken)


SAY_THREADS = "from supa.runtime import threads; print(threads())"


@pytest.mark.parametrize(("own", "others", "expected"), [("3", "1", 3), ("", "1", 1), ("", "1,4", 1)])
def test_the_setting_of_other_libraries_is_the_default(own: str, others: str, expected: int) -> None:
    done = run_python(SAY_THREADS, SUPA_NUM_THREADS=own, OMP_NUM_THREADS=others)
    assert done.stdout == f"{expected}\n", done.stderr


@pytest.mark.parametrize("others", ["", "100000", "many"])
def test_without_a_setting_threads_are_as_many_as_cores_at_most(others: str) -> None:
    done = run_python(SAY_THREADS, SUPA_NUM_THREADS="", OMP_NUM_THREADS=others)
    assert 1 <= int(done.stdout) <= (os.cpu_count() or 1), done.stderr
