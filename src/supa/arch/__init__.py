"""Frozen, sourced hardware descriptions: chips, modules, servers. Not here: how they behave (`timing`).

    >>> from supa.arch import load, with_overrides
    >>> device = load("bili100")
    >>> device.peak_flops("bf16")
    1024000000000000
    >>> with_overrides(device, {"hbm.bandwidth": "2 TB/s"}).hbm_bandwidth_bytes_per_s
    2000000000000

Nothing outside this package knows a chip's name.
"""

from supa.arch.chip import Chip
from supa.arch.compute import TENSOR_FORMATS, VECTOR_CLASSES
from supa.arch.describe import Described, derive, describe
from supa.arch.device import Device
from supa.arch.loading import kind_of, load, load_server
from supa.arch.numerics import Numerics
from supa.arch.server import Server
from supa.arch.shelf import catalogue
from supa.arch.source import SOURCE_KINDS, Figure
from supa.arch.whatif import virtual_instance, with_overrides

__all__ = [
    "SOURCE_KINDS",
    "TENSOR_FORMATS",
    "VECTOR_CLASSES",
    "Chip",
    "Described",
    "Device",
    "Figure",
    "Numerics",
    "Server",
    "catalogue",
    "derive",
    "describe",
    "kind_of",
    "load",
    "load_server",
    "virtual_instance",
    "with_overrides",
]
