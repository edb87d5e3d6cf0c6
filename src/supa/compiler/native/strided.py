"""Loads and stores of lanes at equal distances that only the running kernel knows. Not here: addresses of any form,
which are gathers (`memory`).

Such lanes are loads and stores of their own: beside them a gather that waits for memory holds up all others, and the
processor's own prefetching knows nothing of it. Side by side they are one vector, at one place a broadcast, every
second element two vectors. The vector of addresses is made where a mask is true for some lanes alone.
"""

from __future__ import annotations

from supa.compiler.native.emitter import Emitter, llvm_bytes
from supa.compiler.native.lanes import suffix


def strided_load(emitter: Emitter, type_: str, count: int) -> str:
    """The name of a function of (first address, distance in bytes)."""
    name = f"@supa.strided.load.{suffix(type_)}.v{count}"
    if name not in emitter.definitions:
        of, size = f"<{count} x {type_}>", llvm_bytes(type_)
        lines, made = [], "poison"
        for lane in range(count):
            lines.append(
                f"  %a{lane} = inttoptr i64 %p{lane} to ptr\n  %x{lane} = load {type_}, ptr %a{lane}, align {size}"
            )
            lines.append(f"  %v{lane} = insertelement {of} {made}, {type_} %x{lane}, i64 {lane}")
            made = f"%v{lane}"
        body = "\n".join(lines)
        cases = f"    i64 {size}, label %near\n    i64 0, label %same\n" + _case_of_second(size, count)
        emitter.definitions[name] = (
            f"define internal {of} {name}(i64 %start, i64 %step) alwaysinline {{\n"
            f"  %address = inttoptr i64 %start to ptr\n  switch i64 %step, label %each [\n{cases}  ]\nnear:\n"
            f"  %quick = load {of}, ptr %address, align {size}\n  ret {of} %quick\nsame:\n"
            f"  %one = load {type_}, ptr %address, align {size}\n"
            f"  %first = insertelement {of} poison, {type_} %one, i64 0\n"
            f"  %every = shufflevector {of} %first, {of} poison, <{count} x i32> zeroinitializer\n  ret {of} %every\n"
            f"{_every_second(of, size, count)}each:\n{_places(count)}{body}\n  ret {of} {made}\n}}\n"
        )
    return name


def _case_of_second(size: int, count: int) -> str:
    return f"    i64 {2 * size}, label %second\n" if count > 2 else ""


def _every_second(of: str, size: int, count: int) -> str:
    """Two vectors, the second of which ends with the last element: nothing behind it is read."""
    if count <= 2:
        return ""
    chosen = [*range(0, count, 2), *range(count + 1, 2 * count, 2)]
    order = ", ".join(f"i32 {lane}" for lane in chosen)
    return (
        f"second:\n  %low = load {of}, ptr %address, align {size}\n"
        f"  %behind = getelementptr i8, ptr %address, i64 {size * (count - 1)}\n"
        f"  %high = load {of}, ptr %behind, align {size}\n"
        f"  %picked = shufflevector {of} %low, {of} %high, <{count} x i32> <{order}>\n  ret {of} %picked\n"
    )


def strided_store(emitter: Emitter, type_: str, count: int) -> str:
    """The name of a function of (vector, first address, distance in bytes)."""
    name = f"@supa.strided.store.{suffix(type_)}.v{count}"
    if name not in emitter.definitions:
        of, size = f"<{count} x {type_}>", llvm_bytes(type_)
        body = "".join(
            f"  %a{lane} = inttoptr i64 %p{lane} to ptr\n  %x{lane} = extractelement {of} %v, i64 {lane}\n"
            f"  store {type_} %x{lane}, ptr %a{lane}, align {size}\n"
            for lane in range(count)
        )
        emitter.definitions[name] = (
            f"define internal void {name}({of} %v, i64 %start, i64 %step) alwaysinline {{\n"
            f"  %side = icmp eq i64 %step, {size}\n  br i1 %side, label %near, label %each\nnear:\n"
            "  %address = inttoptr i64 %start to ptr\n"
            f"  store {of} %v, ptr %address, align {size}\n  ret void\neach:\n{_places(count)}{body}  ret void\n}}\n"
        )
    return name


def _places(count: int) -> str:
    """The lanes' addresses; out of a loop's sight, which would count each of them on from turn to turn."""
    start = '  %p0 = call i64 asm "", "=r,0"(i64 %start)\n'
    return start + "".join(f"  %p{lane} = add i64 %p{lane - 1}, %step\n" for lane in range(1, count))


def masked_strided_load(emitter: Emitter, type_: str, count: int, gather: str) -> str:
    """The name of a function of (first address, distance, mask, other); `gather` is one of (addresses, mask, other)."""
    name = f"@supa.strided.masked.load.{suffix(type_)}.v{count}"
    if name not in emitter.definitions:
        of, whole = f"<{count} x {type_}>", strided_load(emitter, type_, count)
        emitter.definitions[name] = (
            f"define internal {of} {name}(i64 %p0, i64 %step, <{count} x i1> %m, {of} %o) alwaysinline {{\n"
            + _all_or_some(emitter, count)
            + f"all:\n  %quick = call {of} {whole}(i64 %p0, i64 %step)\n  ret {of} %quick\n"
            + f"some:\n{_addresses(count)}"
            + f"  %slow = call {of} {gather}(<{count} x i64> %p, <{count} x i1> %m, {of} %o)\n  ret {of} %slow\n}}\n"
        )
    return name


def masked_strided_store(emitter: Emitter, type_: str, count: int, scatter: str) -> str:
    """The name of a function of (vector, first address, distance, mask); `scatter`: of (vector, addresses, mask)."""
    name = f"@supa.strided.masked.store.{suffix(type_)}.v{count}"
    if name not in emitter.definitions:
        of, whole = f"<{count} x {type_}>", strided_store(emitter, type_, count)
        emitter.definitions[name] = (
            f"define internal void {name}({of} %v, i64 %p0, i64 %step, <{count} x i1> %m) alwaysinline {{\n"
            + _all_or_some(emitter, count)
            + f"all:\n  call void {whole}({of} %v, i64 %p0, i64 %step)\n  ret void\nsome:\n{_addresses(count)}"
            + f"  call void {scatter}({of} %v, <{count} x i64> %p, <{count} x i1> %m)\n  ret void\n}}\n"
        )
    return name


def _all_or_some(emitter: Emitter, count: int) -> str:
    emitter.declare(f"declare i1 @llvm.vector.reduce.and.v{count}i1(<{count} x i1>)")
    return (
        f"  %true = call i1 @llvm.vector.reduce.and.v{count}i1(<{count} x i1> %m)\n"
        "  br i1 %true, label %all, label %some\n"
    )


def _addresses(count: int) -> str:
    of = f"<{count} x i64>"
    ramp = "<" + ", ".join(f"i64 {lane}" for lane in range(count)) + ">"
    text = ""
    for name, source in (("first", "p0"), ("apart", "step")):
        text += f"  %{name}.one = insertelement {of} poison, i64 %{source}, i64 0\n"
        text += f"  %{name} = shufflevector {of} %{name}.one, {of} poison, <{count} x i32> zeroinitializer\n"
    return text + f"  %offsets = mul {of} %apart, {ramp}\n  %p = add {of} %first, %offsets\n"
