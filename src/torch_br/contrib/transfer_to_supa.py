"""Importing this maps `cuda` devices and `torch.cuda` to the virtual device, as `supa run --as-cuda` does."""

import torch_br  # noqa: F401
from supa.frameworks.torch import as_cuda

as_cuda.install()
