"""What each assumption about a chip is worth: `python -m bench.sensitivity br100` prints a table in Markdown.

Every assumed figure is halved and doubled, one at a time, and the headline operations are priced again. The last row
is the range that predictions are printed with: each assumption off by a factor of `LIKELY`, as if independent.
"""

import sys
from collections.abc import Callable, Iterator

import numpy as np

from supa.arch import Device, load, with_overrides
from supa.arch.following import RULES
from supa.base.errors import SupaError
from supa.base.units import parse_number
from supa.timing.outline import Estimate, Heads, Rates, attention, collective, gemm, norm, rates

LARGE = Heads(batch=1, new_tokens=8192, past_tokens=0, heads=32, kv_heads=8, head_dim=128)
TOKEN = Heads(batch=64, new_tokens=1, past_tokens=4095, heads=32, kv_heads=8, head_dim=128)
HEADLINES: dict[str, Callable[[Rates], Estimate]] = {
    "gemm 8192³": lambda r: gemm(r, 8192, 8192, 8192),
    "gemm 16×8192×8192": lambda r: gemm(r, 16, 8192, 8192),
    "prefill 8192": lambda r: attention(r, LARGE),
    "decode 64×4096": lambda r: attention(r, TOKEN),
    "norm 8192×8192": lambda r: norm(r, 8192, 8192),
    "all-reduce 64 MiB, 8": lambda r: collective(r, "all_reduce", 8, 64 << 20),
}
LIKELY = 2**0.5  # of an assumption's error, either way
LEAST_CHANGE = 0.01  # assumptions that move no headline by so much are named, not listed


def times_us(device: Device) -> list[float]:
    priced = rates(device)
    return [headline(priced).time_us for headline in HEADLINES.values()]


def scaled(text: str, factor: float) -> str | None:
    """A figure's text times a factor; None for one that is no number."""
    number, _, unit = text.partition(" ")
    try:
        value = float(parse_number(number)) * factor
    except (SupaError, ValueError):
        return None
    return f"{value:g} {unit}".strip()


def changes(device: Device, by: float = 2.0) -> Iterator[tuple[str, str, list[list[float]]]]:
    """Path, figure, relative changes at a `by`-th and at `by` times, for every assumed figure that can be scaled."""
    base = times_us(device)
    for path, figure in device.figures.items():
        if figure.kind != "assumed" or path.startswith("uncertainty."):
            continue
        both = []
        for factor in (1 / by, by):
            text = scaled(figure.text, factor)
            try:
                changed = with_overrides(device, {**_pinned(device, path), path: text or ""})
                both.append([new / old - 1 for new, old in zip(times_us(changed), base, strict=True)])
            except (SupaError, ValueError, ZeroDivisionError):
                both.append([])
        if any(both):
            yield path, figure.text, both


def _pinned(device: Device, path: str) -> dict[str, str]:
    """What would follow the figure, as it is: an assumption alone is changed."""
    return {rule.follower: device.figures[rule.follower].text for rule in RULES if rule.leader == path}


def joined(device: Device, by: float) -> np.ndarray:
    """float64[2, headlines]: how much slower and faster, when every assumption is off by a factor, independently."""
    squares = np.zeros((2, len(HEADLINES)))
    for _, _, both in changes(device, by):
        for half in both:
            squares += [np.maximum(half, 0) ** 2, np.minimum(half, 0) ** 2] if half else 0
    return np.sqrt(squares)


def main(name: str) -> int:
    device = load(name)
    print("| figure | assumed | " + " | ".join(HEADLINES) + " |")
    print("|---|---|" + "---|" * len(HEADLINES))
    print("| predicted, µs | | " + " | ".join(f"{time:.4g}" for time in times_us(device)) + " |")
    quiet = []
    for path, text, both in changes(device):
        if all(abs(change) < LEAST_CHANGE for half in both for change in half):
            quiet.append(f"`{path}`")
            continue
        cells = []
        for place in range(len(HEADLINES)):
            pair = [f"{100 * half[place]:+.0f}" if half else "–" for half in both]
            cells.append(" / ".join(pair))
        print(f"| `{path}` | {text} | " + " | ".join(cells) + " |")
    for by in (2.0, LIKELY):
        slower, faster = 100 * joined(device, by)
        cells = " | ".join(f"+{up:.0f} / -{down:.0f}" for up, down in zip(slower, faster, strict=True))
        print(f"| all by {by:.2g}, as if independent | | {cells} |")
    print("\nNo headline moves by 1 %: " + ", ".join(quiet) + ".")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "br100"))
