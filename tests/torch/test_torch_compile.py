"""torch.compile on the device: Inductor's Triton kernels, forward and backward, against eager on the host."""

import pytest
import torch
from torch import nn

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's compiler warns about itself


def compiled(function, *tensors, **options):
    return torch.compile(function, **options)(*(tensor.to("supa") for tensor in tensors)).cpu()


def test_fused_kernels_forward():
    x = torch.randn(33, 65)
    for function in (lambda x: torch.nn.functional.gelu(x * 2 + 1).softmax(-1), lambda x: (x @ x.t()).relu().sum(0)):
        torch.testing.assert_close(compiled(function, x), function(x))


def test_a_model_trains_and_its_kernels_are_on_the_clock():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(65, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 4)), torch.randn(33, 65)
    loss = model(x).pow(2).mean()
    loss.backward()
    expected = model[0].weight.grad.clone()
    model.zero_grad()
    ours = model.to("supa")
    before = torch.supa.host_operators()
    found = torch.compile(ours)(x.to("supa")).pow(2).mean()
    found.backward()
    assert found.item() == pytest.approx(loss.item(), rel=1e-5)
    torch.testing.assert_close(ours[0].weight.grad.cpu(), expected, rtol=1e-4, atol=1e-6)
    assert torch.supa.host_operators() == before
    names = [record.name for record in supa_session().records]
    assert any(name.startswith("triton_per_fused") for name in names)


def supa_session():
    from supa.frameworks.torch.cards import cards

    cards()[0].synchronize()
    return cards()[0].session


def test_max_autotune_chooses_by_the_device_s_time():
    a, b = torch.randn(64, 96), torch.randn(96, 128)
    torch.testing.assert_close(
        compiled(lambda a, b: (a @ b).relu(), a, b, mode="max-autotune-no-cudagraphs"), (a @ b).relu()
    )
    names = [record.name for record in supa_session().records]
    assert "triton_tem_fused_mm_relu_0" in names  # in one kernel, which two can not beat


def test_what_is_tuned_has_a_time_though_the_stream_was_asked_for_before():
    from supa.frameworks.torch.inductor import device_ms

    x = torch.ones(1 << 16, device="supa")
    function = torch.compile(lambda x: x * 2 + 1)
    function(x)
    short, long = device_ms(lambda: function(x)), device_ms(lambda: [function(x) for _ in range(3)])
    assert 0 < short < long < 10 * short
    assert device_ms(lambda: None) == float("inf")


def test_captured_graphs_are_passed_over():
    x = torch.randn(33, 65)
    torch.testing.assert_close(compiled(lambda x: (x * 2).tanh(), x, mode="reduce-overhead"), (x * 2).tanh())


def test_flex_attention_compiles():
    from torch.nn.attention.flex_attention import flex_attention

    query, key, value = (torch.randn(1, 2, 64, 32) for _ in range(3))

    def causal(score, batch, head, row, column):
        return torch.where(row >= column, score, -float("inf"))

    found = compiled(lambda q, k, v: flex_attention(q, k, v, score_mod=causal), query, key, value)
    expected = nn.functional.scaled_dot_product_attention(query.double(), key.double(), value.double(), is_causal=True)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


def test_programs_in_cpp_are_refused_in_words():
    from torch._inductor.codegen.common import get_device_op_overrides, init_backend_registration

    init_backend_registration()
    with pytest.raises(NotImplementedError, match="AOTInductor"):
        get_device_op_overrides("supa").cpp_device_guard()


def test_attention_of_turned_views_trains_compiled():
    x = torch.randn(2, 33, 3 * 2 * 16)

    def attend(x):
        query, key, value = (part.unflatten(-1, (2, 16)).transpose(1, 2) for part in x.chunk(3, -1))
        return nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)

    host, ours = x.double().requires_grad_(), x.to("supa").requires_grad_()
    attend(host).square().sum().backward()
    torch.compile(attend)(ours).square().sum().backward()
    torch.testing.assert_close(ours.grad.cpu().double(), host.grad, rtol=1e-4, atol=1e-4)
