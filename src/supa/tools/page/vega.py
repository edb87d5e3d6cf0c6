"""What all plots of the page share: rows, names, legends, widths, units of time. Not here: the plots (`charts`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from supa.tools.quantities import shortened

Spec = dict[str, Any]
NAME_WIDTH = 22  # of kernels in labels and legends


def time_unit(longest_ps: int) -> tuple[str, float]:
    """The unit for an axis up to that time, and how many picoseconds it has."""
    for unit, scale in (("us", 1e6), ("ms", 1e9)):
        if longest_ps < 2000 * scale:
            return unit, scale
    return "s", 1e12


def short_labels(names: Iterable[str]) -> dict[str, str]:
    """Name -> a label of few letters, different for each."""
    whole = list(dict.fromkeys(names))
    short = [shortened(name, NAME_WIDTH) for name in whole]
    return {
        name: label if short.count(label) == 1 else f"{place}. {label}"
        for place, (name, label) in enumerate(zip(whole, short, strict=True), 1)
    }


def chart_of(rows: Sequence[Mapping[str, Any]]) -> Any:
    """A chart of rows that the specification carries itself."""
    return alt.Chart(alt.Data(values=[dict(row) for row in rows]))  # type: ignore[no-untyped-call]


def legend(title: str, **more: Any) -> alt.Legend:
    """Below the plot, where it takes no width."""
    return alt.Legend(title=title, orient="bottom", columns=3, labelLimit=170, symbolLimit=24, **more)


def finished(chart: Any, height: Any) -> Spec:
    """As wide as its place on the page, which may change."""
    fitting = alt.AutoSizeParams(type="fit-x", contains="padding")
    found: Spec = chart.properties(width="container", height=height, autosize=fitting).to_dict()
    return found
