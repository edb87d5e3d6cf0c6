"""Captured graphs: a capture changes nothing, a replay does the work on the same memory, and what a graph can not hold
is refused by name.
"""

import pytest
import torch
import triton
import triton.language as tl
from torch import nn
from torch.nn import functional


def network(device):
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(7, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 3)).to(device)
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def step(model, optimizer, x, y):
    optimizer.zero_grad(set_to_none=True)
    loss = functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


def test_a_captured_training_step_gives_the_hosts_losses():
    batches = [(torch.randn(9, 7), torch.randn(9, 3)) for _ in range(5)]
    model, optimizer = network("cpu")
    for _ in range(2):
        step(model, optimizer, *batches[0])
    expected = [step(model, optimizer, *batch).item() for batch in batches]

    ours, optimizer = network("supa")
    x, y = batches[0][0].to("supa"), batches[0][1].to("supa")
    for _ in range(2):
        step(ours, optimizer, x, y)
    graph = torch.supa.SUPAGraph()
    with torch.supa.graph(graph):
        assert torch.supa.is_current_stream_capturing()
        loss = step(ours, optimizer, x, y)
    assert not torch.supa.is_current_stream_capturing()
    found = []
    for one, other in batches:
        x.copy_(one)
        y.copy_(other)
        graph.replay()
        found.append(loss.item())
    assert found == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(ours[1].running_mean.cpu(), model[1].running_mean, rtol=1e-4, atol=1e-6)


def test_a_capture_changes_nothing():
    model, optimizer = network("supa")
    x, y = torch.randn(9, 7, device="supa"), torch.randn(9, 3, device="supa")
    step(model, optimizer, x, y)
    before = [
        one.clone() for one in (*model.state_dict().values(), *[s["momentum_buffer"] for s in optimizer.state.values()])
    ]
    random = torch.supa.get_rng_state()
    with torch.supa.graph(torch.supa.SUPAGraph()):
        step(model, optimizer, x, y)
        torch.rand(5, device="supa")
        x.zero_()
    after = (*model.state_dict().values(), *[s["momentum_buffer"] for s in optimizer.state.values()])
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert x.any() and torch.equal(random, torch.supa.get_rng_state())


def test_every_replay_draws_anew():
    graph = torch.supa.SUPAGraph()
    with torch.supa.graph(graph):
        drawn = torch.rand(16, device="supa")
    graph.replay()
    first = drawn.clone()
    graph.replay()
    assert not torch.equal(first, drawn)
    assert first.min() >= 0 and first.max() < 1


@triton.jit
def _twice_and_one(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + at, tl.load(x_ptr + at, mask=at < n) * 2 + 1, mask=at < n)


def test_triton_kernels_follow_memory_that_the_capture_made():
    x, out = torch.arange(10.0, device="supa"), torch.zeros(10, device="supa")
    graph = torch.supa.SUPAGraph()
    with torch.supa.graph(graph):
        more = x + 1
        middle = torch.empty_like(x)
        _twice_and_one[(2,)](more[2:], middle[2:], 8, BLOCK=8)
        _twice_and_one[(2,)](middle * 10, out, 10, BLOCK=8)
    assert not out.any()
    x.mul_(2)
    graph.replay()
    expected = ((torch.arange(10.0) * 2 + 1) * 2 + 1) * 20 + 1
    assert out[2:].tolist() == expected[2:].tolist()


def test_graphs_feed_graphs():
    x = torch.ones(4, device="supa")
    first, second = torch.supa.SUPAGraph(), torch.supa.SUPAGraph()
    with torch.supa.graph(first):
        middle = x.cumsum(0)
    with torch.supa.graph(second, pool=first.pool()):
        total = middle.sum()
    x.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    first.replay()
    second.replay()
    assert total.item() == 1 + 3 + 6 + 10


REFUSED = {
    "item": (lambda x: x.sum().item(), "_local_scalar_dense reads values on the host"),
    "a condition": (lambda x: bool(x.any()), "reads values on the host"),
    "nonzero": (lambda x: x.nonzero(), "nonzero reads values on the host"),
    "a copy to the host": (lambda x: x.cpu(), "memory that is not pinned"),
    "a copy from the host": (lambda x: x.copy_(torch.ones(4)), "memory that is not pinned"),
    "waiting": (lambda x: torch.supa.synchronize(), "lets the host wait"),
    "a capture in it": (lambda x: torch.supa.SUPAGraph().capture_begin(), "a graph is being captured"),
    "a replay in it": (lambda x: _captured(x).replay(), "graph"),
}


def _captured(x):
    graph = torch.supa.SUPAGraph()
    with torch.supa.graph(graph):
        x + 1
    return graph


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_graph_can_not_hold_is_refused(case):
    call, words = REFUSED[case]
    x, graph = torch.ones(4, device="supa"), torch.supa.SUPAGraph()
    with pytest.raises(RuntimeError, match=words), torch.supa.graph(graph):
        x.add_(1)
        call(x)
    assert not torch.supa.is_current_stream_capturing()
    assert x.tolist() == [1.0] * 4
    x.add_(1)  # and the device goes on
    assert x.tolist() == [2.0] * 4


def test_a_replay_needs_a_capture():
    with pytest.raises(RuntimeError, match="without a preceding successful capture"):
        torch.supa.SUPAGraph().replay()
    with pytest.raises(RuntimeError, match="without a capture_begin"):
        torch.supa.SUPAGraph().capture_end()
