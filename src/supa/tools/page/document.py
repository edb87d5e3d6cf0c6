"""The page itself: what stands on it, in which order. Not here: plots (`charts`), the part of each kernel (`kernels`).

Everything that comes from the user's program is escaped; the page's policy lets it load nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

import vl_convert

import supa
from supa.runtime import Device, Watch
from supa.tools.bounds import explained
from supa.tools.page import charts
from supa.tools.page.kernels import kernel_parts, sum_over, unbroken
from supa.tools.page.roofline import on_roofline, roofline
from supa.tools.page.vega import Spec
from supa.tools.quantities import duration, energy, plural, power, rate, share
from supa.tools.report import Cost, Line, Report, by_time, cost_on, sum_of_host, total_on

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data:"
Section = tuple[str, str]


def document(device: Device, report: Report, command: str) -> str:
    """The HTML text."""
    watch = device.session.watch
    assert watch is not None
    plots: dict[str, Spec] = {}
    body = "\n".join(_body(device, report, watch, command, plots))
    data = json.dumps(plots).replace("<", "\\u003c")
    drawing = f"<script>{_library()}</script>\n<script>{_file('behaviour.js')}</script>" if plots else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(Path(command.split(' ')[0]).name)} on {escape(device.name)}</title>\n"
        f"<style>{_file('style.css')}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f'<script type="application/json" id="plots">{data}</script>\n{drawing}\n</body>\n</html>\n'
    )


def _library() -> str:
    """Vega-Embed with all that it needs, as `window.vegaEmbed`."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")


def _file(name: str) -> str:
    return files("supa.tools.page").joinpath(name).read_text(encoding="utf-8")


def _body(device: Device, report: Report, watch: Watch, command: str, plots: dict[str, Spec]) -> Iterator[str]:
    yield f"<h1>{escape(command)}</h1>"
    yield f'<p class="soft">on {escape(report.marked(device.name))}: {escape(device.description.title)}; '
    yield f"mode {escape(report.mode)}</p>"
    if report.ended:
        yield f'<p class="ended">How the program ended: {escape(report.ended)}.</p>'
    yield _facts(report, device)
    for note in report.notes:
        yield f'<p class="soft">{escape(note)}</p>'
    if not report.lines:
        yield "<p>No kernel was launched.</p>"
        return
    yield "<noscript><p>The plots need JavaScript; tables and source do not.</p></noscript>"
    yield "<h2>Kernels</h2>"
    yield _kernel_table(report)
    yield from _timeline(report, watch, plots)
    yield from _predicted(device, report, watch, plots)
    yield from _memory(device, watch, plots)
    yield f'<footer class="soft">supa {escape(supa.__version__)}: predictions of a model, not measurements.</footer>'


def _facts(report: Report, device: Device) -> str:
    total, host = total_on(report.lines, 0), sum_of_host(report.lines)
    facts = [("launches", str(host.launches)), ("kernels", str(len(report.lines)))]
    if total is not None:
        facts += [
            ("device time", _with_range(duration(total.device_us), total, report.devices[0] in report.assumed)),
            ("energy", energy(total.energy_j)),
            ("average power", f"{power(total.average_power_w)} (cap {device.description.power_cap_w:g} W)"),
        ]
        if total.flops:
            reached = f"{rate(total.flops_per_s, 'FLOPS')} ({share(total.flops_per_s, total.peak_flops)})"
            facts.append(("reached, of peak", reached))
    if report.mode != "time":
        facts.append(("computed here in", duration(host.host_us)))
    shown = "".join(f"<div><dt>{escape(name)}</dt><dd>{unbroken(value)}</dd></div>" for name, value in facts)
    return f'<dl class="facts">{shown}</dl>'


def _kernel_table(report: Report) -> str:
    total, host = total_on(report.lines, 0), sum_of_host(report.lines)
    ranged = report.devices[0] in report.assumed
    rows = "".join(_row(line, cost_on(line, 0), total, host, ranged) for line in by_time(report))
    heads = _cells(("kernel", "", "th"), ("launches", "figure middling", "th"))
    if total is None:
        heads += _cells(("host", "figure", "th"), ("share", "figure", "th"))
    else:
        heads += _cells(
            ("time", "figure", "th"), ("share", "figure", "th"), ("energy", "figure wide", "th"),
            ("power", "figure wide", "th"), ("of peak FLOPS", "figure wide", "th"),
            ("of peak GB/s", "figure wide", "th"), ("bound by", "", "th"),
        )  # fmt: skip
    bounds = [cost.bound_by for line in report.lines if (cost := cost_on(line, 0))]
    words = "".join(f"<p class='soft'>{escape(line)}</p>" for line in explained(bounds))
    return (
        f'<div class="scroll"><table id="kernels"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
        + words
    )


def _row(line: Line, cost: Cost | None, total: Cost | None, host: Line, ranged: bool) -> str:
    cells = _cells((line.name, "name", "td"), (str(line.launches), "figure middling", "td"))
    if cost is None or total is None:
        cells += _cells((duration(line.host_us), "figure", "td"), (share(line.host_us, host.host_us), "figure", "td"))
        return f"<tr>{cells}</tr>"
    part = 100 * cost.device_us / total.device_us if total.device_us else 0
    cells += _time_cell(duration(cost.device_us), cost, ranged)
    cells += (
        f'<td class="figure">{share(cost.device_us, total.device_us)}'
        f'<span class="bar"><i style="width:{part:.1f}%"></i></span></td>'
    )
    cells += _cells(
        (energy(cost.energy_j), "figure wide", "td"),
        (power(cost.average_power_w), "figure wide", "td"),
        (share(cost.flops_per_s, cost.peak_flops) if cost.flops else "-", "figure wide", "td"),
        (share(cost.bytes_per_s, cost.peak_bytes_per_s), "figure wide", "td"),
        (cost.bound_by, "", "td"),
    )
    return f"<tr>{cells}</tr>"


def _with_range(time: str, cost: Cost, ranged: bool) -> str:
    """ "8.80 us (-17 +18 %)" on a device most of whose figures are assumed."""
    return f"{time} ({_range(cost)})" if ranged and cost.device_us else time


def _range(cost: Cost) -> str:
    return f"-{100 * cost.faster:.0f} +{100 * cost.slower:.0f} %"


def _time_cell(time: str, cost: Cost, ranged: bool) -> str:
    """A table's time, with its range below where the device's figures are mostly assumed."""
    below = f'<small class="range">{escape(_range(cost))}</small>' if ranged and cost.device_us else ""
    return f'<td class="figure">{escape(time)}{below}</td>'


def _cells(*cells: tuple[str, str, str]) -> str:
    """(text, classes, element) of each."""
    return "".join(f'<{tag} class="{kind}">{escape(text)}</{tag}>' for text, kind, tag in cells)


def _timeline(report: Report, watch: Watch, plots: dict[str, Spec]) -> Iterator[str]:
    yield "<h2>Timeline</h2>"
    yield f'<p class="soft">Streams over the device\'s clock: {charts.counted(watch.spans, watch.dropped_spans)}.</p>'
    yield _plot("streams", charts.streams(watch.spans, [line.name for line in by_time(report)]), plots, "")
    caption = "How busy the engines are, on average over each launch: the stronger, the busier."
    yield _plot("engines", charts.engines(watch.spans), plots, caption)


def _predicted(device: Device, report: Report, watch: Watch, plots: dict[str, Spec]) -> Iterator[str]:
    if report.mode == "execute":
        yield "<p>Mode execute predicts nothing; modes both and time show rooflines, stalls and energy as well.</p>"
        return
    spec = roofline(report, device.description)
    yield "<h2>Roofline</h2>"
    without = [line.name for line in report.lines if not on_roofline(cost_on(line, 0))]
    told = (
        f" Without floating point operations or memory traffic, and so not on it: {', '.join(without)}."
        if without
        else ""
    )
    yield _plot("roofline", spec, plots, "Operations per byte of device memory traffic against what was reached; "
                f"larger dots took more time.{told}")  # fmt: skip
    if len(report.devices) > 1:
        yield "<h2>Devices</h2>"
        yield _plot("devices", charts.devices(report), plots,
                    "The same launches on each device" + (
                        "; a line reaches as far as the time may be off where most of a device's figures are assumed."
                        if report.assumed else "."
                    ))  # fmt: skip
        yield _device_table(report)
    machine = device.description.name
    yield "<h2>Where the time and the energy go</h2>"
    names = [line.name for line in by_time(report)][: charts.DETAILED_KERNELS]
    waits = {name: sum_over(watch.predictions(name, machine), "stall_ps") for name in names}
    yield _plot("stalls", charts.parts(waits, "of its waiting"), plots, "What blocks waited for.")
    energies = {name: sum_over(watch.predictions(name, machine), "energy_by_part_pj") for name in names}
    yield _plot("energy", charts.parts(energies, "of its energy"), plots, "What took the energy.")
    yield "<h2>Source</h2>"
    if watch.unseen_launches:
        left = plural(watch.unseen_launches, "launch", "launches")
        yield f'<p class="soft">{left} with further predictions are not in these figures.</p>'
    for place, line in enumerate(by_time(report)):
        yield kernel_parts(line.name, watch.predictions(line.name, machine), is_open=place < 2)


def _device_table(report: Report) -> str:
    heads = _cells(("kernel", "", "th"), *((report.marked(name), "figure", "th") for name in report.devices))
    totals = tuple(total for index in range(len(report.devices)) if (total := total_on(report.lines, index)))
    ranged = [name in report.assumed for name in report.devices]
    rows = "".join(_device_row(line.name, line.costs, ranged) for line in by_time(report))
    return (
        f'<div class="scroll"><table id="comparison"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>'
        f"<tfoot>{_device_row('total', totals, ranged)}</tfoot></table></div>"
    )


def _device_row(name: str, costs: Sequence[Cost], ranged: Sequence[bool]) -> str:
    first = costs[0].device_us
    cells = _cells((name, "name", "td")) + _time_cell(duration(first), costs[0], ranged[0])
    for cost, wide in zip(costs[1:], ranged[1:], strict=True):
        ratio = f" ({cost.device_us / first:.2f}x)" if first else ""
        cells += _time_cell(duration(cost.device_us) + ratio, cost, wide)
    return f"<tr>{cells}</tr>"


def _memory(device: Device, watch: Watch, plots: dict[str, Spec]) -> Iterator[str]:
    yield "<h2>Device memory</h2>"
    end_ps = max((span.end_ps for span in watch.spans), default=0)
    spec = charts.memory(watch.memory, end_ps)
    if spec is None:
        yield "<p>Nothing was allocated on the device: the program's tensors lie in the host's memory.</p>"
        return
    capacity = device.description.hbm_capacity_bytes / 2**30
    yield _plot("memory", spec, plots, f"Allocated at each launch, of {capacity:g} GiB.")


def _plot(name: str, spec: Mapping[str, object] | None, plots: dict[str, Spec], caption: str) -> str:
    if spec is None:
        return ""
    plots[f"plot-{name}"] = dict(spec)
    told = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><div class="plot" id="plot-{name}"></div>{told}</figure>'
