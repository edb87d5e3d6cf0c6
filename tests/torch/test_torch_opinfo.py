"""PyTorch's own samples of its operators (OpInfo): the device's results and gradients are the host's.

Every twelfth operator by default; all of them, in more types, with `make fuzz`. What is known to differ is listed.
"""

import os
import warnings

import pytest
import torch
from torch.utils import _pytree as pytree

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

ALL = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"
STEP = 1 if ALL else 12
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool] if ALL else [torch.float32]
MOST_SAMPLES = 3
CLOSE = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 5e-3}

KNOWN = {
    "as_strided": "its samples are views of larger tensors; a copy to the device has no such parent",
    "tensor_split": "torch wants the indices on the host for every device",
}
RANDOM = ("rand", "dropout", "normal", "uniform", "bernoulli", "multinomial", "cauchy", "exponential", "geometric",
          "rrelu", "empty", "fractional_max_pool", "scaled_dot_product_attention", "multi_head_attention")  # fmt: skip

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.hypothesis]


def moved(value, device):
    def one(leaf):
        if isinstance(leaf, torch.Tensor):
            return leaf.detach().to(device).requires_grad_(leaf.requires_grad)
        return torch.device(device) if isinstance(leaf, torch.device) else leaf

    return pytree.tree_map(one, value)


def results(op, sample, device):
    """The outputs, and the gradients of the inputs from their sum."""
    torch.manual_seed(0)
    inputs, args, kwargs = (moved(part, device) for part in (sample.input, sample.args, sample.kwargs))
    if "device" in kwargs:
        kwargs["device"] = device
    outputs = [leaf for leaf in pytree.tree_leaves(op(inputs, *args, **kwargs)) if isinstance(leaf, torch.Tensor)]
    leaves = [
        leaf for leaf in pytree.tree_leaves((inputs, args)) if isinstance(leaf, torch.Tensor) and leaf.requires_grad
    ]
    trained = [leaf for leaf in outputs if leaf.requires_grad and not leaf.is_complex()]
    if trained and leaves:
        total = sum(leaf.float().sum() for leaf in trained)
        outputs += [leaf for leaf in torch.autograd.grad(total, leaves, allow_unused=True) if leaf is not None]
    return outputs


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("op", op_db[::STEP], ids=lambda op: op.formatted_name)
def test_an_operator_gives_what_the_host_gives(op, dtype):
    if op.name in KNOWN or "jiterator" in op.name:
        pytest.skip(KNOWN.get(op.name, "only for CUDA"))
    if dtype not in op.supported_dtypes("cpu"):
        pytest.skip(f"the host has no {dtype} for it")
    trains = op.supports_autograd and dtype == torch.float32
    for index, sample in enumerate(op.sample_inputs("cpu", dtype, requires_grad=trains)):
        if index == MOST_SAMPLES:
            break
        expected, found = results(op, sample, "cpu"), results(op, sample, "supa")
        assert len(expected) == len(found)
        for ours, exact in zip(found, expected, strict=True):
            assert (ours.shape, ours.dtype) == (exact.shape, exact.dtype)
            if not any(word in op.name for word in RANDOM):
                tolerance = CLOSE.get(dtype, 0)
                torch.testing.assert_close(
                    ours.cpu(), exact, rtol=tolerance, atol=tolerance, equal_nan=True, check_stride=False
                )
