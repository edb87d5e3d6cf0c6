"""Vector add against float64, at ragged sizes."""

import pytest
import torch
from float64_bounds import FLOATS, assert_elementwise
from vector_add import add


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1,), (1023,), (1024,), (1025,), (98431,), (7, 11, 13)])
def test_sum(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x, y = torch.randn(shape).to(dtype), torch.randn(shape).to(dtype)
    assert_elementwise(add(x, y), x + y, x.double() + y.double())


def test_integers_are_exact() -> None:
    x, y = torch.randint(-(2**30), 2**30, (2, 4099), dtype=torch.int32)
    assert torch.equal(add(x, y), x + y)


def test_refuses_unequal_shapes() -> None:
    with pytest.raises(ValueError, match="must agree"):
        add(torch.ones(3), torch.ones(4))
