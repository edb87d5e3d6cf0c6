"""Reference workloads: work as a good implementation would have it, without a compiler. Not here: choosing tilings."""

from supa.timing.workloads.elementwise import elementwise
from supa.timing.workloads.gemm import gemm
from supa.timing.workloads.kernel import Kernel

__all__ = ["Kernel", "elementwise", "gemm"]
