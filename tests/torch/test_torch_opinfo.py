"""PyTorch's own samples of its operators (OpInfo): the device's results and gradients are right by the rule of
`bench.opinfo_rule`, the one that docs/torch-ops.md is made by.

Every twelfth operator by default; all of them, in more types, with `make fuzz`. What is known to differ is
listed there.
"""

import os
import warnings

import pytest
import torch

from bench.opinfo import ONLY_ELSEWHERE, examine
from bench.opinfo_table import EXPECTED

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

ALL = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"
STEP = 1 if ALL else 12
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool] if ALL else [torch.float32]
MOST_SAMPLES = 3

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.hypothesis]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("op", op_db[::STEP], ids=lambda op: op.formatted_name)
def test_an_operator_gives_what_the_host_gives(op, dtype):
    if any(word in op.name for word in ONLY_ELSEWHERE):
        pytest.skip("only for CUDA")
    if dtype not in op.supported_dtypes("cpu"):
        pytest.skip(f"the host has no {dtype} for it")
    row = examine(op, dtype, MOST_SAMPLES)
    assert row["status"] != "fail", row["reason"]
    assert row["gradient"] != "fail" or op.name in EXPECTED, row["gradient_reason"]
