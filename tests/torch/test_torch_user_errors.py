"""Mistakes of torch's users: mixed devices, shapes, numbers of devices, generators, memory, forks, threads; each as
torch words it.
"""

import os
import threading

import pytest
import torch
from torch.nn import functional

A = torch.ones(4, 4)
ON_TWO = "Expected all tensors to be on the same device"

MIXED = {
    "sum": lambda a, c: a + c,
    "sum in place": lambda a, c: a.clone().add_(c),
    "product": lambda a, c: a @ c,
    "product from the host": lambda a, c: c @ a,
    "layer": lambda a, c: torch.nn.Linear(4, 4)(a),
    "norm": lambda a, c: torch.nn.LayerNorm(4)(a),
    "join": lambda a, c: torch.cat([a, c]),
    "choice": lambda a, c: torch.where(a > 0, a, c),
    "rows": lambda a, c: functional.embedding(torch.tensor([1]), a),
    "selected rows": lambda a, c: a.index_select(0, torch.tensor([1])),
    "gathered": lambda a, c: a.gather(0, torch.zeros(1, 4, dtype=torch.long)),
    "classes": lambda a, c: functional.cross_entropy(a, torch.tensor([1, 0, 1, 2])),
    "loss": lambda a, c: functional.mse_loss(a, c),
    "complex": lambda a, c: a.to(torch.complex64) * c.to(torch.complex64),
}


@pytest.mark.parametrize("name", MIXED)
def test_tensors_of_the_host_and_the_device(name):
    a = A.to("supa")
    for _ in range(2):
        with pytest.raises(RuntimeError, match=ON_TWO):
            MIXED[name](a, A)


def test_numbers_and_indices_may_lie_on_the_host():
    a = A.to("supa")
    assert (a + torch.tensor(2.0)).sum().item() == 48
    assert a[torch.tensor([1, 0])].device == a.device


SHAPES = {
    "sum": lambda d: A.to(d) + torch.ones(3, device=d),
    "product": lambda d: A.to(d) @ torch.ones(3, 3, device=d),
    "types of a product": lambda d: A.to(d) @ A.to(d).half(),
    "layer": lambda d: torch.nn.Linear(3, 3).to(d)(A.to(d)),
    "channels": lambda d: torch.nn.Conv2d(3, 3, 1).to(d)(A.to(d)[None, None]),
    "added": lambda d: torch.addmm(torch.ones(3, device=d), A.to(d), A.to(d)),
    "choice": lambda d: torch.where(torch.ones(3, dtype=torch.bool, device=d), A.to(d), A.to(d)),
    "not one": lambda d: bool(A.to(d)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_and_types_are_refused_in_the_words_of_the_host(name):
    with pytest.raises((RuntimeError, ValueError)) as words:
        SHAPES[name]("cpu")
    for _ in range(2):
        with pytest.raises(type(words.value)) as found:
            SHAPES[name]("supa")
        assert str(found.value).splitlines()[0] == str(words.value).splitlines()[0]


@pytest.mark.parametrize("ask", [
    lambda: torch.ones(1, device="supa:99"),
    lambda: A.to("supa:99"),
    lambda: torch.supa.set_device(99),
    lambda: torch.supa.get_device_properties(99),
])  # fmt: skip
def test_a_number_that_there_is_no_device_of(ask):
    with pytest.raises(RuntimeError, match=r"invalid device supa:99: there (is|are)"):
        ask()


def test_another_device_s_generator():
    with pytest.raises(RuntimeError, match="Expected a 'supa' device type for generator but found 'cpu'"):
        torch.randn(2, device="supa", generator=torch.Generator())
    own = torch.Generator("supa").manual_seed(3)
    first = torch.randn(2, device="supa", generator=own)
    assert torch.equal(first, torch.randn(2, device="supa", generator=own.manual_seed(3)))


def test_more_memory_than_there_is():
    with pytest.raises(torch.OutOfMemoryError, match=r"out of memory\. Tried to allocate 131072\.00 GiB"):
        torch.empty(1 << 47, dtype=torch.uint8, device="supa")
    assert torch.ones(2, device="supa").sum().item() == 2


def test_a_forked_process_is_told_to_spawn():
    torch.ones(1, device="supa")
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            torch.ones(2, device="supa")
            said = "nothing"
        except RuntimeError as error:
            said = str(error)
        os.write(writes, said.encode()[:400])
        os._exit(0)
    os.waitpid(child, 0)
    assert "Cannot re-initialize supa in forked subprocess" in os.read(reads, 500).decode()


def test_threads_train_beside_each_other():
    losses = []

    def train():
        model = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4)).to("supa")
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        x = torch.ones(8, 16, device="supa")
        for _ in range(5):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

    threads = [threading.Thread(target=train) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(losses) == 15
    assert all(loss == loss and loss < 10 for loss in losses)
