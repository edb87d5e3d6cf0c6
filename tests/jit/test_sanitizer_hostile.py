"""Mistakes that are hard to see: behind tables of pointers, in parts of words, in products, in views, in waiting."""

import gc
import threading

import pytest
import sanitizer_hostile_kernels as kernels
import torch
import triton.language as tl
from sanitizer_runs import bug_lines

from supa.jit.sanitizer.text import describe
from supa.runtime import native


def only(findings, kernel):
    assert len(findings) == 1, findings
    assert findings[0].location.line in bug_lines(kernel)
    return findings[0]


def outside(finding):
    assert finding.kind == "outside"
    return finding.access, finding.program_id, finding.element, finding.past_bytes


# ---- tables of pointers ------------------------------------------------------------------------------------------


def table_of(*tensors):
    return torch.tensor([tensor.data_ptr() for tensor in tensors])


def test_host_tensors_behind_a_table(sanitized):
    tensors, out = [torch.full((64,), float(index)) for index in range(3)], torch.zeros(3 * 64)
    assert sanitized(lambda: kernels.behind_table[(3,)](table_of(*tensors), out, 0, BLOCK=64)) == []
    assert out.reshape(3, 64)[:, 0].tolist() == [0, 1, 2]
    found = sanitized(lambda: kernels.behind_table[(3,)](table_of(*tensors), out, 4, BLOCK=64))
    finding = only(found, kernels.behind_table)
    assert outside(finding) == ("load", (0, 0, 0), (60,), 0)
    assert (finding.shape, finding.type, finding.count) == ((64,), "float32", 12)
    assert "a host tensor whose address was taken (float32, shape (64,), 64 elements)" in describe(finding)


def test_a_neighbour_in_the_table_is_outside_too(sanitized):
    both = torch.ones(4096)
    first = torch.ones(64)
    found = sanitized(
        lambda: kernels.behind_table[(1,)](
            table_of(first, both), torch.zeros(64), (both.data_ptr() - first.data_ptr()) // 4, BLOCK=64
        )
    )
    assert only(found, kernels.behind_table).kind == "outside"


def test_a_pointer_that_walks_out_of_its_tensor(sanitized):
    x = torch.ones(100)
    found = sanitized(lambda: kernels.walks_behind_table[(1,)](table_of(x), torch.zeros(32), 128, BLOCK=32))
    assert outside(only(found, kernels.walks_behind_table)) == ("load", (0, 0, 0), (4,), 0)


def test_a_dropped_host_tensor_behind_a_table(sanitized):
    x, out = torch.ones(64), torch.zeros(64)
    table = table_of(x)
    del x
    gc.collect()
    found = sanitized(lambda: kernels.behind_table[(1,)](table, out, 0, BLOCK=64))
    finding = only(found, kernels.behind_table)
    assert (finding.kind, finding.count) == ("freed", 64)
    assert out.count_nonzero() == 0


def test_a_view_keeps_what_a_table_points_to(sanitized):
    x, out = torch.arange(64.0), torch.zeros(64)
    table, view = table_of(x), x[3:5]
    del x
    assert sanitized(lambda: kernels.behind_table[(1,)](table, out, 0, BLOCK=64)) == []
    assert out[3:5].tolist() == view.tolist()


def test_an_argument_of_which_the_table_has_the_whole(sanitized):
    x, out = torch.arange(64.0), torch.zeros(64)
    table = table_of(x)
    assert sanitized(lambda: kernels.behind_table[(1,)](table, out, 0, BLOCK=64)) == []
    x.add_(0)
    assert sanitized(lambda: kernels.reads_all[(1,)](x[:8], out, 8, BLOCK=8)) == []
    assert sanitized(lambda: kernels.behind_table[(1,)](table, out, 0, BLOCK=64)) == []


# ---- parts of words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.float16, torch.bfloat16, torch.bool], ids=str)
def test_one_small_element_that_was_never_written(sanitized, dtype):
    source, x, out = torch.ones(64).to(dtype), torch.empty(64, dtype=dtype), torch.zeros(64)

    def both():
        kernels.writes_some[(1,)](source, x, 37, BLOCK=64)
        kernels.reads_all[(1,)](x, out, 64, BLOCK=64)

    finding = only(sanitized(both), kernels.reads_all)
    assert (finding.kind, finding.element, finding.count) == ("unwritten", (37,), 64 - 37)


def test_an_odd_tail_that_was_never_written(sanitized):
    x, out = torch.empty(7, dtype=torch.int8), torch.zeros(7)
    finding = only(sanitized(lambda: kernels.reads_all[(1,)](x, out, 7, BLOCK=8)), kernels.reads_all)
    assert (finding.kind, finding.count) == ("unwritten", 7)


@pytest.mark.parametrize("dtype", [torch.int8, torch.float16], ids=str)
def test_small_elements_with_the_bytes_of_the_mark_are_no_mistake(sanitized, dtype):
    x, out = torch.empty(1 << 16, dtype=dtype), torch.zeros(1 << 16)
    whole = torch.randint(0, 256, (x.nbytes,), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x.copy_(whole.view(dtype))
    assert sanitized(lambda: kernels.reads_all[(64,)](x, out, 1 << 16, BLOCK=1024)) == []
    y = torch.empty(1 << 16, dtype=dtype)

    def through_a_kernel():
        kernels.writes_some[(64,)](x, y, 1 << 16, BLOCK=1024)
        kernels.reads_all[(64,)](y, out, 1 << 16, BLOCK=1024)

    assert sanitized(through_a_kernel) == []


# ---- rows that are looked at as a whole ---------------------------------------------------------------------------


def test_a_row_whose_addresses_turn_back(sanitized):
    """Its first and last vectors lie as in a straight row of another length; the vectors between them do not."""
    x, out = torch.arange(48.0), torch.zeros(256)
    assert sanitized(lambda: kernels.turns_in_a_row[(1,)](x, out, 48, BLOCK=256)) == []
    assert torch.equal(out, x[torch.arange(256) % 48])
    finding = only(sanitized(lambda: kernels.turns_in_a_row[(1,)](x, out, 64, BLOCK=256)), kernels.turns_in_a_row)
    assert (finding.kind, finding.element, finding.count) == ("outside", (48,), 4 * 16)


@pytest.mark.parametrize("dtype", [torch.int8, torch.float32, torch.float64], ids=str)
def test_whole_rows_of_two_programs_that_overlap(sanitized, dtype):
    x, out = torch.ones(4096, dtype=dtype), torch.zeros(4096, dtype=dtype)
    assert sanitized(lambda: kernels.wide_blocks[(4,)](x, out, 4096, 0, BLOCK=1024)) == []
    finding = only(sanitized(lambda: kernels.wide_blocks[(2,)](x, out, 4096, 3, BLOCK=1024)), kernels.wide_blocks)
    assert finding.kind == "write-write"
    assert finding.element in ((0,), (1021,))


@pytest.mark.parametrize("n", [1024, 1030])
def test_whole_rows_past_the_end(sanitized, n):
    x, out = torch.ones(2048), torch.zeros(n)
    finding = only(sanitized(lambda: kernels.wide_blocks[(2,)](x, out, 2048, 0, BLOCK=1024)), kernels.wide_blocks)
    assert (finding.kind, finding.program_id, finding.element) == ("outside", (1, 0, 0), (n - 1024,))
    assert finding.count == 2048 - n


def test_scattered_lanes_of_two_programs_on_one_place(sanitized):
    index = torch.randperm(1024, dtype=torch.int32, generator=torch.Generator().manual_seed(0))
    out = torch.zeros(1024, dtype=torch.int32)
    assert sanitized(lambda: kernels.scatters[(4,)](index, out, BLOCK=256)) == []
    index[900] = index[100]
    finding = only(sanitized(lambda: kernels.scatters[(4,)](index, out, BLOCK=256)), kernels.scatters)
    assert (finding.kind, finding.count) == ("write-write", 1)
    assert (finding.program_id, finding.element) in (((3, 0, 0), (900 - 768,)), ((0, 0, 0), (100,)))


def test_a_store_of_a_row_does_not_hide_what_was_read_before_it(sanitized):
    x = torch.empty(256, dtype=torch.int8)
    found = sanitized(lambda: kernels.fills_what_it_reads[(1,)](x, 1, BLOCK=256))
    finding = only(found, kernels.fills_what_it_reads)
    assert (finding.kind, finding.element, finding.count) == ("unwritten", (1,), 128)


# ---- waiting -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_programs_that_wait_for_ever(sanitized, monkeypatch, threads):
    monkeypatch.setenv("SUPA_SANITIZE_WAIT", "0.3")
    before = native.threads()
    native.set_threads(threads)
    try:
        flag, out = torch.zeros(1, dtype=torch.int32), torch.zeros(8)
        found = sanitized(lambda: kernels.turn_never_comes[(8,)](flag, out, 3))
    finally:
        native.set_threads(before)
    finding = only(found, kernels.turn_never_comes)
    assert (finding.kind, finding.program_id, finding.argument, finding.count) == ("waits", (4, 0, 0), "flag_ptr", 4)
    assert "waits for a change of element 0 of flag_ptr" in describe(finding)
    assert out.tolist() == [1] * 4 + [0] * 4


def test_a_lock_that_is_released_outside_its_tensor(sanitized, monkeypatch):
    monkeypatch.setenv("SUPA_SANITIZE_WAIT", "0.3")
    lock, out = torch.zeros(1, dtype=torch.int32), torch.zeros(1)
    found = sanitized(lambda: kernels.lets_go_outside[(4,)](lock, out))
    assert {finding.kind for finding in found} == {"outside", "waits"}
    assert {finding.location.line for finding in found} == bug_lines(kernels.lets_go_outside)


def test_one_program_that_waits_for_ever(sanitized, monkeypatch):
    monkeypatch.setenv("SUPA_SANITIZE_WAIT", "0.3")
    flag, out = torch.full((1,), 5, dtype=torch.int32), torch.zeros(1)
    assert (
        only(sanitized(lambda: kernels.turn_never_comes[(1,)](flag, out, 1)), kernels.turn_never_comes).kind == "waits"
    )


# ---- NaN and infinity --------------------------------------------------------------------------------------------


def test_a_product_that_is_infinite(sanitized):
    a, b = torch.ones(16, 16), torch.ones(16, 32)
    a[3, 2], b[2, 7] = 1e30, 1e30
    found = sanitized(lambda: kernels.product[(1,)](a, b, torch.zeros(16, 32), M=16, N=32, K=16, OUT=tl.float32), "nan")
    finding = only(found, kernels.product)
    assert (finding.kind, finding.access, finding.element, finding.count) == ("not finite", "dot", (3, 7), 1)


def test_a_product_of_halves_that_is_infinite(sanitized):
    a = b = torch.full((16, 16), 200.0, dtype=torch.float16)
    out = torch.zeros(16, 16, dtype=torch.float16)
    found = sanitized(lambda: kernels.product[(1,)](a, b, out, M=16, N=16, K=16, OUT=tl.float16), "nan")
    assert {finding.location.line for finding in found} == bug_lines(kernels.product)


def test_infinite_factors_are_nobodys_mistake(sanitized):
    a, b = torch.ones(16, 16), torch.ones(16, 16)
    a[3, 2], b[5, 6] = float("inf"), float("nan")
    launch = lambda: kernels.product[(1,)](a, b, torch.zeros(16, 16), M=16, N=16, K=16, OUT=tl.float32)  # noqa: E731
    assert sanitized(launch, "nan") == []


def test_a_sum_of_products_that_grows_too_large(sanitized):
    a, b = torch.full((16, 64), 1e19), torch.full((64, 16), 1e19)
    out = torch.zeros(16, 16)
    found = sanitized(lambda: kernels.product_in_loop[(1,)](a, b, out, M=16, N=16, K=64, STEP=16), "nan")
    finding = only(found, kernels.product_in_loop)
    assert (finding.access, finding.element, finding.count) == ("dot", (0, 0), 256)


def test_a_scaled_product_that_is_infinite(sanitized):
    a = torch.full((32, 32), 57344.0).to(torch.float8_e5m2).view(torch.uint8)
    b = torch.full((32, 32), 57344.0).to(torch.float8_e5m2).view(torch.uint8)
    scale = torch.full((32, 1), 127 + 100, dtype=torch.uint8)
    launch = lambda: kernels.scaled_product[(1,)](a, scale, b, scale, torch.zeros(32, 32), M=32, N=32, K=32)  # noqa: E731
    assert only(sanitized(launch, "nan"), kernels.scaled_product).access == "dot"
    scale.fill_(127)
    assert sanitized(launch, "nan") == []


def test_a_sum_that_is_infinite(sanitized):
    x = torch.ones(4, 64)
    x[2] = 3e38
    finding = only(sanitized(lambda: kernels.row_sums[(1,)](x, torch.zeros(4), M=4, N=64), "nan"), kernels.row_sums)
    assert (finding.access, finding.element) == ("reduce fadd", (2,))
    x[2, 5] = float("inf")
    assert sanitized(lambda: kernels.row_sums[(1,)](x, torch.zeros(4), M=4, N=64), "nan") == []


# ---- views, descriptors, strides, small types ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:tl.make_block_ptr")
def test_a_view_reports_its_own_offset(sanitized):
    whole = torch.ones(10, 32)
    view = whole[2:5]
    found = sanitized(lambda: kernels.block_pointer[(1,)](view, torch.zeros(4, 32), 4, 32, 0, BM=4, BN=32))
    finding = only(found, kernels.block_pointer)
    assert outside(finding) == ("load", (0, 0, 0), (3, 0), 0)
    assert finding.shape == (3, 32)


@pytest.mark.filterwarnings("ignore:tl.make_block_ptr")
def test_block_pointers_with_boundary_checks_are_sound(sanitized):
    x, out = torch.randn(6, 32), torch.zeros(4, 32)
    assert sanitized(lambda: kernels.checked_block_pointer[(1,)](x, out, 6, 32, 4, BM=4, BN=32)) == []
    assert torch.equal(out[:2], x[4:])


def test_a_descriptor_that_is_too_high_stores_outside(sanitized):
    x = torch.zeros(6, 32)
    found = sanitized(lambda: kernels.descriptor_store[(1,)](x, 8, 32, 4, BM=4, BN=32))
    assert outside(only(found, kernels.descriptor_store)) == ("store", (0, 0, 0), (2, 0), 0)
    assert x.sum() == 64


def test_off_by_one_backwards(sanitized):
    x, out = torch.arange(64.0), torch.zeros(64)
    found = sanitized(lambda: kernels.backwards[(1,)](x, out, 64, BLOCK=64))
    assert outside(only(found, kernels.backwards)) == ("load", (0, 0, 0), (0,), 0)
    found = sanitized(lambda: kernels.backwards[(1,)](x, out, 62, BLOCK=64))
    assert outside(only(found, kernels.backwards)) == ("load", (0, 0, 0), (63,), -4)


def test_a_transposed_tensor(sanitized):
    x = torch.randn(9, 20).T  # 20 x 9, strides (1, 20)
    launch = lambda: kernels.strided[(1,)](x, torch.zeros(32, 16), 20, 9, *x.stride(), BM=32, BN=16)  # noqa: E731
    finding = only(sanitized(launch), kernels.strided)
    assert outside(finding) == ("load", (0, 0, 0), (0, 9), 0)
    assert (finding.shape, finding.count) == ((20, 9), 20)


def test_an_empty_tensor(sanitized):
    empty = torch.zeros(0)
    found = sanitized(lambda: kernels.reads_all[(1,)](empty, torch.zeros(1), 1, BLOCK=1))
    assert [finding.kind for finding in found] == ["outside"]
    assert "x_ptr" in describe(found[0])


def test_packed_integers(sanitized):
    x, out = torch.randint(0, 255, (30,), dtype=torch.uint8), torch.zeros(64, dtype=torch.uint8)
    finding = only(sanitized(lambda: kernels.unpack_int4[(1,)](x, out, BLOCK=32)), kernels.unpack_int4)
    assert outside(finding) == ("load", (0, 0, 0), (30,), 0)


def test_a_tile_of_compare_and_swap_before_the_start(sanitized):
    lock = torch.zeros(16, dtype=torch.int32)
    finding = only(sanitized(lambda: kernels.exchange[(1,)](lock, BLOCK=16)), kernels.exchange)
    assert (finding.kind, finding.access, finding.past_bytes) == ("outside", "atomic", -4)
    assert lock.sum() == 15


def test_launches_of_two_threads(sanitized):
    def work(x, out):
        for _ in range(20):
            kernels.reads_all[(8,)](x, out, 1000, BLOCK=128)

    tensors = [(torch.randn(1000), torch.zeros(1000)) for _ in range(2)]
    shared = torch.randn(1000)

    def both():
        threads = [threading.Thread(target=work, args=pair) for pair in tensors]
        threads += [threading.Thread(target=work, args=(shared, out)) for _, out in tensors[:1]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sanitized(both) == []
