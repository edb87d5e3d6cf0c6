"""For programs written for NVIDIA GPUs: their "cuda" devices, tensors and `torch.cuda` are the virtual device's.

What the program asks for by "cuda" is made on `supa`; what it reads of such tensors says "cuda"; torch's own code still
sees `supa`, and so do the kernels. Installed once, by `SUPA_AS_CUDA=1` or `supa run --as-cuda`, only where torch has
no CUDA device of its own. Not here: the device.
"""

from __future__ import annotations

from supa.base.errors import DeviceError
from supa.frameworks.torch.collectives import present_as_nccl
from supa.frameworks.torch.device_index import names
from supa.frameworks.torch.extension import library


def install() -> None:
    """Serve the process's "cuda", once; raises `DeviceError` where torch has a CUDA of its own."""
    if "cuda" in names:
        return
    if not library().supa_torch_as_cuda():
        raise DeviceError(
            "SUPA_AS_CUDA: this torch was built with CUDA, which answers for `cuda` itself\n"
            "  use the CPU build of torch, or give the program device `supa`"
        )
    from supa.frameworks.torch.as_cuda import arguments, compiling, driver, loading, namespace, tensors

    namespace.install()
    driver.install()
    arguments.install()
    tensors.install()
    loading.install()
    compiling.install()
    present_as_nccl(arguments.with_our_devices)
