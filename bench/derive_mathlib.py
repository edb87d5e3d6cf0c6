"""Derives the polynomials of the mathematics library and prints its module `coefficients`. Not imported by anything.

`python -m bench.derive_mathlib > src/supa/compiler/native/mathlib/coefficients.py` (needs mpmath; about a minute).
Each is the minimax polynomial, found by Remez's exchange on a dense grid of Chebyshev points. Coefficients are rounded
to the target format one at a time from the lowest, the others fitted again, so that rounding costs next to nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

mp.mp.dps = 45
Real = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Fit `weight(x) * (polynomial(x) - function(x))` on [low, high] with `degree`."""

    name: str
    function: Real
    weight: Real
    low: float
    high: float
    degree: int
    single: bool = False
    note: str = ""


def _solve(powers: list[int], points: list[Any], values: list[Any], weights: list[Any]) -> list[Any]:
    size = len(powers) + 1
    matrix = mp.matrix(size, size)
    for row, (x, w) in enumerate(zip(points, weights, strict=True)):
        for column, power in enumerate(powers):
            matrix[row, column] = x**power
        matrix[row, size - 1] = (-1) ** row / w
    return list(mp.lu_solve(matrix, mp.matrix(values)))


def _extrema(errors: list[Any], count: int) -> list[int]:
    """Indices of `count` alternating extrema of the error."""
    peaks: list[int] = []
    for index, error in enumerate(errors):
        if peaks and (errors[peaks[-1]] > 0) == (error > 0):
            if abs(error) > abs(errors[peaks[-1]]):
                peaks[-1] = index
        else:
            peaks.append(index)
    while len(peaks) > count:
        if len(peaks) == count + 1:
            peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
            continue
        weakest = min(range(1, len(peaks)), key=lambda k: abs(errors[peaks[k]]) + abs(errors[peaks[k - 1]]))
        del peaks[weakest - 1 : weakest + 1]
    return peaks


def _fit(powers: list[int], grid: list[Any], values: list[Any], weights: list[Any]) -> tuple[list[Any], Any]:
    count = len(powers) + 1
    chosen = [round(k * (len(grid) - 1) / (count - 1)) for k in range(count)]
    for _ in range(12):
        solution = _solve(powers, [grid[k] for k in chosen], [values[k] for k in chosen], [weights[k] for k in chosen])
        errors = [
            w * (mp.fsum(c * x**p for c, p in zip(solution, powers, strict=False)) - v)
            for x, v, w in zip(grid, values, weights, strict=True)
        ]
        worst, level = max(map(abs, errors)), abs(solution[-1])
        following = _extrema(errors, count)
        if worst <= level * 1.02 or len(following) < count:
            break
        chosen = following
    return solution[:-1], worst


def _rounded(value: Any, single: bool) -> float:
    return float(np.float32(float(value))) if single else float(value)


def derive(target: Target) -> tuple[list[float], float]:
    """The rounded coefficients, lowest first, and log2 of the largest weighted error."""
    size = 24 * (target.degree + 2)
    middle, half = (mp.mpf(target.high) + target.low) / 2, (mp.mpf(target.high) - target.low) / 2
    grid = [middle - half * mp.cos(mp.pi * (k + 0.5) / size) for k in range(size)]
    values, weights = [target.function(x) for x in grid], [abs(target.weight(x)) for x in grid]
    powers, done, rest = list(range(target.degree + 1)), [], values
    while powers:
        odd = powers[0] % 2  # what is left to fit changes its sign with x^odd, and so must the alternation
        signed = [-w if odd and x < 0 else w for x, w in zip(grid, weights, strict=True)]
        solution, _ = _fit(powers, grid, rest, signed)
        done.append(_rounded(solution[0], target.single))
        rest = [v - done[-1] * x ** powers[0] for x, v in zip(grid, rest, strict=True)]
        powers = powers[1:] if target.single or len(done) < 3 else []
        if not target.single and not powers:
            done += [float(c) for c in solution[1:]]
    exact = [mp.mpf(c) for c in done]
    worst = max(abs(w * (mp.polyval(exact[::-1], x) - v)) for x, v, w in zip(grid, values, weights, strict=True))
    return done, float(mp.log(worst, 2))


def _near_zero(exact: Real, series: Real, radius: float = 1e-6) -> Real:
    return lambda x: series(x) if abs(x) < radius else exact(x)


def _in_square(exact: Real, limit: Any) -> Real:
    """A function of z = x^2 from one of x; `limit` at zero."""
    return lambda z: mp.mpf(limit) if z == 0 else exact(mp.sqrt(z))


def _inverse_of_tail(w: Any) -> Any:
    """g(w): erfinv(y) / y where w = -log(1 - y^2), from erfc where y is near one."""
    y2 = -mp.expm1(-w)
    y = mp.sqrt(y2)
    if w < 2:
        return mp.erfinv(y) / y
    log_q = -w - mp.log1p(y)  # of 1 - y
    z = mp.sqrt(w) * 0.9
    for _ in range(60):
        tail = mp.erfc(z)
        step = (mp.log(tail) - log_q) * tail / (2 / mp.sqrt(mp.pi) * mp.exp(-z * z))
        z += step
        if abs(step) < mp.mpf(10) ** -35 * z:
            break
    return z / y


def _erfcx(x: Any) -> Any:
    return mp.exp(x * x) * mp.erfc(x)


LN2, QUARTER = mp.log(2), mp.pi / 4
ERFCX_CENTRE, TAIL_CENTRE, TAIL_FROM, BESSEL_FROM = 4.0, 7.8125, 5.0, 8.0


def _of_ratio(function: Real, centre: float) -> Real:
    """A function of t = (x - centre) / (x + centre) from one of x."""
    return lambda t: function(centre * (1 + t) / (1 - t))


def _ratio(x: float, centre: float) -> float:
    return (x - centre) / (x + centre)


def _erfcx_scaled(x: Any) -> Any:
    if x > 1e6:
        return (1 + 2 * x) / (x * mp.sqrt(mp.pi)) * (1 - 1 / (2 * x * x))
    return (1 + 2 * x) * _erfcx(x)


def _exp_tail(x: Any) -> Any:
    return (mp.expm1(x) - x) / (x * x)


def _log_tail(f: Any) -> Any:
    return (mp.log1p(f) - f + f * f / 2) / f**3


def _log2_tail(f: Any) -> Any:
    return (mp.log1p(f) - f) / LN2 / (f * f)


def _bessel_large(order: int) -> Real:
    def scaled(x: Any) -> Any:
        return mp.besseli(order, x) * mp.exp(-x) * mp.sqrt(x)

    return lambda v: scaled(2 * BESSEL_FROM / (1 + v))


def _bessel_small(order: int) -> Real:
    if order == 0:
        return lambda y: (mp.besseli(0, 2 * mp.sqrt(y)) - 1) / y
    return lambda y: mp.besseli(1, 2 * mp.sqrt(y)) / mp.sqrt(y)


ERF_STEP, ERF_PIECES = 0.25, 16  # as in the library's table of erf


def _erf_piece(index: int) -> Target:
    """erf c + r about c = index / 4; the first as erf r / r - 1 in r^2. The last rises by half an ulp, to end at 1."""
    half, centre = ERF_STEP / 2, index * ERF_STEP
    if index == 0:
        return Target(name="", function=_in_square(lambda r: mp.erf(r) / r - 1, 0), weight=_one, low=1e-9,
                      high=half**2, degree=2, single=True)  # fmt: skip
    last = index == ERF_PIECES - 1
    rise = 3.6e-8 / ERF_STEP if last else 0.0
    return Target(name="", function=lambda r: mp.erf(centre + r) + rise * (r + half), low=-half, high=half,
                  weight=lambda r: 8 if last and r > half * 0.9 else 1, degree=5, single=True)  # fmt: skip


def print_erf_pieces() -> None:
    """A row for each power of r, with the coefficient of every piece."""
    pieces, worst = [], -1e9
    for index in range(ERF_PIECES):
        coefficients, error = derive(_erf_piece(index))
        worst = max(worst, error)
        pieces.append(
            coefficients if index else [c for pair in zip([0.0] * 3, coefficients, strict=True) for c in pair]
        )
    print(f"ERF_PIECES_F32: degree 5, largest error 2^{worst:.1f}", file=sys.stderr, flush=True)
    print(f"\n# erf k / 4 + r on [-0.125, 0.125]: a row for each power of r, k from 0 to 15, error 2^{worst:.1f}")
    rows = zip(*pieces, strict=True)
    print(
        "ERF_PIECES_F32 = (\n"
        + "".join("    (" + ", ".join(map(repr, row)) + "),\n" for row in rows)
        + ")  # fmt: skip"
    )


def _one(x: Any) -> Any:
    return mp.mpf(1)


TARGETS = [
    Target(name="EXP_F32", function=_exp_tail, weight=lambda r: r * r / mp.exp(r), low=-LN2 / 2, high=LN2 / 2,
           degree=4, single=True, note="(e^r - 1 - r) / r^2"),
    Target(name="EXPM1_F32", function=_exp_tail, weight=lambda r: r * r / mp.expm1(r), low=-LN2 / 2, high=LN2 / 2,
           degree=4, single=True, note="(e^r - 1 - r) / r^2, for a result near zero"),
    Target(name="EXP2_F32", function=lambda r: mp.expm1(r * LN2) / r, weight=lambda r: r / 2**r, low=-0.5, high=0.5,
           degree=5, single=True, note="(2^r - 1) / r"),
    Target(name="LOG_F32", function=_log_tail, weight=lambda f: f**3 / mp.log1p(f), low=-1 / 3, high=1 / 3,
           degree=7, single=True, note="(log(1 + f) - f + f^2 / 2) / f^3"),
    Target(name="LOG2_F32", function=_log2_tail, weight=lambda f: f * f / mp.log1p(f), low=-1 / 3, high=1 / 3,
           degree=8, single=True, note="(log2(1 + f) - f / ln 2) / f^2"),
    Target(name="SIN_F32", function=_in_square(lambda r: (mp.sin(r) - r) / r**3, -1 / mp.mpf(6)),
           weight=lambda z: z * mp.sqrt(z) / mp.sin(mp.sqrt(z)), low=1e-9, high=QUARTER**2, degree=2, single=True,
           note="(sin r - r) / r^3 in r^2"),
    Target(name="COS_F32", function=_in_square(lambda r: (mp.cos(r) - 1 + r * r / 2) / r**4, 1 / mp.mpf(24)),
           weight=lambda z: z * z / mp.cos(mp.sqrt(z)), low=1e-9, high=QUARTER**2, degree=2, single=True,
           note="(cos r - 1 + r^2 / 2) / r^4 in r^2"),
    Target(name="EXP_F64", function=_exp_tail, weight=lambda r: r * r / mp.exp(r), low=-LN2 / 2, high=LN2 / 2,
           degree=9, note="(e^r - 1 - r) / r^2"),
    Target(name="LOG_F64", function=_in_square(lambda s: (2 * mp.atanh(s) / s - 2) / s**2, 2 / mp.mpf(3)),
           weight=lambda z: z, low=1e-9, high=0.02944, degree=6, note="(2 atanh(s) / s - 2) / s^2 in s^2"),
    Target(name="SIN_F64", function=_in_square(lambda r: (mp.sin(r) - r) / r**3, -1 / mp.mpf(6)),
           weight=lambda z: z * mp.sqrt(z) / mp.sin(mp.sqrt(z)), low=1e-9, high=QUARTER**2, degree=5,
           note="(sin r - r) / r^3 in r^2"),
    Target(name="COS_F64", function=_in_square(lambda r: (mp.cos(r) - 1 + r * r / 2) / r**4, 1 / mp.mpf(24)),
           weight=lambda z: z * z / mp.cos(mp.sqrt(z)), low=1e-9, high=QUARTER**2, degree=5,
           note="(cos r - 1 + r^2 / 2) / r^4 in r^2"),
    Target(name="ATAN", function=_in_square(lambda t: mp.atan(t) / t, 1), low=1e-9, high=1,
           weight=lambda z: mp.sqrt(z) / mp.atan(mp.sqrt(z)), degree=13, note="atan t / t in t^2, for f32 results"),
    Target(name="ASIN", function=_in_square(lambda x: (mp.asin(x) - x) / x**3, 1 / mp.mpf(6)), low=1e-9, high=0.25,
           weight=lambda z: z, degree=8, note="(asin x - x) / x^3 in x^2, for f32 results"),
    Target(name="ERFCX", function=_of_ratio(_erfcx_scaled, ERFCX_CENTRE), low=-1, high=0.999999,
           weight=lambda t: 1 / _of_ratio(_erfcx_scaled, ERFCX_CENTRE)(t), degree=23,
           note="(1 + 2 x) erfcx x in (x - 4) / (x + 4)"),
    Target(name="ERFINV_CENTRE", function=_inverse_of_tail, weight=lambda w: 1 / mp.sqrt(mp.pi) * 2, low=1e-9,
           high=TAIL_FROM, degree=11, note="erfinv(y) / y in w = -log(1 - y^2)"),
    Target(name="ERFINV_TAIL", function=_of_ratio(lambda s: _inverse_of_tail(s * s), TAIL_CENTRE),
           low=_ratio(TAIL_FROM**0.5, TAIL_CENTRE), high=_ratio(27.4, TAIL_CENTRE), degree=21,
           weight=lambda t: (1 - t) / (1 + t) / TAIL_CENTRE, note="erfinv y / y in (s - c) / (s + c), s = sqrt w"),
    Target(name="I0_SMALL", function=_bessel_small(0), low=1e-9, high=BESSEL_FROM**2 / 4,
           weight=lambda y: y / mp.besseli(0, 2 * mp.sqrt(y)), degree=14, note="(I0(x) - 1) / y in y = x^2 / 4"),
    Target(name="I1_SMALL", function=_bessel_small(1), low=1e-9, high=BESSEL_FROM**2 / 4,
           weight=lambda y: mp.sqrt(y) / mp.besseli(1, 2 * mp.sqrt(y)), degree=14, note="2 I1(x) / x in x^2 / 4"),
    Target(name="I0_LARGE", function=_bessel_large(0), weight=_one, low=-0.99999, high=1, degree=23,
           note="sqrt(x) e^-x I0(x) in 16 / x - 1"),
    Target(name="I1_LARGE", function=_bessel_large(1), weight=_one, low=-0.99999, high=1, degree=23,
           note="sqrt(x) e^-x I1(x) in 16 / x - 1"),
]  # fmt: skip


def main() -> None:
    only = sys.argv[1:]
    if not only:
        print(
            '"""Minimax coefficients, lowest degree first. Written by `python -m bench.derive_mathlib`: do not edit."""'
        )
    for target in TARGETS:
        if only and target.name not in only:
            continue
        coefficients, error = derive(target)
        print(f"{target.name}: degree {target.degree}, largest error 2^{error:.1f}", file=sys.stderr, flush=True)
        print(f"\n# {target.note} on [{float(target.low):.6g}, {float(target.high):.6g}], error 2^{error:.1f}")
        print(f"{target.name} = (\n" + "".join(f"    {c!r},\n" for c in coefficients) + ")")
    if not only or "ERF_PIECES_F32" in only:
        print_erf_pieces()


if __name__ == "__main__":
    main()
