"""Special functions on the device against mpmath, in fp32 and fp64; whole numbers against the host."""

import mpmath
import pytest
import torch
from device_check import check_on_device

special = torch.special
POINTS = (0.03, 0.4, 1.1, 1.9, 2.1, 4.7, 7.9, 11.3, 39.3, 41.7, 650.3)
BOTH = (*POINTS, *(-x for x in POINTS[:-1]))
LOW = tuple(x for x in BOTH if abs(x) < 40)


def scaled(function, sign):
    return lambda x: function(x) * mpmath.exp(sign * abs(x))


FUNCTIONS = {
    "digamma": (torch.digamma, mpmath.digamma, BOTH),
    "trigamma": (lambda x: torch.polygamma(1, x), lambda x: mpmath.polygamma(1, x), LOW),
    "third polygamma": (lambda x: torch.polygamma(3, x), lambda x: mpmath.polygamma(3, x), LOW),
    "i0": (torch.i0, lambda x: mpmath.besseli(0, x), LOW),
    "i0e": (special.i0e, scaled(lambda x: mpmath.besseli(0, x), -1), BOTH),
    "i1": (special.i1, lambda x: mpmath.besseli(1, x), LOW),
    "i1e": (special.i1e, scaled(lambda x: mpmath.besseli(1, x), -1), BOTH),
    "j0": (special.bessel_j0, lambda x: mpmath.besselj(0, x), LOW),
    "j1": (special.bessel_j1, lambda x: mpmath.besselj(1, x), LOW),
    "y0": (special.bessel_y0, lambda x: mpmath.bessely(0, x), POINTS[:-3]),
    "y1": (special.bessel_y1, lambda x: mpmath.bessely(1, x), POINTS[:-3]),
    "k0": (special.modified_bessel_k0, lambda x: mpmath.besselk(0, x), POINTS[:-3]),
    "k1": (special.modified_bessel_k1, lambda x: mpmath.besselk(1, x), POINTS[:-3]),
    "scaled k0": (special.scaled_modified_bessel_k0, scaled(lambda x: mpmath.besselk(0, x), 1), POINTS),
    "scaled k1": (special.scaled_modified_bessel_k1, scaled(lambda x: mpmath.besselk(1, x), 1), POINTS),
    "spherical j0": (special.spherical_bessel_j0, lambda x: mpmath.sin(x) / x, LOW),
    "erfcx": (special.erfcx, lambda x: mpmath.exp(x * x) * mpmath.erfc(x), POINTS[:9]),
    "log_ndtr": (special.log_ndtr, lambda x: mpmath.log(mpmath.erfc(-x / mpmath.sqrt(2)) / 2), LOW),
    "ndtri": (special.ndtri, lambda p: mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1), (1e-6, 0.02, 0.3, 0.5, 0.97)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["fp32", "fp64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_one_number(name, dtype):
    function, reference, points = FUNCTIONS[name]
    x = torch.tensor(points, dtype=dtype)
    with mpmath.workdps(40):
        expected = torch.tensor([float(reference(mpmath.mpf(float(one)))) for one in x], dtype=torch.float64)
    before = torch.supa.host_operators()
    found = function(x.to("supa")).cpu().double()
    tolerance = 2e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    assert torch.supa.host_operators() == before, "it ran on the host"


def test_functions_of_two_numbers():
    a = torch.tensor([0.01, 0.5, 3.0, 9.0, 100.0, 1000.0], dtype=torch.float64)
    x = torch.tensor([1e-3, 0.7, 9.0, 22.0, 95.0, 1010.0], dtype=torch.float64)
    a, x = (one.flatten() for one in torch.meshgrid(a, x, indexing="ij"))
    ours = a.to("supa"), x.to("supa")
    with mpmath.workdps(40):
        lower, zeta = [], []
        for one, other in zip(a.tolist(), x.tolist(), strict=True):
            lower.append(float(mpmath.gammainc(one, 0, other, regularized=True)))
            zeta.append(float(mpmath.zeta(one + 1.5, other)))
    lower = torch.tensor(lower, dtype=torch.float64)
    torch.testing.assert_close(torch.igamma(*ours).cpu(), lower, rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(torch.igammac(*ours).cpu(), 1 - lower, rtol=1e-10, atol=1e-11)
    found = special.zeta(ours[0] + 1.5, ours[1]).cpu()
    torch.testing.assert_close(found, torch.tensor(zeta, dtype=torch.float64), rtol=1e-11, atol=1e-300)


def test_edges():
    x = torch.tensor([0.0, -0.0, -3.0, float("inf"), float("nan")])
    check_on_device(torch.digamma, x)
    check_on_device(lambda x: special.log_ndtr(x), x)
    a = torch.tensor([0.0, 1.0, 1.0, -1.0, 0.0])
    check_on_device(lambda a, x: [torch.igamma(a, x), torch.igammac(a, x)], a, torch.tensor([1.0, 0.0, 1e30, 1.0, 0.0]))


def test_divisors_of_whole_numbers():
    x, y = torch.tensor([12, -18, 0, 7, 0, 100]), torch.tensor([18, 27, 5, 0, 0, 75])
    check_on_device(lambda x, y: [torch.gcd(x, y), torch.lcm(x, y)], x, y)
    check_on_device(lambda x, y: torch.gcd(x, y), x.to(torch.int8), y.to(torch.int8))


def test_an_order_below_zero_is_refused_as_on_the_host():
    with pytest.raises(RuntimeError, match=r"polygamma\(n, x\) does not support negative n"):
        torch.polygamma(-1, torch.ones(2, device="supa"))
