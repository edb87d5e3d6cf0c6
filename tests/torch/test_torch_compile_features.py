"""torch.compile on the device: optimizers, flex_attention's gradients, dynamic shapes, modes, autocast, graph breaks,
export. Against eager on the host.
"""

import copy
import os
import subprocess
import sys
import warnings

import pytest
import torch
import torch._dynamo.testing
from torch import nn

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's compiler warns about itself


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(19, 33), nn.GELU(), nn.LayerNorm(33), nn.Linear(33, 5))


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (torch.optim.AdamW, {"foreach": True, "lr": 1e-2}),
        (torch.optim.AdamW, {"fused": True, "lr": 1e-2}),
        (torch.optim.SGD, {"foreach": True, "lr": 1e-2, "momentum": 0.9, "nesterov": True}),
    ],
)
def test_a_compiled_optimizer_s_steps_are_the_host_s(make, options):
    host = small_model()
    ours = copy.deepcopy(host).to("supa")
    x = torch.randn(7, 19)
    host_options = {**options, "fused": False} if "fused" in options else options
    theirs, own = make(host.parameters(), **host_options), make(ours.parameters(), **options)
    own.step = torch.compile(own.step)
    for _ in range(3):
        for model, data, optimizer in ((host, x, theirs), (ours, x.to("supa"), own)):
            optimizer.zero_grad()
            model(data).square().mean().backward()
            optimizer.step()
    for expected, found in zip(host.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-5)


def test_flex_attention_trains_with_a_score_function_and_a_block_mask():
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    torch.manual_seed(1)
    host = [torch.randn(1, 2, 128, 32, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    ours = [one.detach().float().to("supa").requires_grad_() for one in host]

    def causal(batch, head, row, column):
        return row >= column

    def tilted(score, batch, head, row, column):
        return score - 0.01 * (row - column)

    mask = create_block_mask(causal, 1, 1, 128, 128, device="supa")
    found = torch.compile(flex_attention)(*ours, score_mod=tilted, block_mask=mask)
    rows, columns = torch.arange(128)[:, None], torch.arange(128)
    bias = (-0.01 * (rows - columns).double()).masked_fill(rows < columns, -float("inf"))
    expected = nn.functional.scaled_dot_product_attention(*host, attn_mask=bias)
    weights = torch.randn(1, 2, 128, 32, dtype=torch.float64)
    (expected * weights).sum().backward()
    (found * weights.float().to("supa")).sum().backward()
    torch.testing.assert_close(found.detach().cpu().double(), expected.detach(), rtol=1e-4, atol=1e-4)
    for theirs, own in zip(host, ours, strict=True):
        torch.testing.assert_close(own.grad.cpu().double(), theirs.grad, rtol=1e-3, atol=1e-4)


def test_two_compiled_programs_at_most_serve_every_length():
    counter = torch._dynamo.testing.CompileCounterWithBackend("inductor")
    model = small_model()
    function = torch.compile(copy.deepcopy(model).to("supa"), dynamic=True, backend=counter)
    for length in (3, 17, 64, 129):
        x = torch.randn(length, 19)
        torch.testing.assert_close(function(x.to("supa")).cpu(), model(x), rtol=1e-4, atol=1e-5)
    assert counter.frame_count <= 2  # the first length, and any


def test_reduced_overhead_runs_without_captured_graphs_and_says_so_once():
    from supa.frameworks.torch import skipped_graphs

    skipped_graphs._say.cache_clear()
    x = torch.randn(33, 65)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for scale in (2.0, 3.0):
            found = torch.compile(lambda x, scale=scale: (x * scale).tanh(), mode="reduce-overhead")(x.to("supa"))
            torch.testing.assert_close(found.cpu(), (x * scale).tanh())
    assert [str(one.message) for one in said].count(skipped_graphs.REASON) == 1


def test_the_backend_of_captured_graphs_runs_without_them():
    x = torch.randn(33, 65)
    found = torch.compile(lambda x: (x * 2).tanh(), backend="cudagraphs")(x.to("supa"))
    torch.testing.assert_close(found.cpu(), (x * 2).tanh())


def test_autocast_around_and_inside_of_compiled_modules():
    model = small_model()
    ours, x = copy.deepcopy(model).to("supa"), torch.randn(7, 19)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = model(x)
    with torch.autocast("supa", dtype=torch.bfloat16):
        found = torch.compile(ours)(x.to("supa"))

    @torch.compile
    def inside(x):
        with torch.autocast("supa", dtype=torch.bfloat16):
            return ours(x)

    for one in (found, inside(x.to("supa"))):
        assert one.dtype == torch.bfloat16
        torch.testing.assert_close(one.detach().cpu().float(), expected.detach().float(), rtol=2e-2, atol=2e-2)


def test_a_graph_break_s_two_halves_agree_with_eager():
    def function(x):
        y = x.sin()
        torch._dynamo.graph_break()
        if y.sum().item() > 0:  # a second one, by the value
            return y * 2
        return y - 1

    for x in (torch.full((5, 7), 0.5), torch.full((5, 7), -0.5)):
        torch.testing.assert_close(torch.compile(function)(x.to("supa")).cpu(), function(x))


@pytest.mark.parametrize("backend", ["eager", "aot_eager", "aot_eager_decomp_partition"])
def test_backends_without_code_generation_train(backend):
    host = small_model()
    ours, x = copy.deepcopy(host).to("supa"), torch.randn(7, 19)
    host(x).square().sum().backward()
    torch.compile(ours, backend=backend)(x.to("supa")).square().sum().backward()
    for expected, found in zip(host.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(found.grad.cpu(), expected.grad, rtol=1e-4, atol=1e-5)


def test_max_autotune_trains_a_model():
    host = small_model()
    ours, x = copy.deepcopy(host).to("supa"), torch.randn(7, 19)
    host(x).square().sum().backward()
    torch.compile(ours, mode="max-autotune")(x.to("supa")).square().sum().backward()
    for expected, found in zip(host.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(found.grad.cpu(), expected.grad, rtol=1e-4, atol=1e-5)


def test_an_exported_program_runs_and_aot_inductor_refuses_it_in_words():
    model, x = small_model(), torch.randn(7, 19)
    ours = copy.deepcopy(model).to("supa")
    exported = torch.export.export(ours, (x.to("supa"),))
    torch.testing.assert_close(exported.module()(x.to("supa")).cpu(), model(x), rtol=1e-4, atol=1e-5)
    with pytest.raises(Exception, match=r"AOTInductor.*not made for supa"):
        torch._inductor.aoti_compile_and_package(exported)


def test_few_tiles_are_compiled_and_all_of_them_with_max_autotune(monkeypatch):
    from torch._inductor import config
    from torch._inductor.runtime import triton_heuristics
    from torch._inductor.utils import fresh_cache

    counts = []
    stock = triton_heuristics.CachingAutotuner.__init__

    def counted(self, *args, **kwargs):
        counts.append(len(kwargs["configs"]))
        stock(self, *args, **kwargs)

    monkeypatch.setattr(triton_heuristics.CachingAutotuner, "__init__", counted)
    x, y = torch.randn(96, 80, 24), torch.randn(24, 80, 96)

    def function(x, y):
        return x.permute(2, 1, 0) * 2 + y

    for mode, most in ((None, 2), ("max-autotune-no-cudagraphs", 9)):
        counts.clear()
        torch._dynamo.reset()
        with fresh_cache(), config.patch(compile_threads=1):
            found = torch.compile(function, mode=mode)(x.to("supa"), y.to("supa"))
        torch.testing.assert_close(found.cpu(), function(x, y))
        assert counts and 1 <= max(counts) <= most
    assert max(counts) > 2


def test_tiles_that_run_along_memory_are_kept():
    from types import SimpleNamespace

    from supa.frameworks.torch.tile_choices import few

    tiles = [(32, 32), (64, 64), (256, 16), (16, 256), (1024, 1), (1, 1024)]
    configs = [SimpleNamespace(kwargs={"XBLOCK": x, "YBLOCK": y}) for x, y in tiles]

    def kept(**scores):
        return [tiles[configs.index(one)] for one in few(configs, {"x": 4096, "y": 4096}, scores)]

    assert kept(x=10, y=0) == [(64, 64), (256, 16)]
    assert kept(x=0, y=10) == [(64, 64), (16, 256)]
    assert kept(x=10, y=10)[0] == (64, 64)
    assert few(configs, {"x": 4096}, {"x": 10}) == configs[:1]


def test_compiled_convolutions_keep_their_layout():
    torch.manual_seed(0)
    host = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 1))
    ours, x = copy.deepcopy(host).to("supa"), torch.randn(2, 16, 12, 12)
    expected = host(x)
    expected.square().mean().backward()
    found = torch.compile(ours)(x.to("supa"))
    found.square().mean().backward()
    assert found.is_contiguous()
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-5)
    for theirs, own in zip(host.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(own.grad.cpu(), theirs.grad, rtol=1e-3, atol=1e-5)


def test_compiled_graphs_are_kept_in_a_folder_of_the_device():
    program = "import torch; from torch._inductor.runtime.cache_dir_utils import cache_dir; print(cache_dir())"
    environment = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], env=environment, stdout=subprocess.PIPE,
                          text=True, check=True)  # fmt: skip
    *_, kind, device = done.stdout.split()[-1].split(os.sep)
    assert kind == "inductor" and device.startswith("bili100-")


def test_operators_of_programs_own_are_checked_and_compiled():
    @torch.library.custom_op("supa_tests::thrice", mutates_args=())
    def thrice(x: torch.Tensor) -> torch.Tensor:
        return x * 3

    thrice.register_fake(torch.empty_like)
    thrice.register_autograd(lambda ctx, grad: grad * 3)
    x = torch.randn(10)
    ours = x.to("supa").requires_grad_()
    out = torch.compile(lambda x: thrice(x.sin()) + 1, fullgraph=True)(ours)
    torch.testing.assert_close(out.detach().cpu(), 3 * x.sin() + 1)
    out.sum().backward()
    torch.testing.assert_close(ours.grad.cpu(), 3 * x.cos())
    torch.library.opcheck(thrice, (ours.detach().requires_grad_(),))


def test_a_gradient_registered_in_a_kernel_is_found_by_opcheck():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    library = torch.library.Library("supa_tests_wrong", "DEF")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", Twice.apply, "PrivateUse1")
    library.impl("twice", torch.empty_like, "Meta")
    with pytest.raises(Exception, match="register_autograd"):
        torch.library.opcheck(
            torch.ops.supa_tests_wrong.twice.default, (torch.randn(4, device="supa", requires_grad=True),)
        )


def test_the_compiler_does_not_look_into_operators_outside_of_graphs():
    model = nn.Linear(4, 3).to("supa")
    model.compile()
    x = torch.randn(2, 4)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        out = model(x.to("supa"))
        out.sum().backward()
    assert not [one for one in said if "Dynamo" in str(one.message)]
    torch.testing.assert_close(model.weight.grad.cpu(), x.sum(0).expand(3, 4))
