"""The page's part for one kernel: its facts, and its source with the time that each line takes. Not here: plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from textwrap import dedent
from typing import Any

from supa.runtime import Seen
from supa.tools.quantities import duration, plural, share, size
from supa.tools.source_lines import Excerpt, LineTime, excerpts, line_times


def kernel_parts(name: str, seen: Sequence[Seen], *, is_open: bool) -> str:
    """One foldable part."""
    launches = sum(one.launches for one in seen)
    device_us = sum(one.device_ps for one in seen) / 1e6
    told = f"{plural(launches, 'launch', 'launches')}, {duration(device_us)}"
    return (
        f"<details{' open' if is_open else ''}><summary>{escape(name)} <small>{told}</small></summary>"
        f"{_facts(seen)}{_source(line_times(seen))}</details>"
    )


def unbroken(value: str) -> str:
    """A figure in HTML: it may break before a bracket, not before its unit."""
    return escape(value).replace(" ", "&nbsp;").replace("&nbsp;(", " (")


def sum_over(seen: Sequence[Seen], attribute: str) -> dict[str, float]:
    """The sum of a mapping that predictions have, over all launches."""
    sums: dict[str, float] = {}
    for one in seen:
        found: Mapping[str, float] = getattr(one.prediction, attribute, {})
        for name, value in found.items():
            sums[name] = sums.get(name, 0.0) + value * one.launches
    return sums


def _facts(seen: Sequence[Seen]) -> str:
    """Of the prediction with most device time."""
    prediction: Any = seen[0].prediction if seen else None
    if not hasattr(prediction, "occupancy"):
        return ""
    facts = [
        ("blocks", str(prediction.blocks)),
        ("waves", f"{prediction.waves:.2f}"),
        ("blocks per CU", str(prediction.occupancy.blocks_per_cu)),
        ("clock", f"{prediction.clock_hz / 1e6:.0f} MHz"),
        ("L2 hit rate", share(prediction.l2_hit_rate, 1)),
        ("HBM read", size(prediction.read_bytes)),
        ("HBM written", size(prediction.written_bytes)),
    ]
    facts += [(f"{name} busy", share(busy, 1)) for name, busy in _busiest(prediction.utilisation)]
    shown = "".join(f"<div><dt>{escape(name)}</dt><dd>{unbroken(value)}</dd></div>" for name, value in facts)
    return f'<dl class="facts small">{shown}</dl>'


def _busiest(utilisation: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(utilisation.items(), key=lambda item: -item[1])[:3]


def _source(times: Sequence[LineTime]) -> str:
    if not times:
        return '<p class="soft">No source line is known.</p>'
    stall = sum(time.stall_ps for time in times)
    busy = sum(time.busy_ps for time in times)
    return "".join(_excerpt(excerpt, stall, busy) for excerpt in excerpts(times))


def _excerpt(excerpt: Excerpt, stall: int, busy: int) -> str:
    texts = dedent("\n".join(text for _, text, _ in excerpt.lines)).split("\n")
    rows = "".join(
        _line(number, text, time, stall, busy) for (number, _, time), text in zip(excerpt.lines, texts, strict=True)
    )
    head = (
        '<li class="head"><span class="number">line</span><span class="gauge">waiting</span>'
        '<span class="gauge">busy</span><span></span></li>'
    )
    return (
        f'<div class="source"><header><code title="{escape(excerpt.file)}">{escape(Path(excerpt.file).name)}</code>'
        f"</header><ol>{head}{rows}</ol></div>"
    )


def _line(number: int, text: str, time: LineTime | None, stall: int, busy: int) -> str:
    wait = _gauge("wait", time.stall_ps if time else 0, stall)
    work = _gauge("busy", time.busy_ps if time else 0, busy)
    kinds = f' title="{escape(", ".join(time.kinds))}"' if time else ""
    code = f'<span class="code">{escape(text)}</span>'
    return f'<li{kinds}><span class="number">{number}</span>{wait}{work}{code}</li>'


def _gauge(kind: str, part: int, whole: int) -> str:
    percent = 100 * part / whole if whole else 0.0
    if percent < 0.05:
        return '<span class="gauge"></span>'
    return f'<span class="gauge {kind}" style="--part:{percent:.1f}%">{percent:.1f} %</span>'
