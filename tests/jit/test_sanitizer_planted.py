"""Every planted mistake is found at its line, with the tensor, program and element; sound kernels are left alone."""

import sanitizer_kernels as kernels
import torch
from sanitizer_runs import RawTensor, bug_lines

from supa.runtime import current_device


def only(findings, kernel):
    """The one finding, after a look at its line."""
    assert len(findings) == 1, findings
    [finding] = findings
    assert finding.location.file.endswith("sanitizer_kernels.py")
    assert finding.location.line in bug_lines(kernel)
    assert finding.location.column > 0
    return finding


def outside(finding):
    assert finding.kind == "outside"
    return finding.access, finding.argument, finding.program_id, finding.element, finding.past_bytes


def test_load_past_the_end(sanitized):
    x, out = torch.ones(1000), torch.zeros(1000)
    found = sanitized(lambda: kernels.load_past_end[(4,)](x, out, 1000, BLOCK=256))
    finding = only(found, kernels.load_past_end)
    assert outside(finding) == ("load", "x_ptr", (3, 0, 0), (1000 - 768,), 0)
    assert (finding.shape, finding.type, finding.count) == ((1000,), "float32", 24)
    assert torch.equal(out, x)


def test_store_past_the_end_hits_another_live_tensor_and_is_not_done(sanitized):
    both = torch.zeros(200)
    first, second = both[:100], both[100:]
    found = sanitized(lambda: kernels.store_past_end[(2,)](first, 100, BLOCK=64))
    assert outside(only(found, kernels.store_past_end)) == ("store", "x_ptr", (1, 0, 0), (36,), 0)
    assert second.count_nonzero() == 0
    assert first.sum() == 100


def test_the_other_tensor_is_named(sanitized):
    both = torch.zeros(200)
    found = sanitized(lambda: kernels.load_past_end[(1,)](both[:100], both[100:], 100, BLOCK=128))
    assert only(found, kernels.load_past_end).neighbour == "out_ptr"


def test_load_before_the_start(sanitized):
    x, out = torch.ones(64), torch.zeros(64)
    found = sanitized(lambda: kernels.load_before_start[(1,)](x, out, BLOCK=64))
    assert outside(only(found, kernels.load_before_start)) == ("load", "x_ptr", (0, 0, 0), (0,), -4)


def test_scalar_load_outside(sanitized):
    found = sanitized(lambda: kernels.scalar_load[(1,)](torch.ones(10), torch.zeros(1), 12))
    assert outside(only(found, kernels.scalar_load)) == ("load", "x_ptr", (0, 0, 0), (), 8)


def test_scalar_store_outside(sanitized):
    found = sanitized(lambda: kernels.scalar_store[(1,)](torch.zeros(4), -2))
    assert outside(only(found, kernels.scalar_store)) == ("store", "out_ptr", (0, 0, 0), (), -8)


def test_atomic_outside(sanitized):
    out = torch.zeros(12)
    found = sanitized(lambda: kernels.atomic_past_end[(1,)](out, BLOCK=16))
    assert outside(only(found, kernels.atomic_past_end)) == ("atomic", "out_ptr", (0, 0, 0), (12,), 0)
    assert out.sum() == 12


def test_gather_outside(sanitized):
    indices = torch.arange(32, dtype=torch.int32)
    indices[17] = 1 << 20
    found = sanitized(lambda: kernels.gather_past_end[(1,)](torch.ones(32), indices, torch.zeros(32), BLOCK=32))
    expected = ("load", "x_ptr", (0, 0, 0), (17,), 4 * ((1 << 20) - 32))
    assert outside(only(found, kernels.gather_past_end)) == expected


def test_rows_outside_a_matrix(sanitized):
    x = torch.ones(5, 24)
    found = sanitized(lambda: kernels.rows_past_end[(1,)](x, torch.zeros(8), 24, M=8, N=32))
    finding = only(found, kernels.rows_past_end)
    assert outside(finding) == ("load", "x_ptr", (0, 0, 0), (5, 0), 0)
    assert finding.count == 3 * 24


def test_a_loop_that_runs_too_far(sanitized):
    x, out = torch.ones(100), torch.zeros(32)
    found = sanitized(lambda: kernels.loop_past_end[(1,)](x, out, 100, BLOCK=32))
    assert outside(only(found, kernels.loop_past_end)) == ("load", "x_ptr", (0, 0, 0), (4,), 0)


def test_a_descriptor_larger_than_its_tensor(sanitized):
    x = torch.ones(6, 32)
    found = sanitized(lambda: kernels.descriptor_past_end[(1,)](x, torch.zeros(32), 8, N=32))
    assert outside(only(found, kernels.descriptor_past_end)) == ("load", "x_ptr", (0, 0, 0), (2, 0), 0)


def test_a_mistake_inside_an_inlined_function(sanitized):
    found = sanitized(lambda: kernels.helper_past_end[(1,)](torch.ones(60), torch.zeros(64), BLOCK=64))
    finding = only(found, kernels._fetch)
    assert outside(finding) == ("load", "x_ptr", (0, 0, 0), (60,), 0)
    assert finding.kernel == "helper_past_end"


def test_memory_that_was_freed(sanitized):
    memory = current_device().memory
    address = memory.allocate(4096)
    memory.free(address)
    found = sanitized(lambda: kernels.copy[(1,)](RawTensor(address), torch.zeros(64), 64, BLOCK=64))
    finding = only(found, kernels.copy)
    assert (finding.kind, finding.access, finding.argument) == ("freed", "load", "x_ptr")


def test_freed_memory_through_a_table_of_pointers(sanitized):
    memory = current_device().memory
    address = memory.allocate(4096)
    memory.free(address)
    table = torch.tensor([address])
    found = sanitized(lambda: kernels.through_table[(1,)](table, torch.zeros(1)))
    finding = only(found, kernels.through_table)
    assert (finding.kind, finding.access, finding.address) == ("freed", "load", address)


def test_a_null_pointer(sanitized):
    found = sanitized(lambda: kernels.through_table[(1,)](torch.tensor([0]), torch.zeros(1)))
    assert (only(found, kernels.through_table).kind, found[0].address) == ("outside", 0)


def test_device_memory_past_its_allocation(sanitized):
    memory = current_device().memory
    address = memory.allocate(100 * 4)
    found = sanitized(lambda: kernels.store_past_end[(1,)](RawTensor(address), 100, BLOCK=128))
    assert outside(only(found, kernels.store_past_end)) == ("store", "x_ptr", (0, 0, 0), (100,), 0)


def test_misaligned_access(sanitized):
    x = torch.zeros(16, dtype=torch.int8)
    finding = only(sanitized(lambda: kernels.misaligned[(1,)](x, torch.zeros(1))), kernels.misaligned)
    assert (finding.kind, finding.argument, finding.offset_bytes) == ("misaligned", "x_ptr", 2)


def test_tensors_never_written(sanitized):
    x = torch.empty(200)
    x[:70] = 1.0
    finding = only(sanitized(lambda: kernels.copy[(2,)](x, torch.zeros(128), 128, BLOCK=64)), kernels.copy)
    assert (finding.kind, finding.argument, finding.program_id, finding.element) == (
        "unwritten",
        "x_ptr",
        (1, 0, 0),
        (6,),
    )
    assert finding.count == 58


def test_halves_never_written(sanitized):
    x = torch.empty(64, dtype=torch.float16)
    finding = only(sanitized(lambda: kernels.copy[(1,)](x, torch.zeros(64), 64, BLOCK=64)), kernels.copy)
    assert (finding.kind, finding.count) == ("unwritten", 64)


def test_device_memory_never_written(sanitized):
    address = current_device().memory.allocate(256)
    finding = only(
        sanitized(lambda: kernels.copy[(1,)](RawTensor(address), torch.zeros(64), 64, BLOCK=64)), kernels.copy
    )
    assert (finding.kind, finding.count) == ("unwritten", 64)


def test_what_a_launch_wrote_is_written_for_the_next(sanitized):
    x, middle, out = torch.ones(64), torch.empty(64), torch.empty(64)

    def both():
        kernels.copy[(1,)](x, middle, 64, BLOCK=64)
        kernels.copy[(1,)](middle, out, 64, BLOCK=64)

    assert sanitized(both) == []


def test_programs_that_write_one_place(sanitized):
    finding = only(sanitized(lambda: kernels.all_write_one_place[(8,)](torch.zeros(1))), kernels.all_write_one_place)
    assert (finding.kind, finding.argument, finding.count) == ("write-write", "out_ptr", 7)
    assert finding.other not in (None, finding.program_id)


def test_blocks_that_overlap_by_one(sanitized):
    out = torch.zeros(400)
    finding = only(sanitized(lambda: kernels.overlapping_blocks[(4,)](out, BLOCK=64)), kernels.overlapping_blocks)
    assert finding.kind == "write-write"
    assert {abs(finding.program_id[0] - finding.other[0]), finding.offset_bytes // 4 % 63} == {1, 0}


def test_reading_what_another_program_writes(sanitized):
    x = torch.zeros(257)
    found = sanitized(lambda: kernels.reads_neighbours_result[(4,)](x, BLOCK=64))
    assert found
    assert {finding.kind for finding in found} <= {"read-after-write", "write-after-read"}
    assert {finding.location.line for finding in found} <= bug_lines(kernels.reads_neighbours_result)


def test_a_plain_store_beside_atomics(sanitized):
    found = sanitized(lambda: kernels.plain_store_beside_atomics[(8,)](torch.zeros(1)))
    assert found
    assert all(finding.kind == "write-write" for finding in found)
    assert {finding.location.line for finding in found} <= bug_lines(kernels.plain_store_beside_atomics)


def test_overflow_of_a_row_times_its_stride(sanitized):
    x, out = torch.zeros(64), torch.zeros(64)
    found = sanitized(lambda: kernels.row_times_stride[(1,)](x, out, 70_000, 70_000, BLOCK=64))
    found = [finding for finding in found if finding.kind != "dead mask"]
    finding = only(found, kernels.row_times_stride)
    assert (finding.kind, finding.access) == ("overflow", "mul")


def test_overflow_of_a_column_times_its_stride(sanitized):
    found = sanitized(lambda: kernels.column_times_stride[(1,)](torch.zeros(1), 1 << 26, BLOCK=64))
    finding = only(found, kernels.column_times_stride)
    assert (finding.kind, finding.program_id) == ("overflow", (0, 0, 0))


def test_device_assert(sanitized):
    finding = only(sanitized(lambda: kernels.asserts[(1,)](torch.full((16,), 4.0), BLOCK=16)), kernels.asserts)
    assert (finding.kind, finding.program_id) == ("assertion", (0, 0, 0))
    assert "x is too large" in finding.message


def test_a_mask_that_is_never_true(sanitized):
    found = sanitized(lambda: kernels.never_true[(1,)](torch.ones(64), torch.zeros(64), 64, BLOCK=64))
    finding = only(found, kernels.never_true)
    assert (finding.kind, finding.access, finding.argument) == ("dead mask", "store", "out_ptr")


def test_infinity_from_a_division(sanitized):
    x = torch.ones(64)
    x[40] = 0
    found = sanitized(lambda: kernels.divides_by_zero[(1,)](x, torch.zeros(64), BLOCK=64), "nan")
    finding = only(found, kernels.divides_by_zero)
    assert (finding.kind, finding.access, finding.element) == ("not finite", "fdiv", (40,))


def test_infinity_from_a_narrower_format(sanitized):
    x, out = torch.full((64,), 1e6), torch.zeros(64, dtype=torch.float16)
    found = sanitized(lambda: kernels.narrows_too_much[(1,)](x, out, BLOCK=64), "nan")
    assert only(found, kernels.narrows_too_much).access == "fptrunc"


def test_infinities_are_not_looked_for_unless_asked(sanitized):
    assert sanitized(lambda: kernels.divides_by_zero[(1,)](torch.zeros(64), torch.zeros(64), BLOCK=64)) == []


def test_infinite_operands_are_nobodys_mistake(sanitized):
    x = torch.full((64,), float("inf"))
    assert sanitized(lambda: kernels.divides_by_zero[(1,)](x, torch.zeros(64), BLOCK=64), "nan") == []


def test_a_lock_orders_programs(sanitized):
    x, total = torch.ones(32 * 64), torch.zeros(64)
    lock = torch.zeros(1, dtype=torch.int32)
    assert sanitized(lambda: kernels.under_a_lock[(32,)](lock, total, x, BLOCK=64)) == []
    assert total.sum() == 32 * 64


def test_the_last_program_reads_what_all_wrote(sanitized):
    x, out = torch.ones(64 * 32), torch.zeros(1)
    partial, count = torch.empty(64), torch.zeros(1, dtype=torch.int32)
    found = sanitized(lambda: kernels.last_one_sums[(64,)](x, partial, count, out, PROGRAMS=64, BLOCK=32))
    assert (found, out.item()) == ([], 64 * 32)


def test_sound_kernels_are_left_alone(sanitized):
    x, bins = torch.ones(1000), torch.zeros(4, dtype=torch.int32)
    values = torch.arange(512, dtype=torch.int32) % 4

    def all_of_them():
        kernels.in_place[(8,)](x, 1000, BLOCK=128)
        kernels.in_place[(8,)](x, 1000, BLOCK=128)
        kernels.counts[(8,)](values, bins, BLOCK=64)

    assert sanitized(all_of_them) == []
    assert (x.unique().item(), bins.tolist()) == (4.0, [128] * 4)


def test_the_first_of_each_line_and_how_many(sanitized):
    x, out = torch.ones(100), torch.zeros(256)

    def twice():
        kernels.load_past_end[(2,)](x, out, 256, BLOCK=128)
        kernels.load_past_end[(2,)](x, out, 256, BLOCK=128)

    assert only(sanitized(twice), kernels.load_past_end).count == 2 * 156
