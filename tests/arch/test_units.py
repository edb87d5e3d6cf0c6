"""Quantities are read and written exactly."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supa.base.units import DIMENSIONS, UnitError, format_exact, format_rounded, parse, parse_number


@pytest.mark.parametrize(
    ("text", "canonical", "expected"),
    [
        ("1638.4 GB/s", "B/s", 1_638_400_000_000),
        ("2TB/s", "B/s", 2 * 10**12),
        ("976.5625 MHz", "Hz", 976_562_500),
        ("64 GiB", "B", 68_719_476_736),
        ("40 KiB", "B", 40_960),
        ("40 KB", "B", 40_000),
        ("145 ns", "ps", 145_000),
        ("2.2 µs", "ps", 2_200_000),
        ("0.25 pJ/MAC", "pJ/MAC", Fraction(1, 4)),
        ("350 fJ/MAC", "pJ/MAC", Fraction(7, 20)),
        ("4.4 kW", "W", 4400),
        ("1024 TFLOPS", "FLOPS", 1024 * 10**12),
        ("2048 TOPS", "FLOPS", 2048 * 10**12),
        ("1e3 MHz", "Hz", 10**9),
    ],
)
def test_known_quantities(text: str, canonical: str, expected: Fraction) -> None:
    assert parse(text, canonical) == expected


def test_plain_numbers() -> None:
    assert parse_number("90 %") == parse_number("0.9") == Fraction(9, 10)
    assert parse_number("38_500_000_000") == 38_500_000_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("64", "missing unit: expected Hz, kHz, MHz or GHz after 64"),
        ("64 GB", "unknown unit 'GB': expected Hz, kHz, MHz or GHz"),
        ("64 mhz", "unknown unit 'mhz': expected Hz, kHz, MHz or GHz"),
        ("fast", "expected a number and a unit (Hz, kHz, MHz or GHz), found 'fast'"),
        ("nan GHz", "expected a number and a unit (Hz, kHz, MHz or GHz), found 'nan GHz'"),
    ],
)
def test_refused_quantities(text: str, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(text, "Hz")
    assert str(caught.value) == message


def test_a_plain_number_takes_no_unit() -> None:
    with pytest.raises(UnitError, match="expected a plain number, found '16 lanes'"):
        parse_number("16 lanes")


decimals = st.builds(lambda digits, places: Fraction(digits, 10**places), st.integers(0, 10**18), st.integers(0, 6))


@given(amount=decimals, place=st.sampled_from([(name, unit) for name in DIMENSIONS for unit in DIMENSIONS[name]]))
def test_what_is_written_is_read_back(amount: Fraction, place: tuple[str, str]) -> None:
    canonical, unit = place
    value = amount * DIMENSIONS[canonical][unit]
    assert parse(format_exact(value, canonical), canonical) == value


@given(value=decimals, canonical=st.sampled_from(sorted(DIMENSIONS)))
def test_rounded_text_is_near(value: Fraction, canonical: str) -> None:
    smallest = min(DIMENSIONS[canonical].values())
    assert abs(parse(format_rounded(value, canonical), canonical) - value) <= value / 1000 + smallest / 1000


def test_a_third_has_no_finite_decimal() -> None:
    with pytest.raises(UnitError, match="1/3 W has no finite decimal"):
        format_exact(Fraction(1, 3), "W")


def test_rounded_picks_the_unit_or_takes_the_one_asked_for() -> None:
    assert format_rounded(1_024 * 10**12, "FLOPS") == "1.024 PFLOPS"
    assert format_rounded(1_024 * 10**12, "FLOPS", "TFLOPS") == "1024 TFLOPS"
    assert format_rounded(819_200_000_000, "B/s") == "819.2 GB/s"
