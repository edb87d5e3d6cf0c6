"""Saving, loading, pickling and copying of tensors, modules and optimizers."""

import copy
import io
import pickle

import torch


def test_save_and_load_with_every_map_location():
    values = torch.randn(3, 4)
    file = io.BytesIO()
    torch.save({"a": values.to("supa"), "view": values.to("supa")[1]}, file)
    for location, expected in ((None, "supa"), ("cpu", "cpu"), ("supa:0", "supa"), (torch.device("supa"), "supa")):
        file.seek(0)
        found = torch.load(file, map_location=location, weights_only=True)
        assert found["a"].device.type == expected
        assert torch.equal(found["a"].cpu(), values)
    file = io.BytesIO()
    torch.save(values, file)
    file.seek(0)
    assert torch.load(file, map_location="supa").device.type == "supa"


def test_pickle_and_deepcopy():
    values = torch.randn(3, device="supa")
    for other in (pickle.loads(pickle.dumps(values)), copy.deepcopy(values)):
        assert other.device == values.device
        assert torch.equal(other.cpu(), values.cpu())
        assert other.data_ptr() != values.data_ptr()


def test_state_of_a_module_and_its_optimizer():
    module = torch.nn.Linear(3, 2).supa()
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 3, device="supa")).sum().backward()
    optimizer.step()
    file = io.BytesIO()
    torch.save((module.state_dict(), optimizer.state_dict()), file)
    file.seek(0)
    weights, state = torch.load(file)
    other = torch.nn.Linear(3, 2).supa()
    other.load_state_dict(weights)
    assert torch.equal(other.weight.cpu(), module.weight.cpu())
    assert state["state"][0]["exp_avg"].device.type == "supa"
