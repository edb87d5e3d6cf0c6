"""Sorts, first of a line, running values and reductions of lines that no tile holds, and of turned ones."""

import math

import pytest
import torch

SORTED = [torch.float32, torch.float64, torch.int64, torch.uint8]


def awkward(shape, dtype):
    """Values with ties; where there are such, NaNs, infinities, both zeros, and what differs in its last bits alone."""
    generator = torch.Generator().manual_seed(len(shape))
    x = torch.randn(shape, generator=generator, dtype=torch.float64) * 50
    if dtype == torch.int64:
        return x.round().to(dtype) * (1 << 33) + torch.randint(-9, 9, shape, generator=generator)
    if dtype == torch.uint8:
        return x.abs().to(dtype)
    x = x.round().to(dtype)
    flat = x.view(-1)
    flat[3], flat[4], flat[7], flat[8] = math.nan, math.inf, 0.0, -0.0
    flat[9], flat[20] = -math.inf, math.nan
    flat[30:40] = 1 + torch.arange(10) * torch.finfo(dtype).eps
    return x


def same(found, expected):
    assert torch.equal(found.cpu().nan_to_num(7.5, 8.5, 9.5), expected.nan_to_num(7.5, 8.5, 9.5))


@pytest.mark.parametrize("dtype", SORTED)
@pytest.mark.parametrize("shape, dim", [((3, 100), 1), ((3500,), 0), ((2, 90, 2), 1)])
def test_order_is_stable_and_takes_nan_for_the_largest(dtype, shape, dim):
    x = awkward(shape, dtype)
    for descending in (False, True):
        expected = x.sort(dim=dim, descending=descending, stable=True)
        found = x.to("supa").sort(dim=dim, descending=descending, stable=True)
        assert torch.equal(found.indices.cpu(), expected.indices)
        same(found.values, expected.values)
    assert "aten::sort.stable" not in torch.supa.host_operators()


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
@pytest.mark.parametrize("shape, kept", [((3, 100), 7), ((2, 3000), 20), ((2, 3000), 300)])
def test_the_first_of_a_line_are_those_of_its_order(dtype, shape, kept):
    x = awkward(shape, dtype)
    for largest in (False, True):
        expected = x.sort(dim=1, descending=largest, stable=True).indices[:, :kept]
        found = x.to("supa").topk(kept, 1, largest=largest)
        assert torch.equal(found.indices.cpu(), expected)
        same(found.values, x.gather(1, expected))


def test_zeros_keep_their_signs_when_sorted():
    x = torch.tensor([0.0, -0.0] * 50, device="supa")
    assert torch.equal(torch.signbit(x.sort(stable=True).values.cpu()), torch.tensor([False, True] * 50))


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "logcumsumexp"])
@pytest.mark.parametrize("shape, dim", [((9001,), 0), ((3, 130, 70), 1), ((2, 8500), 1)])
def test_running_values_of_parts_and_of_turned_lines(name, shape, dim):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 0.02 + 0.99
    expected = getattr(x.double(), name)(dim)
    torch.testing.assert_close(getattr(x.to("supa"), name)(dim).cpu().double(), expected, rtol=2e-5, atol=1e-6)


KINDS = {
    "sum": torch.sum, "amax": torch.amax, "amin": torch.amin, "any": torch.any, "all": torch.all,
    "norm": lambda x, dim: torch.linalg.vector_norm(x, 2, dim), "mean": torch.mean,
    "count": lambda x, dim: torch.count_nonzero(x, dim),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "shape, dims", [((70001,), (0,)), ((300, 130), (0,)), ((9, 7, 130), (0, 2)), ((5, 1100), (1,))]
)
def test_reductions_of_rows_columns_and_axes_apart(kind, shape, dims):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    function = KINDS[kind]
    expected = function(x.double(), dims)
    found = function(x.to("supa"), dims).cpu()
    torch.testing.assert_close(found.double(), expected.double(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", ["amax", "amin"])
def test_extremes_of_rows_and_columns_are_nan_where_there_is_one(kind):
    x = torch.randn(70, 300)
    x[3, 5] = math.nan
    for dim in (0, 1):
        expected = getattr(x, kind)(dim)
        assert torch.equal(getattr(x.to("supa"), kind)(dim).cpu().isnan(), expected.isnan())


def test_a_sum_has_the_same_bits_each_time_and_little_error():
    x = torch.rand(1_000_003, generator=torch.Generator().manual_seed(0))
    found = x.to("supa").sum()
    assert torch.equal(found, x.to("supa").sum())
    assert abs(found.item() - x.double().sum().item()) <= 2e-7 * x.double().sum().item()


@pytest.mark.parametrize("step", [2, 3, 7])
def test_elements_at_distances_broadcast_and_reversed(step):
    x = torch.randn(37, 211)
    ours = x.to("supa")
    assert torch.equal((ours[:, ::step] + ours[:, :1]).cpu(), x[:, ::step] + x[:, :1])
    assert torch.equal(ours.flip(1)[:, ::step].contiguous().cpu(), x.flip(1)[:, ::step])
    torch.testing.assert_close(ours[:, ::step].sum().cpu(), x[:, ::step].sum())
    target = torch.zeros(37, 211, device="supa")
    target[:, ::step] = ours[:, ::step]
    assert torch.equal(target.cpu()[:, ::step], x[:, ::step])
    assert target.cpu()[:, 1::step].abs().sum() == 0


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_indices_along_each_axis_of_tiles_that_end_inside(dim):
    x = torch.randn(9, 35, 33)
    index = torch.randint(0, x.shape[dim], (9, 35, 33))
    row = torch.randint(0, x.shape[dim], (21,))
    ours = x.to("supa")
    assert torch.equal(ours.gather(dim, index.to("supa")).cpu(), x.gather(dim, index))
    assert torch.equal(ours.index_select(dim, row.to("supa")).cpu(), x.index_select(dim, row))
    added = x.index_select(dim, row)
    torch.testing.assert_close(
        ours.index_add(dim, row.to("supa"), added.to("supa")).cpu(), x.index_add(dim, row, added)
    )
    torch.testing.assert_close(
        ours.scatter_add(dim, index.to("supa"), ours).cpu(), x.scatter_add(dim, index, x), rtol=1e-5, atol=1e-5
    )
