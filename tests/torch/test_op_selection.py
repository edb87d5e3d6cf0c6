"""Operators that select by value and by rank: masks, places, sorted lines of any length, distinct values, draws."""

import numpy
import pytest
import torch
from device_check import check_on_device

CUBE = (7, 5, 3)
INF, NAN = float("inf"), float("nan")


def with_mask(function):
    def of_cube(x):
        return function(x, x > 0.3)

    return of_cube


def assigned(x, mask, value):
    x = x.clone()
    x[mask] = value
    return x


MASKS = {
    "nonzero": with_mask(lambda x, m: m.nonzero()),
    "nonzero as tuple": lambda x: (x[:, :, 0].t() > 0).nonzero(as_tuple=True),
    "whole": with_mask(lambda x, m: x[m]),
    "leading": with_mask(lambda x, m: x[m[:, :, 0]]),
    "middle": with_mask(lambda x, m: x[:, m[0, :, 0]]),
    "nothing": lambda x: x[x > 100],
    "assigned one": with_mask(lambda x, m: assigned(x, m, 7.0)),
    "assigned many": with_mask(lambda x, m: assigned(x, m, x[m] * 2)),
    "assigned rows": with_mask(lambda x, m: assigned(x, m[:, :, 0], x[m[:, :, 0]] + 1)),
    "masked_select": with_mask(lambda x, m: x.masked_select(m[:, :, :1])),
    "masked_scatter": with_mask(lambda x, m: x.masked_scatter(m, x * 3)),
    "filled by a tensor": with_mask(lambda x, m: x.masked_fill(m, x[0, 0, 0])),
    "equal": lambda x: [torch.equal(x, x), torch.equal(x, x + 1), torch.equal(x, x[0])],
}


@pytest.mark.parametrize("name", MASKS)
def test_masks(name):
    check_on_device(MASKS[name], torch.randn(CUBE))


def test_places_of_many_blocks():
    check_on_device(lambda x: (x > 1.5).nonzero(), torch.randn(5000))


def test_too_few_values_for_a_mask_are_an_error():
    mask = torch.ones(4, dtype=torch.bool, device="supa")
    with pytest.raises(RuntimeError, match="out of bounds"):
        torch.zeros(4, device="supa").masked_scatter_(mask, torch.ones(3, device="supa"))


LONG = torch.randperm(20001).float().view(1, -1)
ORDERED = {
    "sort": lambda x: tuple(x.sort(dim=1)),
    "sort columns": lambda x: tuple(x.t().contiguous().sort(dim=0, descending=True)),
    "stable": lambda x: tuple((x % 50).long().sort(stable=True, descending=True)),
    "top": lambda x: tuple(x.topk(1000)),
    "argsort": lambda x: (x % 50).argsort(stable=True),
}


@pytest.mark.parametrize("name", ORDERED)
def test_long_lines_in_order(name):
    check_on_device(ORDERED[name], LONG)


def test_not_a_number_is_the_largest_in_long_lines():
    x = LONG.clone()
    x[0, 77] = NAN
    check_on_device(lambda x: tuple(x.sort(dim=1)), x)


LINES = {
    "running largest": lambda x: (*x.cummax(1), *x.round().cummax(0)),
    "running smallest": lambda x: (*x.cummin(-1), *x.round().cummin(0)),
    "median": lambda x: (x.median(), *x.median(1), *x.median(0, keepdim=True)),
    "nanmedian": lambda x: (x.nanmedian(), *x.nanmedian(1)),
    "kthvalue": lambda x: tuple(x.kthvalue(3, 1, True)),
}


@pytest.mark.parametrize("holes", [0.0, 0.1])
@pytest.mark.parametrize("name", LINES)
def test_ranks_of_lines(name, holes):
    if name == "kthvalue" and holes:
        pytest.skip("of lines with several NaN the place is free")
    x = torch.randn(9, 11)
    if holes:
        x[2, 3] = x[5, 0] = NAN
    check_on_device(LINES[name], x)


@pytest.mark.parametrize("kind", ["cumsum", "cumprod", "logcumsumexp"])
def test_long_scans(kind):
    x = 1 + torch.rand(3, 20001) * 1e-4
    check_on_device(lambda x: getattr(x, kind)(1), x, tolerance=20001 * 2.0**-24)


def test_long_scans_of_whole_numbers():
    check_on_device(lambda x: x.cumsum(0), torch.randint(0, 50, (20001, 2)))


DISTINCT = {
    "unique": lambda x: torch.unique(x, return_inverse=True, return_counts=True),
    "unique values": torch.unique,
    "consecutive": lambda x: torch.unique_consecutive(x, return_inverse=True, return_counts=True),
    "bincount": lambda x: (x.view(-1).bincount(), x.view(-1).bincount(x.view(-1).float(), 20)),
    "histc": lambda x: (x.float().histc(10), x.float().histc(7, 1, 5)),
}


@pytest.mark.parametrize("name", DISTINCT)
def test_distinct_values_and_their_counts(name):
    check_on_device(DISTINCT[name], torch.randint(0, 9, (6, 7)))


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8], ids=str)
def test_histograms_of_whole_numbers_as_on_gpus(dtype):
    x = torch.tensor([0, 1, 1, 3, 7, 7, 2, 9, 4], dtype=dtype)
    for bins, low, high in ((4, 0, 3), (8, 0, 7), (5, 0, 0), (3, 1, 9)):
        found = x.to("supa").histc(bins, low, high)
        expected, _ = numpy.histogram(x.numpy(), bins, (low, high) if low < high else (0, 9))
        assert found.dtype == dtype and found.tolist() == expected.tolist()


def test_a_permutation_has_every_number_once():
    found = torch.randperm(20000, device="supa")
    assert found.dtype == torch.int64
    assert torch.equal(found.sort().values.cpu(), torch.arange(20000))
    assert not torch.equal(found, torch.randperm(20000, device="supa"))
    assert "aten::randperm.generator_out" not in torch.supa.host_operators()


def test_draws_follow_their_chances():
    chances = torch.tensor([[0.1, 0.2, 0.7, 0.0], [0.5, 0.0, 0.25, 0.25]], device="supa")
    drawn = chances.multinomial(20000, True).cpu()
    for row in range(2):
        share = torch.bincount(drawn[row], minlength=4) / 20000
        torch.testing.assert_close(share, chances[row].cpu(), rtol=0, atol=0.02)
        assert not share[chances[row].cpu() == 0].any()
    assert sorted(chances[0].multinomial(3).tolist()) == [0, 1, 2]
    with pytest.raises(RuntimeError, match="probability tensor contains"):
        (chances - 1).multinomial(1)
    assert "aten::multinomial" not in {name for name, count in torch.supa.host_operators().items() if count > 1}


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("padding", [None, 2])
def test_embeddings_in_bags(mode, padding):
    def of_table(table, indices, begins):
        table = table.detach().requires_grad_()
        factors = torch.arange(1, 9, device=table.device).to(table.dtype) if mode == "sum" else None
        found = torch.nn.functional.embedding_bag(indices, table, begins, mode=mode, padding_idx=padding,
                                                  per_sample_weights=factors)  # fmt: skip
        return found, torch.autograd.grad(found.square().sum(), table)[0]

    begins = torch.tensor([0, 3, 3, 5])  # the second bag is empty
    check_on_device(of_table, torch.randn(6, 4), torch.tensor([1, 2, 2, 5, 0, 1, 3, 2]), begins, tolerance=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64], ids=str)
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("kind", ["sum", "mean", "amax", "amin"])
def test_what_is_scattered_is_reduced(kind, own, dtype):
    if dtype == torch.int64 and kind in ("amax", "amin") and not own:
        pytest.skip("runs on the host")

    def both(x, index, source):
        return (x.scatter_reduce(0, index, source, kind, include_self=own),
                x.clone().scatter_reduce_(1, index, source, kind, include_self=own))  # fmt: skip

    x, source = torch.randint(-9, 9, (4, 5)).to(dtype), torch.randint(-9, 9, (3, 5)).to(dtype)
    check_on_device(both, x, torch.randint(0, 4, (3, 5)), source)
