"""The sanitizer's words: every finding with the user's line, and the summary. Not here: finding (`findings`)."""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from math import prod

from supa.jit.sanitizer.findings import Finding

_TITLES = {
    "outside": "out-of-bounds {access}",
    "freed": "{access} of memory that is not allocated",
    "misaligned": "misaligned {access}",
    "unwritten": "{access} of memory that was never written",
    "write-write": "data race: two programs write the same place",
    "read-after-write": "data race: a program reads what another one writes",
    "write-after-read": "data race: a program writes what another one reads",
    "overflow": "integer overflow in address arithmetic",
    "not finite": "NaN or infinity from finite operands",
    "assertion": "device_assert failed",
    "dead mask": "mask that is always false",
    "waits": "programs that wait for ever",
}
_VERBS = {"load": "reads", "store": "writes", "atomic": "changes"}
_HINTS = {
    "freed": "the tensor was freed, or its address is wrong: keep it alive until the launch has ended",
    "misaligned": "addresses must be multiples of the element's size: look for byte offsets and pointer casts",
    "unwritten": "initialise the tensor (torch.zeros instead of torch.empty), or mask the load",
    "write-write": "let each program write its own part, or use tl.atomic_*",
    "read-after-write": "split the kernel in two launches, or order the programs by atomics with acquire and release",
    "write-after-read": "split the kernel in two launches, or order the programs by atomics with acquire and release",
    "overflow": "compute in 64 bits: tl.program_id(0).to(tl.int64), or annotate strides as tl.int64",
    "not finite": "look for a division by zero, log or sqrt of a value out of range, or an exp that is too large",
    "waits": "nobody does any more what they wait for: a release that was taken out or masked off, or a wrong count",
    "dead mask": "nothing was ever accessed here: compare the mask with what it should let through",
}


def describe(finding: Finding) -> str:
    """All that is known of a finding, several lines."""
    title = _TITLES[finding.kind].format(access=finding.access)
    lines = [f"supa sanitizer: {title}", f"  {finding.location}, in kernel {finding.kernel}", *_source(finding)]
    lines += [f"  {line}" for line in _facts(finding)]
    hint = _hint(finding)
    return "\n".join([*lines, *([f"  hint: {hint}"] if hint else [])]) + "\n"


def _source(finding: Finding) -> list[str]:
    """The user's line with a mark at the column."""
    text = linecache.getline(finding.location.file, finding.location.line).rstrip("\n")
    if not text.strip():
        return []
    indent = len(text) - len(text.lstrip())
    lines = [f"    | {text[indent:]}"]
    if finding.location.column > indent:
        lines.append("    | " + " " * (finding.location.column - 1 - indent) + "^")
    return lines


def _facts(finding: Finding) -> list[str]:
    if finding.program_id is None:
        return [f"in every program of every launch{_whose(finding)}"]
    where = f"program {finding.program_id}"
    if finding.element:
        where += f", element {_index(finding.element)} of the tile"
    lines = [f"{where}: {_what(finding)}"]
    if finding.neighbour:
        lines.append(f"it hits {finding.neighbour}, another argument of this launch")
    return lines


def _whose(finding: Finding) -> str:
    return f", for {finding.argument}" if finding.argument else ""


def _what(finding: Finding) -> str:
    verb = _VERBS.get(finding.access, "computes")
    if finding.kind == "outside":
        return f"{verb} {_distance(finding)}"
    if finding.kind == "overflow":
        return f"the exact result of {finding.access!r} does not fit 32 bits, and the address is made of what is left"
    if finding.kind == "not finite":
        return f"{finding.access!r} gives NaN or infinity in {finding.type}"
    if finding.kind == "assertion":
        return finding.message
    if finding.kind == "waits":
        return f"waits for a change of {_element_of_tensor(finding)}; the launch was stopped"
    if finding.kind in ("write-write", "read-after-write", "write-after-read"):
        other = finding.other or "(another one)"
        return f"{verb} {_element_of_tensor(finding)}, as program {other} {_others_verb(finding)}"
    return f"{verb} {_element_of_tensor(finding)}"


def _others_verb(finding: Finding) -> str:
    return "reads it" if finding.kind == "write-after-read" else "writes it"


def _distance(finding: Finding) -> str:
    """How far outside which tensor."""
    if not finding.argument:
        return f"address {finding.address:#x}, which no pointer can have"
    if finding.past_bytes >= 0:
        side, count = "past the end of", finding.past_bytes
    else:
        side, count = "before the start of", -finding.past_bytes
    if finding.past_bytes == 0 and finding.offset_bytes >= 0:
        return f"just {side} {_tensor(finding)}"
    return f"{_elements(count, finding)} {side} {_tensor(finding)}"


def _elements(count: int, finding: Finding) -> str:
    size = finding.element_bytes
    told = f"{count} byte{'s' * (count != 1)}"
    if size > 1 and count % size == 0:
        told += f" ({count // size} element{'s' * (count != size)})"
    return told


def _element_of_tensor(finding: Finding) -> str:
    if not finding.argument:
        return f"address {finding.address:#x}"
    if finding.shape is None:
        return f"byte {finding.offset_bytes} of {_tensor(finding)}"
    if finding.element_bytes and finding.offset_bytes % finding.element_bytes:
        return f"byte {finding.offset_bytes} of {_tensor(finding)}, an address that is no multiple of its size"
    return f"element {finding.offset_bytes // max(1, finding.element_bytes)} of {_tensor(finding)}"


def _tensor(finding: Finding) -> str:
    if finding.shape is None:
        return finding.argument
    count = prod(finding.shape)
    shape = "a scalar" if not finding.shape else f"shape {_index(finding.shape)}"
    return f"{finding.argument} ({finding.type}, {shape}, {count} element{'s' * (count != 1)})"


def _index(values: Sequence[int]) -> str:
    return str(tuple(values))


def _hint(finding: Finding) -> str:
    if finding.kind != "outside":
        return _HINTS.get(finding.kind, "")
    guarded = "look at the bound that its mask compares with, and at the strides"
    return f"mask the {finding.access}, as in mask=offsets < n; if it has a mask, {guarded}"


def summary(findings: Sequence[Finding], launches: int) -> str:
    """One line for each finding, and how many there are."""
    checked = f"{launches} launch{'es' * (launches != 1)} checked"
    if not findings:
        return f"supa sanitizer: nothing found, {checked}\n"
    lines = [f"supa sanitizer: {len(findings)} finding{'s' * (len(findings) != 1)}, {checked}"]
    for one in findings:
        count = f", {one.count} elements" if one.count > 1 else ""
        lines.append(f"  {one.location}: {_TITLES[one.kind].format(access=one.access)} ({one.kernel}{count})")
    return "\n".join(lines) + "\n"
