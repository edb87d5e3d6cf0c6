"""Times, energies, powers, rates and sizes as a person reads them, three digits each. Not here: tables, pages."""

from __future__ import annotations


def duration(microseconds: float) -> str:
    """ "12.3 us", "4.56 ms", "1.23 s": three digits."""
    for unit, scale in (("us", 1.0), ("ms", 1e3)):
        if microseconds < 999.5 * scale:
            return f"{three(microseconds / scale)} {unit}"
    return f"{three(microseconds / 1e6)} s"


def energy(joules: float) -> str:
    """ "12.3 uJ", "4.56 mJ", "1.23 J": three digits."""
    for unit, scale in (("uJ", 1e-6), ("mJ", 1e-3)):
        if joules < 999.5 * scale:
            return f"{three(joules / scale)} {unit}"
    return f"{three(joules)} J"


def power(watts: float | None) -> str:
    """ "312 W", "9.50 W"; "-" for None."""
    return "-" if watts is None else f"{three(watts)} W"


def rate(per_second: float, unit: str) -> str:
    """ "1.02 TB/s", "312 TFLOPS": `unit` is that of one."""
    for prefix, scale in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if per_second >= 0.9995 * scale:
            return f"{three(per_second / scale)} {prefix}{unit}"
    return f"{three(per_second / 1e3)} k{unit}"


def size(count: float) -> str:
    """Bytes: "12.3 MiB", "512 B"."""
    for prefix, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= scale:
            return f"{three(count / scale)} {prefix}"
    return f"{count:.0f} B"


def share(part: float, whole: float) -> str:
    """ "42 %"; "-" of nothing."""
    return f"{100 * part / whole:.0f} %" if whole else "-"


def three(value: float) -> str:
    """Three digits, and all of those before the point."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def plural(count: int, one: str, many: str) -> str:
    """ "1 launch", "2 launches"."""
    return f"{count} {one if count == 1 else many}"


def shortened(name: str, width: int) -> str:
    """At most `width` letters; what is left out is in the middle, where names of one family are alike."""
    if len(name) <= width:
        return name
    tail = (width - 3) // 2
    return f"{name[: width - 3 - tail]}...{name[len(name) - tail :]}"
