"""`supa compare` and `supa what-if`: one execution, priced on several machines side by side. Not here: the pricing
(`runtime.prices`), running the program (`run`).

JSON::

    {"devices": [str], "mode": str, "ended": str, "notes": [str], "changes": {"TABLE.KEY": {"from": str, "to": str}},
     "kernels": [{"name": str, "launches": int, "predictions": [{"device": str, "device_us": float, "energy_j": float,
                  "average_power_w": float, "bound_by": str, "flops": int, "bytes": int, "ratio": float}]}],
     "total": {the same without "name"}}

`ratio` is the device time over that on the first device. `changes` are those of `what-if`, else empty.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from supa.arch import Device as Description
from supa.arch import load, with_overrides
from supa.base.errors import SupaError
from supa.tools import script
from supa.tools.collecting import report_of
from supa.tools.outputs import check_outputs, write_all
from supa.tools.quantities import duration, energy, plural
from supa.tools.report import Cost, Line, Report, by_time, figures, sum_of_host, total_on
from supa.tools.run import WRITE_ERROR, Request, open_device, watched_run
from supa.tools.table import table
from supa.tools.text import comparison_table

CHANGED = "changed"
STANDARD_OUTPUT = "-"
MAX_CU_COUNT = 16384  # its state grows with them; a hundred times today's largest chips


class ComparisonError(SupaError):
    """There is nothing to compare, or the change is none."""


def compare(request: Request) -> int:
    """Run the program once, price it on every device of the request, print the tables; returns its exit code."""
    if len(request.devices) < 2:
        raise ComparisonError("compare: expected two devices or more, as in --devices bili100,h100-sxm")
    return _run(request, (), {})


def what_if(request: Request, settings: Sequence[str]) -> int:
    """Run the program once on the request's device, price it there and on the same with `settings` ("KEY=VALUE")."""
    base = load(request.devices[0])
    overrides = read_settings(base, settings)
    changed = replace(with_overrides(base, overrides), name=f"{base.name} {CHANGED}")
    if changed.chip.cu_count > MAX_CU_COUNT:
        raise ComparisonError(
            f"what-if: this makes a device of {changed.chip.cu_count} CUs (die.count x die.spc_count x spc.cu_count); "
            f"the model takes up to {MAX_CU_COUNT}"
        )
    changes = {path: {"from": base.figures[path].text, "to": text} for path, text in overrides.items()}
    return _run(request, (changed,), changes)


def read_settings(device: Description, settings: Sequence[str]) -> dict[str, str]:
    """`["hbm.bandwidth=2TB/s"]` as a mapping; `ComparisonError` for one that is no setting or names no figure."""
    found: dict[str, str] = {}
    for setting in settings:
        path, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not path or not text:
            raise ComparisonError(f"--set {setting}: expected KEY=VALUE, as in hbm.bandwidth=2TB/s")
        if path in found:
            raise ComparisonError(f"--set {setting}: {path} is set twice")
        if path not in device.figures:
            raise ComparisonError(f"--set {setting}: {_advice(device, path)}")
        found[path] = text
    if not found:
        raise ComparisonError("what-if: expected one change or more, as in --set hbm.bandwidth=2TB/s")
    return found


def _advice(device: Description, path: str) -> str:
    paths = list(device.figures)
    table_name, dot, key = path.partition(".")
    same_key = [known for known in paths if known.partition(".")[2] == (key if dot else table_name)]
    close = same_key or get_close_matches(path, paths, n=3, cutoff=0.6)
    if not close and not dot:
        close = [known for known in paths if get_close_matches(path, [known.partition(".")[2]], n=1, cutoff=0.7)]
    if close:
        return f"unknown key {path!r}: did you mean {' or '.join(repr(one) for one in close[:3])}?"
    if any(known.startswith(f"{table_name}.") for known in paths):
        keys = ", ".join(known for known in paths if known.startswith(f"{table_name}."))
        return f"unknown key {path!r}: known: {keys}"
    return f"unknown key {path!r}: `supa show {device.name}` lists all"


def _run(request: Request, others: tuple[Description, ...], changes: Mapping[str, Any]) -> int:
    printed = request.json_path is not None and str(request.json_path) == STANDARD_OUTPUT
    check_outputs({"--json": None if printed else request.json_path})
    script.check(request.target, request.is_module)
    if request.mode == "execute":
        raise ComparisonError("mode execute predicts nothing to compare: choose both or time")
    device = open_device(request, others)
    ending = _with_output_moved(request, device) if printed else watched_run(request, device)
    report = report_of(device, ending.words)
    if changes:
        report = replace(report, notes=report.notes[:1], assumed=report.assumed - {others[0].name})
    found = json.dumps(as_json(report, changes), indent=1) + "\n"
    print(found if printed else "\n" + as_text(report, changes), end="", flush=True)
    complete = printed or request.json_path is None or write_all({request.json_path: lambda: found})
    return ending.code or (0 if complete else WRITE_ERROR)


def _with_output_moved(request: Request, device: Any) -> script.Ending:
    """What the program prints goes to standard error, so that standard output is the JSON object alone."""
    standard, sys.stdout = sys.stdout, sys.stderr
    try:
        return watched_run(request, device)
    finally:
        sys.stdout = standard


def as_text(report: Report, changes: Mapping[str, Any]) -> str:
    """The tables of a comparison, or of a change where `changes` has some."""
    launches = sum(line.launches for line in report.lines)
    what = f"{plural(launches, 'launch', 'launches')} of {plural(len(report.lines), 'kernel', 'kernels')}"
    ended = f"; {report.ended}" if report.ended else ""
    head = f"supa: {', '.join(report.devices)}: {what if launches else 'nothing was launched'}{ended}"
    told = [f"{path}: {change['from']} -> {change['to']}" for path, change in changes.items()]
    parts = ["\n".join([head, *told])]
    if report.lines:
        if changes:
            parts.append(_difference_table(report))
        else:
            parts += ["predicted device time\n" + comparison_table(report), "bound by\n" + _bounds_table(report)]
            parts.append("predicted energy\n" + _energy_table(report))
    return "\n\n".join([*parts, *report.notes]) + "\n"


def _rows(report: Report) -> list[tuple[str, tuple[Cost, ...]]]:
    """Kernels with most time first, then the total."""
    totals = tuple(total for index in range(len(report.devices)) if (total := total_on(report.lines, index)))
    return [*((line.name, line.costs) for line in by_time(report)), ("total", totals)]


def _bounds_table(report: Report) -> str:
    rows = [["kernel", *(report.marked(name) for name in report.devices)]]
    rows += [[name, *(cost.bound_by for cost in costs)] for name, costs in _rows(report)[:-1]]
    return table(rows, words=range(len(rows[0])), total=False)


def _energy_table(report: Report) -> str:
    rows = [["kernel", *(report.marked(name) for name in report.devices)]]
    rows += [[name, *(energy(cost.energy_j) for cost in costs)] for name, costs in _rows(report)]
    return table(rows)


def _difference_table(report: Report) -> str:
    rows = [["kernel", "base", CHANGED, "time", "energy", CHANGED, "energy ratio", "bound by"]]
    for name, (base, changed) in _rows(report):
        rows.append(
            [
                name,
                duration(base.device_us),
                duration(changed.device_us),
                _percent(base.device_us, changed.device_us),
                energy(base.energy_j),
                energy(changed.energy_j),
                _percent(base.energy_j, changed.energy_j),
                _moved(base.bound_by, changed.bound_by) if name != "total" else "",
            ]
        )
    rows[0][6] = "energy"
    return table(rows, words=(0, 7))


def _percent(before: float, after: float) -> str:
    """ "-12.3 %", "+0.0 %"."""
    return f"{100 * (after / before - 1):+.1f} %" if before else "-"


def _moved(before: str, after: str) -> str:
    return before if before == after else f"{before} -> {after}"


def as_json(report: Report, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The documented object."""
    whole = sum_of_host(report.lines)
    totals = tuple(total for index in range(len(report.devices)) if (total := total_on(report.lines, index)))
    return {
        "devices": list(report.devices),
        "mode": report.mode,
        "ended": report.ended,
        "notes": list(report.notes),
        "changes": dict(changes),
        "kernels": [{"name": line.name, **_predictions(report, line, line.costs)} for line in report.lines],
        "total": _predictions(report, whole, totals),
    }


def _predictions(report: Report, line: Line, costs: Sequence[Cost]) -> dict[str, Any]:
    first = costs[0].device_us if costs else 0.0
    return {
        "launches": line.launches,
        "predictions": [
            {"device": name, **figures(cost), "ratio": cost.device_us / first if first else None}
            for name, cost in zip(report.devices, costs, strict=False)
        ],
    }
