"""Factors of matrices, and what is solved and measured with them, on the device against float64: one block, several."""

import pytest
import torch
from device_check import check_on_device, with_gradient

linalg = torch.linalg
SIZES = (5, 37)


def heavy(x):
    """A matrix that is far from singular."""
    n = x.shape[-1]
    return x + 2 * n**0.5 * torch.eye(n, dtype=x.dtype, device=x.device)


def positive(x):
    return x @ x.mT + x.shape[-1] * torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)


CASES = {
    "cholesky": lambda x, b: [linalg.cholesky(positive(x)), linalg.cholesky(positive(x), upper=True)],
    "cholesky_inverse": lambda x, b: torch.cholesky_inverse(linalg.cholesky(positive(x))),
    "cholesky_solve": lambda x, b: torch.cholesky_solve(b, linalg.cholesky(positive(x))),
    "upper": lambda x, b: linalg.solve_triangular(heavy(x), b, upper=True),
    "lower from the right": lambda x, b: linalg.solve_triangular(heavy(x), b.mT, upper=False, left=False),
    "lu": lambda x, b: [*linalg.lu(heavy(x)), linalg.lu_factor(heavy(x))[1]],
    "solve": lambda x, b: [linalg.solve(heavy(x), b), linalg.solve(heavy(x)[0], b[..., 0].t())],
    "solve from the right": lambda x, b: linalg.solve(heavy(x), b.mT, left=False),
    "inverse": lambda x, b: linalg.inv(heavy(x)),
    "determinant": lambda x, b: [linalg.det(heavy(x) / x.shape[-1]), *linalg.slogdet(heavy(x))],
}


@pytest.mark.parametrize("name", CASES)
def test_factors(name):
    for n in SIZES:
        check_on_device(CASES[name], torch.randn(2, n, n), torch.randn(2, n, 3), tolerance=2e-5)


def test_rows_change_places():
    x = torch.tensor([[1e-4, 1.0, 2.0], [3.0, 4.0, 5.0], [-6.0, 0.5, 1.0], [2.0, 2.0, -9.0]])
    check_on_device(lambda x: [*linalg.lu(x), linalg.lu_factor(x)[1]], x)
    check_on_device(lambda x: linalg.lu_factor(x.t())[1], x)


def test_fp64_is_whole():
    check_on_device(lambda x, b: linalg.solve(heavy(x), b), torch.randn(40, 40).double(), torch.randn(40, 2).double(),
                    tolerance=1e-12)  # fmt: skip


TRAINED = {
    "slogdet": lambda x: linalg.slogdet(heavy(x))[1],
    "det": lambda x: linalg.det(heavy(x) / 4),
    "solve": lambda x: linalg.solve(heavy(x), x[..., :2]),
    "inverse": lambda x: linalg.inv(heavy(x)),
    "cholesky": lambda x: linalg.cholesky(positive(x)),
    "triangle": lambda x: linalg.solve_triangular(heavy(x), x[..., :2], upper=True),
    "turned": lambda x: linalg.slogdet(heavy(x).mT)[1] + linalg.solve(heavy(x).mT, x[..., 0]).sum(-1),
}


@pytest.mark.parametrize("name", TRAINED)
def test_gradients(name):
    check_on_device(with_gradient(TRAINED[name]), torch.randn(2, 4, 4), tolerance=1e-4)


def test_what_has_no_factor_is_refused_as_on_the_host():
    singular = torch.ones(3, 3, device="supa")
    with pytest.raises(linalg.LinAlgError, match="not positive-definite"):
        linalg.cholesky(singular - 2)
    with pytest.raises(linalg.LinAlgError, match="singular"):
        linalg.inv(singular)
    assert linalg.det(singular) == 0
