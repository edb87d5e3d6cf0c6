"""Sparse tensors, coordinate and compressed, on the device: what the host gives, and where their operators ran."""

import copy

import pytest
import torch

pytestmark = pytest.mark.filterwarnings("ignore:Sparse")  # torch says that its layouts are in beta

INDICES = torch.tensor([[0, 1, 1, 2, 0], [2, 0, 2, 1, 2]])  # one place twice
VALUES = torch.tensor([0.5, -1.25, 2.0, 3.0, -0.75])
DENSE = torch.arange(-5.0, 7.0).view(3, 4) / 3


def coo(device, size=(3, 3)):
    return torch.sparse_coo_tensor(INDICES.to(device), VALUES.to(device), size)


def csr(device):
    return DENSE.to(device).relu().to_sparse_csr()


CASES = {
    "made of numbers": lambda d: torch.sparse_coo_tensor([[0, 1], [1, 0]], [1.0, 2.0], (2, 2), device=d),
    "brought": lambda d: coo("cpu").to(d),
    "brought back": lambda d: coo(d).cpu().to(d),
    "summed": lambda d: coo(d).coalesce(),
    "parts": lambda d: (coo(d).coalesce().indices(), coo(d).coalesce().values(), coo(d)._nnz()),
    "made of dense": lambda d: DENSE.to(d).relu().to_sparse(),
    "times dense": lambda d: torch.spmm(coo(d), DENSE.to(d)),
    "times a vector": lambda d: coo(d) @ DENSE.to(d)[:, 0],
    "times sparse": lambda d: torch.sparse.mm(coo(d), coo(d)),
    "product added": lambda d: torch.sparse.addmm(DENSE.to(d), coo(d), DENSE.to(d)),
    "added to dense": lambda d: torch.ones(3, 3, device=d) + coo(d),
    "scaled in place": lambda d: coo(d).clone().mul_(0.9).add_(coo(d)),
    "scaled in place by a list's operator": lambda d: _each_scaled([coo(d)]),
    "sums": lambda d: (torch.sparse.sum(coo(d)), torch.sparse.sum(coo(d), 1)),
    "softmax": lambda d: torch.sparse.softmax(coo(d).coalesce(), 1),
    "turned": lambda d: coo(d).t(),
    "rows": lambda d: coo(d).index_select(0, torch.tensor([0, 2], device=d)),
    "joined": lambda d: torch.cat([coo(d), coo(d)]),
    "masked": lambda d: DENSE.to(d)[:, :3].sparse_mask(coo(d).coalesce()),
    "copied": lambda d: copy.deepcopy(coo(d)),
    "by rows": csr,
    "by rows, brought": lambda d: csr("cpu").to(d),
    "by rows, from coordinates": lambda d: coo(d).coalesce().to_sparse_csr(),
    "by rows, times dense": lambda d: csr(d) @ DENSE.to(d).t(),
    "by columns": lambda d: DENSE.to(d).to_sparse_csc(),
    "by blocks": lambda d: torch.eye(4, device=d).to_sparse_bsr((2, 2)),
}


def _each_scaled(tensors):
    torch._foreach_mul_(tensors, 0.9)
    return tensors[0]


def dense(value):
    return value.to_dense() if isinstance(value, torch.Tensor) and value.layout != torch.strided else value


@pytest.mark.parametrize("case", CASES)
def test_results_are_the_hosts(case):
    found, expected = CASES[case]("supa"), CASES[case]("cpu")
    if not isinstance(expected, tuple):
        found, expected = (found,), (expected,)
    for ours, exact in zip(found, expected, strict=True):
        if not isinstance(exact, torch.Tensor):
            assert ours == exact
            continue
        assert ours.device.type == "supa" and ours.layout == exact.layout
        torch.testing.assert_close(dense(ours).cpu(), dense(exact), rtol=1e-6, atol=1e-6)


def test_gradients_reach_both_factors():
    def gradients(device):
        values, right = VALUES.to(device).requires_grad_(), DENSE.to(device).requires_grad_()
        left = torch.sparse_coo_tensor(INDICES.to(device), values, (3, 3))
        return torch.autograd.grad(torch.sparse.mm(left, right).sin().sum(), (values, right))

    for ours, exact in zip(gradients("supa"), gradients("cpu"), strict=True):
        torch.testing.assert_close(ours.cpu(), exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("optimizer", [
    lambda p: torch.optim.SGD(p, lr=0.1), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    lambda p: torch.optim.SparseAdam(p, lr=0.1), lambda p: torch.optim.Adagrad(p, lr=0.1),
])  # fmt: skip
def test_embeddings_with_sparse_gradients_train(optimizer):
    def trained(device):
        torch.manual_seed(3)
        words, head = torch.nn.Embedding(10, 4, sparse=True), torch.nn.Linear(4, 2)
        words, head = words.to(device), head.to(device)
        stepper = optimizer(words.parameters())
        for _ in range(3):
            stepper.zero_grad()
            head(words(torch.tensor([1, 2, 2, 5], device=device))).square().sum().backward()
            stepper.step()
        assert words.weight.grad.is_sparse
        return words.weight.detach().cpu()

    torch.testing.assert_close(trained("supa"), trained("cpu"), rtol=1e-5, atol=1e-6)


def test_a_product_with_a_sparse_factor_is_counted_on_the_host():
    before = torch.supa.host_operators().get("aten::mm", 0)
    torch.spmm(coo("supa"), DENSE.to("supa"))
    assert torch.supa.host_operators()["aten::mm"] == before + 1
