"""Indices outside of what they index: an error at the call, with the operator, the index and the size; nothing is
written elsewhere. Twice each: the second call is the extension's replay.
"""

import pytest
import torch
from torch.nn import functional

BAD = torch.tensor([1, 12])
ROWS = torch.ones(5, 3)

CALLS = {
    "embedding": (lambda d: functional.embedding(BAD.to(d), torch.ones(10, 4, device=d)), "index 12 .* with size 10"),
    "index_select": (lambda d: ROWS.to(d).index_select(0, BAD.to(d)), "index 12 .* dimension 0 with size 5"),
    "gather": (lambda d: ROWS.to(d).gather(1, torch.full((1, 3), 7, device=d)), "index 7 .* dimension 1 with size 3"),
    "index": (lambda d: ROWS.to(d)[BAD.to(d)], "index 12 .* dimension 0 with size 5"),
    "two indices": (lambda d: ROWS.to(d)[BAD.to(d) - 11, BAD.to(d)], "index -10 .* with size 5|index 12 .* size 3"),
    "index_put": (lambda d: ROWS.to(d).index_put_((BAD.to(d),), ROWS.to(d)[0]), "index 12 .* with size 5"),
    "scatter": (lambda d: ROWS.to(d).scatter_(0, torch.full((1, 3), 7, device=d), 1.0), "index 7 .* with size 5"),
    "index_add": (lambda d: ROWS.to(d).index_add_(0, BAD.to(d), ROWS.to(d)[:2]), "index 12 .* with size 5"),
    "take": (lambda d: ROWS.to(d).take(torch.tensor([99], device=d)), "index 99 .* with size 15"),
    "target": (lambda d: functional.cross_entropy(ROWS.to(d), torch.tensor([0, 1, 2, 0, 7], device=d)), "index 7 .* 3"),
    "negative": (lambda d: ROWS.to(d).index_select(0, torch.tensor([-1], device=d)), "index -1 .* with size 5"),
    "negative embedding": (lambda d: functional.embedding(-BAD.to(d), ROWS.to(d)), "index -1 .* with size 5"),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_index_outside_is_an_error_with_the_operator_the_index_and_the_size(name):
    call, words = CALLS[name]
    with pytest.raises((IndexError, RuntimeError)):
        call("cpu")
    for _ in range(2):
        with pytest.raises(IndexError, match=words) as raised:
            call("supa")
        assert isinstance(raised.value, RuntimeError)  # what programs for GPUs catch
        assert "aten::" in str(raised.value) and "device-side assert" in str(raised.value)
    assert torch.ones(3, device="supa").sum().item() == 3  # the device goes on


def test_the_gradient_of_an_embedding_writes_in_its_rows_only():
    guard = torch.zeros(64, 4, device="supa")
    with pytest.raises(IndexError, match=r"index 12 .* with size 10"):
        torch.ops.aten.embedding_dense_backward(torch.ones(2, 4, device="supa"), BAD.to("supa"), 10, -1, False)
    assert not guard.any()
