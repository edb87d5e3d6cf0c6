"""`torch.nn.DataParallel`: the same model, copied to two cards, gives the host's results and gradients."""

import pytest
from test_torch_devices import run

PROGRAM = """
    import copy, torch, supa.torch
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.BatchNorm1d(7), torch.nn.ReLU(), torch.nn.Linear(7, 3))
    model.eval()
    host, x = copy.deepcopy(model).double(), torch.randn(9, 5)
    spread = torch.nn.DataParallel(model.to("{device}"), device_ids={ids})
    found, expected = spread(x.to("{device}")), host(x.double())
    assert found.device == torch.device("{device}:0"), found.device
    found.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(found.cpu().double(), expected, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(model.parameters(), host.parameters()):
        torch.testing.assert_close(ours.grad.cpu().double(), theirs.grad, rtol=1e-4, atol=1e-5)
    print(torch.{device}.device_count())
"""


@pytest.mark.parametrize(("device", "cards"), [("supa", 2), ("cuda", 1)])
def test_a_model_on_all_cards(device, cards):
    program = PROGRAM.format(device=device, ids=list(range(cards)))
    environment = {"SUPA_AS_CUDA": "1"} if device == "cuda" else {}
    done = run(program, SUPA_MODE="execute", SUPA_DEVICE="hearten", SUPA_CARDS=str(cards), **environment)
    assert done.stdout == f"{cards}\n", done.stderr
