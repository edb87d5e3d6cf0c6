"""Families of operators against the host in float64 or whole numbers, forward and, of floats, backward: indexing,
lines,
reductions, pooling, norms, losses, convolutions, attention, cells, optimizers. Each is called twice: the second call is
the extension's replay. None of them may run on the host.
"""

import copy

import pytest
import torch
from torch.nn import functional as fn

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-6, torch.bfloat16: 5e-2, torch.float16: 1e-2}


def outcome(function, tensors):
    """Results, and the gradients of a weighted sum of those that have any."""
    leaves = [one.detach().clone().requires_grad_(one.is_floating_point()) for one in tensors]
    found = function(*leaves)
    found = list(found) if isinstance(found, (tuple, list)) else [found]
    trained = [one for one in found if one.requires_grad]
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    gradients = []
    if trained:
        weights = [torch.linspace(-1, 1, one.numel()).view(one.shape).to(one) for one in trained]
        total = sum((one * weight).sum() for one, weight in zip(trained, weights, strict=True))
        gradients = [one for one in torch.autograd.grad(total, wanted, allow_unused=True) if one is not None]
    return [one.detach() for one in found] + gradients


def check(function, *tensors, on_host=()):
    kind = next((one.dtype for one in tensors if one.is_floating_point()), torch.float64)
    exact = outcome(function, [one.double() if one.is_floating_point() else one for one in tensors])
    before = torch.supa.host_operators()
    for _ in range(2):
        found = outcome(function, [one.to("supa") for one in tensors])
        assert len(found) == len(exact)
        for ours, expected in zip(found, exact, strict=True):
            assert ours.shape == expected.shape
            torch.testing.assert_close(ours.cpu().to(expected.dtype), expected, rtol=TOLERANCE[kind],
            atol=TOLERANCE[kind],
                                       equal_nan=True)  # fmt: skip
    after = torch.supa.host_operators()
    ran = {name.removeprefix("aten::") for name, count in after.items() if count != before.get(name, 0)}
    assert ran <= set(on_host)


def whole(high, *shape):
    return torch.randint(0, high, shape)


def distinct(rows, size, count):
    return torch.stack([torch.randperm(size)[:count] for _ in range(rows)])


MATRIX, CUBE = (6, 8), (5, 7, 9)
INDEXING = {
    "gather": (lambda x, i: x.gather(1, i), MATRIX, lambda: whole(8, 4, 5)),
    "index_select": (lambda x, i: x.t().index_select(1, i), MATRIX, lambda: torch.tensor([1, 3, 3])),
    "two indices": (lambda x, i: x[i, i.flip(0)], CUBE, lambda: whole(5, 4, 3)),
    "indices apart": (lambda x, i: x[i, :, i], CUBE, lambda: whole(5, 4)),
    "negative": (lambda x, i: x[:, i - 3], CUBE, lambda: whole(5, 4)),
    "embedding": (lambda x, i: fn.embedding(i, x), MATRIX, lambda: whole(6, 3, 4)),
    "scatter": (lambda x, i: x.scatter(1, i, x[:, :5] * 2), MATRIX, lambda: distinct(6, 8, 5)),
    "scatter_add": (lambda x, i: x.scatter_add(1, i, x[:, :5] * 2), MATRIX, lambda: whole(8, 6, 5)),
    "index_add": (lambda x, i: x.index_add(1, i, x[:, :4], alpha=2), MATRIX, lambda: whole(8, 4)),
    "index_put": (lambda x, i: x.index_put((i,), x[0] + 1, accumulate=True), MATRIX, lambda: torch.tensor([1, 1, 5])),
    "take": (lambda x, i: x.take(i), MATRIX, lambda: torch.tensor([[1, 5], [40, -1]])),
    "one_hot": (lambda x, i: fn.one_hot(i, 9), MATRIX, lambda: whole(9, 4, 3)),
}


@pytest.mark.parametrize("name", INDEXING)
def test_indexing(name):
    function, shape, index = INDEXING[name]
    check(function, torch.randn(shape), index())


LINES = {
    "cumsum": lambda x, d: x.cumsum(d),
    "cumprod": lambda x, d: x.cumprod(d),
    "logcumsumexp": lambda x, d: x.logcumsumexp(d),
    "max": lambda x, d: tuple(x.max(d)),
    "min": lambda x, d: tuple(x.min(d, keepdim=True)),
    "argmax": lambda x, d: x.argmax(d),
    "sort": lambda x, d: tuple(x.sort(d)),
    "sort descending": lambda x, d: tuple(x.sort(d, descending=True)),
    "topk": lambda x, d: tuple(x.topk(3, d)),
    "softmax": lambda x, d: x.softmax(d),
    "var": lambda x, d: x.var(d),
    "std and mean": lambda x, d: torch.std_mean(x, d),
    "prod": lambda x, d: x.prod(d),
    "norm": lambda x, d: x.norm(dim=d),
    "logsumexp": lambda x, d: x.logsumexp(d),
    "flip": lambda x, d: x.flip(d),
    "roll": lambda x, d: x.roll(2, d),
}


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("name", LINES)
def test_along_an_axis(name, dim):
    check(lambda x: LINES[name](x, dim), torch.randn(CUBE))


def test_long_lines_and_nan():
    x = torch.randn(3, 3000)
    check(lambda x: tuple(x.topk(5)), x)
    check(lambda x: tuple(x.topk(5, largest=False)), x)
    check(lambda x: x.cumsum(1) / 50, x)
    x[1, 7] = float("nan")
    check(lambda x: (*x.detach().max(1), *x.detach()[:, :40].sort(1)), x)


def test_whole_numbers_are_exact():
    x = torch.randint(-9, 9, (6, 8))
    for function in (
        lambda x: x * 3 + (1 << 40), lambda x: x.sum(1), lambda x: x.prod(1), lambda x: x.cumsum(0),
        lambda x: tuple(x.sort(dim=1, stable=True)), lambda x: x.clamp(-2, 5), lambda x: (x > 0).any(1),
        lambda x: (x > 0).all(),
        lambda x: x // 3, lambda x: x % -4, lambda x: x.max(), lambda x: x.float().sin(), lambda x: ~x,
        lambda x: x.tril(1),
        lambda x: torch.bucketize(x, torch.tensor([-3, 0, 4], device=x.device)),
    ):  # fmt: skip
        check(function, x)


def test_fp64_numbers_are_not_rounded_to_fp32():
    check(lambda x: x * 0.1 + 1e-9 - 1 / 3, torch.randn(5, 4, dtype=torch.float64))


IMAGE = (4, 6, 9, 9)
PLANES = {
    "max": lambda x: fn.max_pool2d(x, 3, 2, 1),
    "mean": lambda x: fn.avg_pool2d(x, 3, 2, 1),
    "mean of what is there": lambda x: fn.avg_pool2d(x, 3, 2, 1, count_include_pad=False, ceil_mode=True),
    "adaptive": lambda x: fn.adaptive_avg_pool2d(x, (4, 5)),
    "nearest": lambda x: fn.interpolate(x, scale_factor=2),
    "bilinear": lambda x: fn.interpolate(x, size=(13, 20), mode="bilinear"),
    "bilinear, corners": lambda x: fn.interpolate(x, size=(13, 20), mode="bilinear", align_corners=True),
    "reflected": lambda x: fn.pad(x, (1, 2, 1, 1), mode="reflect"),
    "padded": lambda x: fn.pad(x, (1, 2, 3, 0), value=0.5),
}


@pytest.mark.parametrize("name", PLANES)
def test_planes(name):
    check(PLANES[name], torch.randn(IMAGE))


@pytest.mark.parametrize("shape", [IMAGE, (32, 6), (3, 6, 20, 11)])
def test_batch_norm(shape):
    w, b = torch.randn(6), torch.randn(6)
    check(lambda x, w, b: fn.batch_norm(x, None, None, w, b, True), torch.randn(shape), w, b)
    check(lambda x, w, b: fn.batch_norm(x, w.detach(), b.detach().abs() + 1, w, b, False), torch.randn(shape), w, b)


def test_batch_norm_keeps_its_running_statistics():
    def run(x):
        mean, var = torch.zeros(6, device=x.device, dtype=x.dtype), torch.ones(6, device=x.device, dtype=x.dtype)
        fn.batch_norm(x, mean, var, None, None, True)
        return mean, var

    check(run, torch.randn(IMAGE))


def test_group_norm():
    check(lambda x, w: fn.group_norm(x, 3, w, w * 2), torch.randn(IMAGE), torch.randn(6))


LOSSES = {
    "cross entropy": lambda x, t: fn.cross_entropy(x, t),
    "weighted": lambda x, t: fn.cross_entropy(
        x, t, torch.arange(1.0, 12.0, device=x.device, dtype=x.dtype), ignore_index=3
    ),
    "each": lambda x, t: fn.cross_entropy(x, t, reduction="none"),
    "smoothed": lambda x, t: fn.cross_entropy(x, t, label_smoothing=0.1),
    "mse": lambda x, t: fn.mse_loss(x, x.detach().flip(0)),
    "huber": lambda x, t: fn.huber_loss(x, x.detach().flip(0)),
    "bce": lambda x, t: fn.binary_cross_entropy(x.sigmoid(), x.detach().flip(0).sigmoid()),
    "bce with logits": lambda x, t: fn.binary_cross_entropy_with_logits(x, x.detach().flip(0).sigmoid()),
    "kl": lambda x, t: fn.kl_div(x.log_softmax(1), x.detach().flip(0).softmax(1), reduction="batchmean"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    check(LOSSES[name], torch.randn(40, 11), whole(11, 40))


CONVOLUTIONS = {
    "1-D": (lambda x, w: fn.conv1d(x, w, padding=2, dilation=2), (3, 4, 11), (5, 4, 3)),
    "2-D": (lambda x, w: fn.conv2d(x, w, w[:, 0, 0, 0], stride=2, padding=1), IMAGE, (4, 6, 3, 3)),
    "1x1": (lambda x, w: fn.conv2d(x, w), IMAGE, (4, 6, 1, 1)),
    "groups": (lambda x, w: fn.conv2d(x, w, padding=1, groups=2), IMAGE, (4, 3, 3, 3)),
    "single channels": (lambda x, w: fn.conv2d(x, w, padding=1, stride=2, groups=6), IMAGE, (12, 1, 3, 3)),
    "transposed": (lambda x, w: fn.conv_transpose2d(x, w, w[0, :, 0, 0], 2, 1, 1), IMAGE, (6, 4, 3, 3)),
    "transposed groups": (lambda x, w: fn.conv_transpose2d(x, w, groups=2), IMAGE, (6, 2, 3, 3)),
    "3-D": (lambda x, w: fn.conv3d(x, w, padding=1), (2, 3, 5, 5, 5), (4, 3, 3, 3, 3)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name):
    function, image, kernel = CONVOLUTIONS[name]
    check(function, torch.randn(image), torch.randn(kernel))


@pytest.mark.parametrize("name", ["2-D", "transposed", "single channels"])
def test_convolutions_in_fp64(name):
    function, image, kernel = CONVOLUTIONS[name]
    check(function, torch.randn(image).double(), torch.randn(kernel).double())


def test_weight_gradients_of_many_images():
    check(lambda x, w: fn.conv2d(x, w), torch.randn(9, 5, 4, 4), torch.randn(130, 5, 1, 1))


@pytest.mark.parametrize("sizes", [(2, 3, 7, 7, 8), (1, 2, 70, 130, 64), (2, 2, 65, 33, 40)])
@pytest.mark.parametrize("kind", ["plain", "causal", "mask", "bias"])
def test_attention(sizes, kind):
    batch, heads, queries, keys, width = sizes
    q = torch.randn(batch, heads, queries, width)
    k, v = torch.randn(2, batch, heads, keys, width)
    mask = {"mask": torch.rand(batch, 1, queries, keys) > 0.3, "bias": torch.randn(queries, keys)}.get(kind)

    def attend(q, k, v):
        given = None if mask is None else mask.to(q.device, q.dtype if mask.is_floating_point() else mask.dtype)
        return fn.scaled_dot_product_attention(q, k, v, given, is_causal=kind == "causal", scale=0.3)

    check(attend, q, k, v)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_attention_of_grouped_heads_in_lower_types(dtype):
    q, k, v = torch.randn(2, 6, 9, 16), torch.randn(2, 2, 11, 16), torch.randn(2, 2, 11, 16)
    check(
        lambda q, k, v: fn.scaled_dot_product_attention(q, k, v, enable_gqa=True), *(one.to(dtype) for one in (q, k, v))
    )


def test_dropout_of_attention_is_drawn_again_going_back():
    q, k, v = (torch.randn(1, 2, 16, 16, device="supa", requires_grad=True) for _ in range(3))

    def total():
        torch.manual_seed(7)
        return fn.scaled_dot_product_attention(q, k, v, dropout_p=0.3).sin().sum()

    gradient, direction = torch.autograd.grad(total(), v)[0], torch.randn_like(v) * 1e-2
    with torch.no_grad():
        v += direction
        above = total()
        v -= 2 * direction
        below = total()
    assert ((above - below) / 2).item() == pytest.approx((gradient * direction).sum().item(), rel=2e-2)


@pytest.mark.parametrize("cell", [torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN])
def test_recurrent_networks(cell):
    net = cell(5, 7, 2, batch_first=True)

    def run(x):
        own = copy.deepcopy(net).to(x.device, x.dtype)
        return (
            own(x)[0],
            *(one.detach() for one in torch.autograd.grad(own(x.detach())[0].square().sum(), list(own.parameters()))),
        )

    check(run, torch.randn(4, 6, 5))


@pytest.mark.parametrize("cell", [torch.nn.LSTMCell, torch.nn.GRUCell])
@pytest.mark.parametrize("rows", [0, 3])
def test_recurrent_cells_in_fp64_and_without_rows(cell, rows):
    net = cell(5, 7).double()

    def run(x):
        own = copy.deepcopy(net).to(x.device)
        state = own(x)
        out = state[0] if isinstance(state, tuple) else state
        return out, *torch.autograd.grad(out.square().sum(), list(own.parameters()), retain_graph=True)

    check(run, torch.randn(rows, 5, dtype=torch.float64))


@pytest.mark.parametrize("way", ["foreach", "fused", "neither"])
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_optimizers(name, way):
    options = {"lr": 0.01, "weight_decay": 0.1, **({"momentum": 0.9} if name == "SGD" else {})}
    options |= {"foreach": way == "foreach"} if way != "fused" else {"fused": True}

    def run(weight, grad):
        parameter = torch.nn.Parameter(weight.detach().clone())
        optimizer = getattr(torch.optim, name)([parameter], **options)
        for step in range(4):
            optimizer.param_groups[0]["lr"] = 0.01 / (step + 1)
            parameter.grad = grad.detach().clone()
            optimizer.step()
        return parameter.detach()

    check(run, torch.randn(6, 5), torch.randn(6, 5))


DRAWS = {
    "uniform": (lambda: torch.rand(20000, device="supa"), 0.5, 0.2887),
    "normal": (lambda: torch.randn(20000, device="supa"), 0.0, 1.0),
    "bernoulli": (lambda: torch.empty(20000, device="supa").bernoulli_(0.3), 0.3, 0.458),
    "exponential": (lambda: torch.empty(20000, device="supa").exponential_(2.0), 0.5, 0.5),
    "integers": (lambda: torch.randint(0, 10, (20000,), device="supa").float(), 4.5, 2.872),
    "dropout": (lambda: fn.dropout(torch.ones(20000, device="supa"), 0.25), 1.0, 0.577),
    "geometric": (lambda: torch.empty(20000, device="supa").geometric_(0.4), 2.5, 1.936),
}


@pytest.mark.parametrize("name", DRAWS)
def test_random_numbers(name):
    draw, mean, deviation = DRAWS[name]
    torch.manual_seed(5)
    first, second, third = draw().cpu(), draw().cpu(), draw().cpu()
    torch.manual_seed(5)
    assert torch.equal(draw().cpu(), first)
    assert not torch.equal(second, third)
    assert second.mean().item() == pytest.approx(mean, abs=0.03 * max(1, deviation))
    assert second.std().item() == pytest.approx(deviation, rel=0.05)


def test_what_is_composed_is_one_recipe():
    x, y = torch.rand(2, 6, 8)
    check(
        lambda x, y: fn.binary_cross_entropy(x, y.detach(), reduction="none"), x, y
    )  # two constants, one of them first
    before = torch.supa.host_operators()
    out = torch.empty(0, device="supa")
    for _ in range(3):
        out = torch.linalg.vector_norm(x.to("supa"), 2, 1, out=torch.empty(0, device="supa"))  # an out without its size
    torch.testing.assert_close(out.cpu(), torch.linalg.vector_norm(x, 2, 1))
    assert set(torch.supa.host_operators()) - set(before) <= {"aten::linalg_vector_norm.out"}


@pytest.mark.parametrize("dim", [0, 1])
def test_rows_that_share_an_index_are_taken_together(dim):
    check(lambda x, i: x.index_select(dim, i), torch.randn(5, 4, 33), torch.tensor([3, 0, 3]))
    check(lambda x, i: x[i], torch.randn(5, 40), torch.randint(-5, 5, (2, 3)))
    check(lambda x, i: x[:, i, 1:], torch.randn(2, 5, 2, 40).transpose(1, 2).flatten(0, 1), torch.randint(0, 5, (4,)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_losses_of_lower_types_going_back(dtype):
    x, y = torch.randn(2, 9).to(dtype)
    check(lambda x: fn.huber_loss(x, y.to(x)), x)
    check(lambda x: fn.smooth_l1_loss(x, y.to(x)), x)
    check(lambda x: fn.softplus(x).sum(), x)


@pytest.mark.filterwarnings("ignore:.*degrees of freedom is <= 0")
def test_the_variance_of_a_single_number():
    check(lambda x: (x.var(correction=0), x.std(correction=0), *torch.var_mean(x, correction=0)), torch.tensor(2.0))
