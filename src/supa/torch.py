"""`import supa.torch` gives PyTorch the device `supa`: `torch.ones(3, device="supa")`, `torch.supa.synchronize()`.

Not here: how (`frameworks.torch`). The first import on a machine builds a small extension and says so.
"""

from supa.frameworks.torch.installation import install
from supa.frameworks.torch.module import *  # noqa: F403

install()

del install
