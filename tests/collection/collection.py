"""All cases of the collection, by name. Not the kernels."""

import elementwise_kernels  # noqa: F401  (each fills the table)
import image_kernels  # noqa: F401
import indexing_kernels  # noqa: F401
import known_kernels  # noqa: F401
import matrix_kernels  # noqa: F401
import reduction_kernels  # noqa: F401
from registry import CASES

__all__ = ["CASES"]
