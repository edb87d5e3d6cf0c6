"""What torch's own samples of errors (OpInfo) found that the device once let pass: its errors are the host's."""

import pytest
import torch

X = torch.arange(6.0).view(2, 3)
REFUSED = {
    "an axis twice": lambda x: torch.amax(x, (0, 0)),
    "an axis that is not there": lambda x: x.aminmax(dim=5),
    "an axis of pairs that is not there": lambda x: x.max(dim=3),
    "an axis of sums that is not there": lambda x: x.logcumsumexp(3),
    "an axis to roll that is not there": lambda x: x.roll((1,), (5,)),
    "nothing to roll by": lambda x: x.roll(()),
    "a minus before conditions": lambda x: -(x > 0),
    "conditions to subtract": lambda x: x - (x > 0),
    "conditions to subtract from": lambda x: (x > 0) - torch.tensor(1.5),
    "lines of another shape": lambda x: x.index_add(0, torch.tensor([0, 1, 1], device=x.device), x[0]),
    "an axis of no sums that is not there": lambda x: x[:0].logcumsumexp(3),
    "nothing to resize": lambda x: torch.nn.functional.interpolate(x[None, :, :0], 5, mode="linear"),
    "no axes to normalize": lambda x: torch.native_layer_norm(x, [], None, None, 1e-5),
    "weights of another shape": lambda x: torch.native_layer_norm(x, [2, 3], x[0], None, 1e-5),
    "another kind of gelu": lambda x: torch.nn.functional.gelu(x, approximate="none at all"),
    "a single number to factor": lambda x: torch.linalg.cholesky(x[0, 0]),
    "an imaginary number among real ones": lambda x: x.masked_fill(x > 0, 1j),
    "no width": lambda x: x.clone().cauchy_(0, 0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_host_refuses_the_device_refuses_in_the_same_words(name):
    with pytest.raises(Exception) as expected:
        REFUSED[name](X)
    for _ in range(2):  # nothing is learnt from an error
        with pytest.raises(type(expected.value)) as found:
            REFUSED[name](X.to("supa"))
        assert str(found.value) == str(expected.value)
    assert torch.equal((X.to("supa") + 1).cpu(), X + 1)
