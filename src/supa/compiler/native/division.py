"""Division of whole numbers in vectors, which hosts have no instruction for: through f64, or for neighbours that are
divided by one number through a single scalar division. Not here: constant powers of two, scalars (`elements`).

A zero divisor (a masked-off lane, as a rule) gives -1, and the value as what is left.
"""

from __future__ import annotations

from supa.compiler.native.emitter import Emitter, llvm_bits
from supa.compiler.native.lanes import Lanes
from supa.compiler.native.vec import Vec, vector

_SHIFT = 0x4338000000000000  # the bits of 1.5 * 2^52 in f64: added to a whole number below 2^51 they make it a f64
_SHIFTED = "0x4338000000000000"
_MOST_BITS = 51


def divide(lanes: Lanes, instruction: str, value: Vec, divisor: Vec) -> Vec:
    """sdiv, udiv, srem or urem, lane by lane; one of the operands is no uniform one."""
    type_, level = value.type, max(value.level, divisor.level)
    of = lanes.vector_type(type_)
    if value.is_linear and value.step == 1 and divisor.is_uniform and llvm_bits(type_) >= 32:
        name = _of_neighbours(lanes.emitter, instruction, type_, lanes.count)
        arguments = f"{type_} {value.name}, {type_} {divisor.name}"
        return vector(type_, lanes.emit(level, f"call {of} {name}({arguments})"), level)
    name = _of_lanes(lanes.emitter, instruction, type_, lanes.count)
    arguments = f"{of} {lanes.widen(value)}, {of} {lanes.widen(divisor)}"
    return vector(type_, lanes.emit(level, f"call {of} {name}({arguments})"), level)


def _of_lanes(emitter: Emitter, instruction: str, type_: str, count: int) -> str:
    """A function of two vectors that divides by any number."""
    name = f"@supa.{instruction}.{type_}.v{count}"
    if name not in emitter.definitions:
        bits, of, flags = llvm_bits(type_), f"<{count} x {type_}>", f"<{count} x i1>"
        lowest = -(1 << (bits - 1))
        lines = [f"  %zero = icmp eq {of} %y, zeroinitializer"]
        if instruction.startswith("s"):  # the one overflowing pair must not trap on the host
            lines.append(f"  %low = icmp eq {of} %x, splat ({type_} {lowest})")
            lines.append(f"  %minus = icmp eq {of} %y, splat ({type_} -1)")
            lines.append(f"  %over = and {flags} %low, %minus\n  %bad = or {flags} %zero, %over")
        else:
            lines.append(f"  %bad = or {flags} %zero, zeroinitializer")
        lines.append(f"  %safe = select {flags} %bad, {of} splat ({type_} 1), {of} %y")
        lines += _through_i64(emitter, instruction, count) if bits == 64 else _through_f64(instruction, type_, count)
        at_zero = f"splat ({type_} -1)" if instruction.endswith("div") else "%x"
        lines.append(f"  %result = select {flags} %zero, {of} {at_zero}, {of} %made\n  ret {of} %result")
        emitter.definitions[name] = _function(name, of, f"{of} %x, {of} %y", lines)
    return name


def _function(name: str, result: str, arguments: str, lines: list[str], kind: str = "alwaysinline") -> str:
    return "\n".join([f"define internal {result} {name}({arguments}) memory(none) {kind} {{", *lines, "}", ""])


def _rest(instruction: str, of: str) -> str:
    """What is left by a quotient, as %made."""
    if instruction.endswith("div"):
        return f"  %made = add {of} %whole, zeroinitializer"
    return f"  %product = mul {of} %whole, %safe\n  %made = sub {of} %x, %product"


def _through_f64(instruction: str, type_: str, count: int) -> list[str]:
    """Of at most 32 bits: the f64 quotient, cut, is exact."""
    of, wide, half = f"<{count} x {type_}>", f"<{count} x double>", f"<{count} x i32>"
    kind, extended = ("s", "sext") if instruction.startswith("s") else ("u", "zext")
    lines = []
    for one in ("x", "safe"):
        widened = f"  %{one}.i = {extended} {of} %{one} to {half}" if type_ != "i32" else ""
        source = f"{half} %{one}.i" if widened else f"{of} %{one}"
        lines += [widened, f"  %{one}.f = {kind}itofp {source} to {wide}"]
    lines += [f"  %quotient = fdiv {wide} %x.f, %safe.f", f"  %cut = fpto{kind}i {wide} %quotient to {half}"]
    same = f"  %whole = add {half} %cut, zeroinitializer"
    lines.append(same if type_ == "i32" else f"  %whole = trunc {half} %cut to {of}")
    return [*lines, _rest(instruction, of)]


def _through_i64(emitter: Emitter, instruction: str, count: int) -> list[str]:
    """Where all lanes are below 2^51 the same, else one after the other."""
    of, wide = f"<{count} x i64>", f"<{count} x double>"
    emitter.declare(f"declare i1 @llvm.vector.reduce.and.v{count}i1(<{count} x i1>)")
    emitter.declare(f"declare {wide} @llvm.trunc.v{count}f64({wide})")
    far = _one_by_one(emitter, instruction, count)
    reach = f"splat (i64 {1 << _MOST_BITS})"
    limit = (1 << (_MOST_BITS + 1)) if instruction.startswith("s") else 1 << _MOST_BITS
    lines = []
    for one in ("x", "safe"):
        lines.append(f"  %{one}.up = add {of} %{one}, {reach if instruction.startswith('s') else 'zeroinitializer'}")
        lines.append(f"  %{one}.near = icmp ult {of} %{one}.up, splat (i64 {limit})")
    lines += [
        f"  %both = and <{count} x i1> %x.near, %safe.near",
        f"  %near.all = call i1 @llvm.vector.reduce.and.v{count}i1(<{count} x i1> %both)",
        "  br i1 %near.all, label %near, label %far\nnear:",
    ]
    for one in ("x", "safe"):
        lines.append(f"  %{one}.bits = add {of} %{one}, splat (i64 {_SHIFT})")
        lines.append(f"  %{one}.above = bitcast {of} %{one}.bits to {wide}")
        lines.append(f"  %{one}.f = fsub {wide} %{one}.above, splat (double {_SHIFTED})")
    lines += [
        f"  %quotient = fdiv {wide} %x.f, %safe.f",
        f"  %cut = call {wide} @llvm.trunc.v{count}f64({wide} %quotient)",
        f"  %cut.above = fadd {wide} %cut, splat (double {_SHIFTED})",
        f"  %cut.bits = bitcast {wide} %cut.above to {of}",
        f"  %quick = sub {of} %cut.bits, splat (i64 {_SHIFT})",
        f"  br label %done\nfar:\n  %slow = call {of} {far}({of} %x, {of} %safe)\n  br label %done\ndone:",
        f"  %whole = phi {of} [ %quick, %near ], [ %slow, %far ]",
    ]
    return [*lines, _rest(instruction, of)]


def _one_by_one(emitter: Emitter, instruction: str, count: int) -> str:
    """Quotients alone: what is left follows from them."""
    of, scalar = f"<{count} x i64>", f"{instruction[0]}div"
    name = f"@supa.{scalar}.far.v{count}"
    if name not in emitter.definitions:
        lines = [f"  %made = {scalar} {of} %x, %y\n  ret {of} %made"]
        emitter.definitions[name] = _function(name, of, f"{of} %x, {of} %y", lines, "noinline cold")
    return name


def _of_neighbours(emitter: Emitter, instruction: str, type_: str, count: int) -> str:
    """A function of base and divisor for base, base + 1, ...: at most one of them begins another quotient."""
    name = f"@supa.{instruction}.neighbours.{type_}.v{count}"
    if name not in emitter.definitions:
        general = _of_lanes(emitter, instruction, type_, count)
        of, flags, bits = f"<{count} x {type_}>", f"<{count} x i1>", llvm_bits(type_)
        ramp = "<" + ", ".join(f"{type_} {lane}" for lane in range(count)) + ">"
        most = 1 << (bits - 2)
        divides = instruction.endswith("div")

        def everywhere(one: str) -> str:
            return (
                f"  %{one}.one = insertelement {of} poison, {type_} %{one}, i64 0\n  %{one}.all = shufflevector {of} "
                f"%{one}.one, {of} poison, <{count} x i32> zeroinitializer"
            )

        lines = [
            everywhere("y"),
            f"  %beyond = sub {type_} %y, {count}",  # below the number of lanes several quotients begin
            f"  %y.fits = icmp ult {type_} %beyond, {most}\n  %x.fits = icmp ult {type_} %x, {most}",
            "  %fits = and i1 %y.fits, %x.fits\n  br i1 %fits, label %near, label %far\nnear:",
            f"  %q = udiv {type_} %x, %y\n  %product = mul {type_} %q, %y\n  %r = sub {type_} %x, %product",
            everywhere("r"),
            f"  %up = add {of} %r.all, {ramp}\n  %next = icmp uge {of} %up, %y.all",
        ]
        if divides:
            lines += [everywhere("q"), f"  %more = zext {flags} %next to {of}\n  %quick = add {of} %q.all, %more"]
        else:
            lines += [f"  %down = sub {of} %up, %y.all\n  %quick = select {flags} %next, {of} %down, {of} %up"]
        lines += [
            f"  ret {of} %quick\nfar:",
            everywhere("x"),
            f"  %x.lanes = add {of} %x.all, {ramp}",
            f"  %slow = call {of} {general}({of} %x.lanes, {of} %y.all)\n  ret {of} %slow",
        ]
        emitter.definitions[name] = _function(name, of, f"{type_} %x, {type_} %y", lines)
    return name
