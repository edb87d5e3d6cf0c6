"""Gradient scaling: the device's `GradScaler` takes the CPU's steps, and nothing of it runs on the host."""

import contextlib

import pytest
import torch

import supa.torch  # noqa: F401


@contextlib.contextmanager
def on_the_device():
    before = torch.supa.host_operators()
    yield
    after = torch.supa.host_operators()
    assert {name: count for name, count in after.items() if count != before.get(name, 0)} == {}


def scaled_steps(device, losses):
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 4).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler(device, init_scale=2.0**15, growth_interval=2)
    scales = []
    for factor in losses:
        optimizer.zero_grad()
        x = torch.linspace(-1, 1, 24).reshape(3, 8).to(device)
        scaler.scale(model(x).square().mean() * factor).backward()
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    return scales, [param.detach().cpu() for param in model.parameters()]


def test_scaler_takes_the_hosts_steps():
    losses = (1.0, 1.0, 1e38, 1.0, 1.0, 1.0)  # the third overflows
    with on_the_device():
        scales, found = scaled_steps("supa", losses)
    expected_scales, expected = scaled_steps("cpu", losses)
    assert scales == expected_scales and scales[2] == scales[1] / 2 and scales[1] == 2 * scales[0]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 65504.0])
def test_a_value_that_is_not_finite_is_found_in_halves(value):
    gradients = [torch.ones(7, dtype=torch.float16), torch.full((3, 5), 2.0, dtype=torch.float16)]
    gradients[1][2, 3] = value
    found, inverse = torch.zeros(1), torch.tensor([0.25])
    ours = [gradient.to("supa") for gradient in gradients]
    our_found = found.to("supa")
    with on_the_device():
        torch._amp_foreach_non_finite_check_and_unscale_(ours, our_found, inverse.to("supa"))
    torch._amp_foreach_non_finite_check_and_unscale_(gradients, found, inverse)
    assert our_found.item() == found.item() == float(value != 65504.0)
    for one, other in zip(ours, gradients, strict=True):
        torch.testing.assert_close(one.cpu(), other, equal_nan=True)
