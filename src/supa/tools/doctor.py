"""`supa doctor`: whether this machine can run everything, in one list. Not here: repairing it.

Every check ends in one line with "ok", "note" (works, but the user may wonder) or "bad" (something will fail).
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import supa
from supa.tools.quantities import size

PACKAGES = ("numpy", "llvmlite", "numba", "triton", "torch", "altair", "vl-convert-python")
_OPTIONAL = {
    "triton": "Triton kernels",
    "torch": "Triton kernels",
    "altair": "--report",
    "vl-convert-python": "--report",
}
_FEATURES = ("avx2", "fma", "f16c", "avx512f", "avx512bf16", "avx512fp16", "avx512vnni")
Finding = tuple[str, str, str]


def doctor() -> int:
    """Print the findings; returns 1 when one of them is bad."""
    found = [finding for check in _CHECKS for finding in _guarded(check)]
    width = max(len(name) for name, *_ in found)
    for name, state, told in found:
        print(f"{name:<{width}}  {state:<4}  {told}")
    return 1 if any(state == "bad" for _, state, _ in found) else 0


def _guarded(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What breaks a check is its finding: a broken installation must not stop the doctor."""
    try:
        yield from check()
    except Exception as error:
        yield check.__name__.strip("_").replace("_", " "), "bad", f"{type(error).__name__}: {error}"


def _versions() -> Iterator[Finding]:
    yield "supa", "ok", f"{supa.__version__}, Python {platform.python_version()} ({sys.executable})"
    for name in PACKAGES:
        try:
            yield name, "ok", metadata.version(name)
        except metadata.PackageNotFoundError:
            needed = _OPTIONAL.get(name)
            yield name, "note" if needed else "bad", f"not installed; needed for {needed or 'everything'}"


def _host() -> Iterator[Finding]:
    from supa.compiler.native.host import detect, offers_amx

    host = detect()
    have = {part[1:] for part in host.features.split(",") if part.startswith("+")}
    usable = [name for name in _FEATURES if name in have]
    cores = len(os.sched_getaffinity(0))
    yield "host", "ok", f"{cores} cores, {platform.system()} {platform.machine()}, code for {host.cpu}"
    told = f"{host.vector_bits}-bit registers; {', '.join(usable) or 'none of the features that we look for'}"
    slow = host.vector_bits < 256
    yield "vector units", "note" if slow else "ok", f"{told}: answers are right, but slow" if slow else told
    yield "matrix units", *_matrix_units(host.has_bf16_amx, host.has_int8_amx, offers_amx())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield "host memory", "ok", size(memory)


def _matrix_units(bf16: bool, int8: bool, offered: bool) -> tuple[str, str]:
    """What is told of AMX: used for which products, there but not granted, or not there."""
    if bf16 or int8:
        formats = " and ".join(name for name, used in (("bf16", bf16), ("int8", int8)) if used)
        return "ok", f"AMX, for products of {formats}"
    if offered:
        return "note", "AMX is there, but the system does not grant it to this process: products run on vector units"
    return "ok", "no AMX: products run on vector units"


def _core() -> Iterator[Finding]:
    from supa.runtime import current_device, threads

    device = current_device()
    address = device.memory.allocate(1 << 20)
    device.memory.free(address)
    yield "device", "ok", f"{device.name}, mode {device.mode}, {size(device.description.hbm_capacity_bytes)} reserved"
    yield "launch threads", "ok", str(threads())


def _catalogue() -> Iterator[Finding]:
    from supa.arch import catalogue, kind_of, load, load_server

    names = sorted(catalogue())
    for name in names:
        if kind_of(name) == "server":
            load_server(name)
        else:
            load(name)
    yield "catalogue", "ok", f"{len(names)} descriptions: {', '.join(names)}"


def _cache() -> Iterator[Finding]:
    folder = _cache_folder()
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(nearest, os.W_OK):
        yield "kernel cache", "bad", f"{folder}: can not be written; set TRITON_CACHE_DIR to a folder that can"
        return
    files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
    yield "kernel cache", "ok", f"{folder}: {len(files)} files, {size(sum(files))}"


def _cache_folder() -> Path:
    given = os.environ.get("TRITON_CACHE_DIR")
    return Path(given) if given else Path(os.environ.get("TRITON_HOME", Path.home())) / ".triton" / "cache"


def _triton() -> Iterator[Finding]:
    from importlib.util import find_spec

    if find_spec("triton") is None:
        return
    plugins = [point.value for point in metadata.entry_points(group="triton.backends") if point.name == "supa"]
    if not plugins:
        yield "Triton plug-in", "bad", "not registered: install the package (pip install -e .), not only its sources"
        return
    from supa.jit.triton_backend.neighbours import other_drivers

    active = other_drivers()
    asked = os.environ.get("SUPA_DEVICE") or os.environ.get("TRITON_DEFAULT_BACKEND") == "supa"
    if active and not asked:
        told = f"{', '.join(active)} has a device: plain python uses that one; supa run and SUPA_DEVICE choose ours"
        yield "Triton driver", "note", told
    else:
        others = f"supa is used, before {', '.join(active)}" if active else "supa is used; no other is active"
        yield "Triton driver", "ok", others


_CHECKS = (_versions, _host, _core, _catalogue, _cache, _triton)
