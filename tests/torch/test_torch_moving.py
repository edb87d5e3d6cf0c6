"""`Module.to` moves parameters in their place, as on GPUs: shared ones stay shared, optimizers keep what they hold."""

import copy

import pytest
import torch
from torch import nn

DEVICE = torch.device("supa", 0)


def tied():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    return model


@pytest.mark.parametrize("there_and_back", [False, True])
def test_shared_parameters_stay_shared(there_and_back):
    model = tied().to(DEVICE)
    if there_and_back:
        model = model.cpu().to(DEVICE)
    assert model[0].weight is model[1].weight
    assert model[0].weight.device.type == DEVICE.type
    copied = copy.deepcopy(tied()).to(DEVICE, torch.float16)
    assert copied[0].weight is copied[1].weight and copied[0].weight.dtype == torch.float16


def test_an_optimizer_made_before_the_move_trains_the_moved_parameters():
    expected, found = nn.Linear(4, 2), nn.Linear(4, 2)
    found.load_state_dict(expected.state_dict())
    x = torch.randn(3, 4)
    for model, place in ((expected, torch.device("cpu")), (found, DEVICE)):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        model(x).sum().backward()  # a gradient moves too
        model.to(place)
        model(x.to(place)).square().sum().backward()
        optimizer.step()
    torch.testing.assert_close(found.weight.cpu(), expected.weight)
    assert found.weight.grad.device.type == DEVICE.type


def test_data_of_the_other_side_can_be_set():
    x = torch.ones(2, device=DEVICE)
    x.data = torch.arange(3.0)
    assert x.device.type == "cpu" and x.tolist() == [0, 1, 2]
    x.data = torch.full((2, 2), 7.0, device=DEVICE)
    assert x.device.type == DEVICE.type and x.tolist() == [[7, 7], [7, 7]]
    with pytest.raises(RuntimeError, match="incompatible tensor type"):
        x.data = torch.eye(2).to_sparse()
