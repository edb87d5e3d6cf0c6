"""Values at the places of a grid (`grid_sample`) and the loss of alignments (CTC) against the host in float64, forward
and backward, all of it on the device.
"""

import itertools

import pytest
import torch
from device_check import check_on_device
from torch.nn import functional as fn

PADDINGS = ("zeros", "border", "reflection")


def outcome(function, *inputs):
    leaves = [one.detach().requires_grad_(one.is_floating_point()) for one in inputs]
    found = function(*leaves)
    weights = torch.arange(1, found.numel() + 1, device=found.device).to(found.dtype).view(found.shape) / found.numel()
    return found, *torch.autograd.grad((found * weights).sum(), [one for one in leaves if one.requires_grad])


def sampled(mode, padding, aligned):
    def function(x, grid):
        return outcome(lambda a, b: fn.grid_sample(a, b, mode, padding, aligned), x, grid)

    return function


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_a_plane_at_the_places_of_a_grid(mode, aligned):
    x, grid = torch.randn(2, 3, 5, 7), torch.rand(2, 4, 9, 2) * 3 - 1.5
    for padding in PADDINGS:
        check_on_device(sampled(mode, padding, aligned), x, grid, tolerance=1e-4)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_a_volume_at_the_places_of_a_grid(mode):
    x, grid = torch.randn(1, 9, 3, 5, 4), torch.rand(1, 2, 3, 4, 3) * 3 - 1.5
    for padding, aligned in itertools.product(PADDINGS, (False, True)):
        check_on_device(sampled(mode, padding, aligned), x, grid, tolerance=1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.bfloat16, 4e-2)], ids=str)
def test_other_types_of_a_plane_that_is_a_view(dtype, tolerance):
    x = torch.randn(2, 5, 7, 3, dtype=dtype).permute(0, 3, 1, 2)
    grid = torch.rand(2, 2, 4, 6, dtype=dtype).permute(0, 2, 3, 1) * 1.75 - 0.875
    if dtype == torch.bfloat16:  # where a place is rounded to decides the elements around it: the gradient jumps there
        check_on_device(lambda a, b: fn.grid_sample(a, b, align_corners=False), x, grid, tolerance=tolerance)
    else:
        check_on_device(sampled("bilinear", "zeros", False), x, grid, tolerance=tolerance)


def test_nearest_takes_the_even_one_of_two_as_near():
    x = torch.arange(5.0).view(1, 1, 1, 5)
    grid = torch.stack((torch.tensor([-0.75, -0.25, 0.25, 0.75]), torch.zeros(4)), -1).view(1, 1, 4, 2)
    check_on_device(lambda a, b: fn.grid_sample(a, b, "nearest", align_corners=True), x, grid)


def test_places_beyond_all_numbers_are_outside():
    x = torch.ones(1, 2, 3, 3)
    grid = torch.tensor([float("inf"), 0.0, 1e30, -1e30, float("nan"), 0.0, 0.0, 0.0]).view(1, 2, 2, 2)
    check_on_device(lambda a, b: fn.grid_sample(a, b, align_corners=False)[..., 1, 1], x, grid)


LENGTHS = ([12, 9, 12, 5], [4, 6, 0, 3])


def aligned_loss(target_lengths, steps, **options):
    def function(x, target):
        return outcome(lambda a: fn.ctc_loss(a.log_softmax(-1), target, steps, target_lengths, **options), x)

    return function


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_the_loss_of_alignments(reduction, dtype):
    x, target = torch.randn(12, 4, 6, dtype=dtype), torch.randint(1, 6, (4, 7))
    target[0, 1] = target[0, 0]  # two of a label need a blank between
    steps, lengths = LENGTHS
    check_on_device(aligned_loss(lengths, steps, reduction=reduction), x, target, tolerance=1e-4)
    joined = torch.cat([target[row, :count] for row, count in enumerate(lengths)])
    check_on_device(aligned_loss(lengths, steps, reduction=reduction), x, joined, tolerance=1e-4)


def test_another_blank_and_lengths_as_tensors_of_the_device():
    x, target = torch.randn(6, 3, 5), torch.randint(0, 4, (3, 2))

    def function(x, target):
        lengths = [torch.tensor(one, device=x.device) for one in ([6, 5, 6], [2, 2, 1])]
        return outcome(lambda a: fn.ctc_loss(a.log_softmax(-1), target, *lengths, blank=4), x)

    check_on_device(function, x, target, tolerance=1e-4)


def test_a_sequence_too_short_for_its_labels_costs_infinitely_much_or_nothing():
    x, target = torch.randn(3, 2, 5), torch.tensor([[1, 1, 1], [1, 2, 3]])
    check_on_device(aligned_loss([3, 3], [3, 3], reduction="none", zero_infinity=True), x, target, tolerance=1e-4)
    check_on_device(aligned_loss([3, 3], [3, 3], reduction="none"), x, target, tolerance=1e-4)


def test_a_label_that_is_none_of_the_classes_is_an_error():
    x = torch.randn(5, 1, 3, device="supa").log_softmax(-1)
    with pytest.raises(IndexError, match="index 7 is out of bounds for dimension 1 with size 3"):
        fn.ctc_loss(x, torch.tensor([[1, 7]], device="supa"), [5], [2])
