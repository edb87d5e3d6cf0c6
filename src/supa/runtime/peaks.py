"""The peak that a kernel's operations are measured against. Not here: what it reaches (`timing`)."""

from __future__ import annotations

from collections import Counter

from supa.arch import Device
from supa.program.work import Matrix, Vector, Work

_VECTOR_CLASSES = {"f64": "fp64", "f32": "fp32", "f16": "fp16", "bf16": "fp16"}


def peak_flops(device: Device, work: Work) -> int:
    """Per second: of the fastest matrix format that the kernel uses, else of the V-core type it uses most."""
    formats = {step.format for step in work.steps() if isinstance(step, Matrix)}
    if formats:
        return max(device.peak_flops(name) for name in formats)
    elements: Counter[str] = Counter()
    for step in work.steps():
        if isinstance(step, Vector):
            for count in step.counts:
                elements[_VECTOR_CLASSES.get(count.format, "")] += count.elements
    del elements[""]
    return device.vector_flops(elements.most_common(1)[0][0] if elements else "fp32")
