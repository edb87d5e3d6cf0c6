"""Ten training scripts, one of each kind, give the host's loss curve, on the device's own kernels."""

import pytest
import torch
from training_curves import KINDS, curve


@pytest.mark.parametrize("kind", KINDS)
def test_the_losses_are_the_hosts(kind):
    before = torch.supa.host_operators()
    found = curve(kind, "supa")
    ran = {name for name, count in torch.supa.host_operators().items() if count != before.get(name, 0)}
    expected = curve(kind, "cpu")
    assert found == pytest.approx(expected, rel=2e-3, abs=1e-4)
    assert len(set(expected)) == len(expected)  # it learns something
    assert not ran, "it ran on the host"
