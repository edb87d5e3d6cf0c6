"""Element-wise code generation on `Vec`s: emits scalar or vector instructions at the right loop level.

Not here: what tile operations mean (`tiles`), the functions' table (`elements`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from supa.compiler.native.emitter import Emitter, llvm_bits
from supa.compiler.native.vec import Cut, Vec, bent, constant, uniform, vector


def suffix(type_: str) -> str:
    """The part of an intrinsic's name that LLVM derives from a scalar or vector type."""
    if type_.startswith("<"):
        count, element = type_[1:-1].split(" x ")
        return f"v{count}{suffix(element)}"
    return {"float": "f32", "double": "f64", "half": "f16"}.get(type_, type_)


_INDEX_BITS = 32  # integers of fewer bits often wrap, also from one lane to the next


class Lanes:
    """Emits code for `count` elements at once; `sinks[level]` receives what loop level `level` computes."""

    def __init__(self, emitter: Emitter, count: int, sinks: list[list[str]]) -> None:
        self.emitter = emitter
        self.count = count
        self.sinks = sinks
        self.spacings: dict[tuple[Vec, int], tuple[Vec, Vec]] = {}  # what `spacing` has found
        self.befores: dict[Cut, Vec] = {}  # what `before` has made

    def emit(self, level: int, text: str) -> str:
        """An instruction with a value at `level`."""
        name = self.emitter.fresh()
        self.sinks[level].append(f"  {name} = {text}")
        return name

    def run(self, level: int, text: str) -> None:
        """An instruction without a value at `level`."""
        self.sinks[level].append("  " + text)

    def vector_type(self, element: str) -> str:
        """LLVM's name of a vector of our width."""
        return f"<{self.count} x {element}>"

    def splat(self, type_: str, name: str, level: int) -> str:
        """A vector with the scalar `name` in every lane."""
        if not name.startswith("%"):
            return f"splat ({type_} {name})"
        vector_type = self.vector_type(type_)
        one = self.emit(level, f"insertelement {vector_type} poison, {type_} {name}, i64 0")
        return self.emit(
            level, f"shufflevector {vector_type} {one}, {vector_type} poison, <{self.count} x i32> zeroinitializer"
        )

    def iota(self, type_: str, step: int = 1) -> str:
        """The constant vector 0, step, 2 step, ..."""
        return "<" + ", ".join(f"{type_} {lane * step}" for lane in range(self.count)) + ">"

    def widen(self, vec: Vec) -> str:
        """The vector's name, whatever the kind of `vec`."""
        if vec.kind == "vector":
            return vec.name
        if vec.is_uniform:
            return self.splat(vec.type, vec.name, vec.level)
        if vec.pieces is not None and vec.cut is not None:
            low, high = vec.pieces
            return self.select(self.before(vec.cut), self.as_vector(low), self.as_vector(high)).name
        base = self.splat(vec.type, vec.name, vec.level)
        vector_type = self.vector_type(vec.type)
        if isinstance(vec.step, int):
            return self.emit(vec.level, f"add {vector_type} {base}, {self.iota(vec.type, vec.step)}")
        steps = self.splat(vec.type, vec.step, vec.level)
        ramp = self.emit(vec.level, f"mul {vector_type} {steps}, {self.iota(vec.type)}")
        return self.emit(vec.level, f"add {vector_type} {base}, {ramp}")

    def as_vector(self, vec: Vec) -> Vec:
        """`vec` as a plain vector."""
        return vec if vec.kind == "vector" else vector(vec.type, self.widen(vec), vec.level)

    def apply(self, template: str, operands: Sequence[Vec], result: str, level: int = 0) -> Vec:
        """One instruction on scalars if all operands are uniform, else on vectors.

        In `template` {t} is the (scalar or vector) type of the first operand, {r} the result's, {0} ... the names.
        """
        level = max([level, *(operand.level for operand in operands)])
        if all(operand.is_uniform for operand in operands):
            names = [operand.name for operand in operands]
            text = template.format(*names, t=operands[0].type, r=result)
            return uniform(result, self.emit(level, text), level)
        names = [self.widen(operand) for operand in operands]
        text = template.format(*names, t=self.vector_type(operands[0].type), r=self.vector_type(result))
        return vector(result, self.emit(level, text), level)

    def intrinsic(self, name: str, operands: Sequence[Vec], result: str = "", extra: str = "") -> Vec:
        """Calls an LLVM intrinsic overloaded on the first operand's type (and on the result's if it differs)."""
        result = result or operands[0].type
        scalar = all(operand.is_uniform for operand in operands)
        level = max(operand.level for operand in operands)
        shape = (lambda type_: type_) if scalar else self.vector_type
        names = [operand.name if scalar else self.widen(operand) for operand in operands]
        types = [shape(operand.type) for operand in operands]
        overloads = [shape(result), types[0]] if result != operands[0].type else [types[0]]
        full = f"@llvm.{name}." + ".".join(map(suffix, overloads))
        extra_type = extra.split()[0] if extra else ""
        self.emitter.declare(f"declare {shape(result)} {full}({', '.join([*types, extra_type] if extra else types)})")
        arguments = [f"{type_} {value}" for type_, value in zip(types, names, strict=True)]
        text = f"call {shape(result)} {full}({', '.join([*arguments, extra] if extra else arguments)})"
        made = self.emit(level, text)
        return uniform(result, made, level) if scalar else vector(result, made, level)

    # ---- integers with linear forms ------------------------------------------------------------------------

    def add(self, left: Vec, right: Vec) -> Vec:
        """left + right, linear where possible."""
        if left.constant == 0:
            return right.at_level(left.level)
        if right.constant == 0:
            return left.at_level(right.level)
        if left.constant is not None and right.constant is not None:
            return self._wrapped(left.type, left.constant + right.constant)
        if left.is_bent or right.is_bent:
            return self.bend(self.add, left, right)
        if "vector" in (left.kind, right.kind) or (left.is_uniform and right.is_uniform):
            total = self.apply("add {t} {0}, {1}", (left, right), left.type)
            return self._with_parts(total, left, right) if total.kind == "vector" else total
        level = max(left.level, right.level)
        base = left.name if right.name == "0" else right.name if left.name == "0" else ""
        base = base or self.emit(level, f"add {left.type} {left.name}, {right.name}")
        return Vec("linear", left.type, base, level, self._add_steps(left, right, level))

    def _with_parts(self, total: Vec, left: Vec, right: Vec) -> Vec:
        """Remember that a sum is uniform + vector: what only the vector decides can be computed further out."""
        if left.is_uniform:
            left, right = right, left
        if left.kind != "vector" or not right.is_uniform:
            return total
        base, offsets = left.parts or (constant(left.type, 0), left)
        return replace(total, parts=(self.add(base, right), offsets))

    def _add_steps(self, left: Vec, right: Vec, level: int) -> int | str:
        if isinstance(left.step, int) and isinstance(right.step, int):
            return left.step + right.step
        if left.step == 0:
            return right.step
        if right.step == 0:
            return left.step
        return self.emit(level, f"add {left.type} {left.step}, {right.step}")

    def sub(self, left: Vec, right: Vec) -> Vec:
        """left - right, linear where possible."""
        if right.constant is not None:
            return self.add(left, constant(left.type, -right.constant))
        if left.is_bent or right.is_bent:
            return self.bend(self.sub, left, right)
        if left.is_linear and right.is_uniform:
            level = max(left.level, right.level)
            return Vec(
                "linear", left.type, self.emit(level, f"sub {left.type} {left.name}, {right.name}"), level, left.step
            )
        return self.apply("sub {t} {0}, {1}", (left, right), left.type)

    def mul(self, left: Vec, right: Vec) -> Vec:
        """left * right, linear where possible."""
        if left.constant is not None and right.constant is not None:
            return self._wrapped(left.type, left.constant * right.constant)
        if left.constant is not None:
            left, right = right, left
        if right.constant == 1:
            return left
        if right.constant == 0:
            return constant(left.type, 0)
        if left.is_bent or right.is_bent:
            return self.bend(self.mul, left, right)
        if left.is_uniform and right.is_linear:
            left, right = right, left
        if left.is_linear and right.is_uniform:
            level = max(left.level, right.level)
            base = "0" if left.name == "0" else self.emit(level, f"mul {left.type} {left.name}, {right.name}")
            return Vec("linear", left.type, base, level, self._scale_step(left, right, level))
        product = self.apply("mul {t} {0}, {1}", (left, right), left.type)
        if left.is_uniform:
            left, right = right, left
        if left.parts is None or not right.is_uniform:
            return product
        return replace(product, parts=(self.mul(left.parts[0], right), self.mul(left.parts[1], right)))

    def _scale_step(self, linear: Vec, factor: Vec, level: int) -> int | str:
        if isinstance(linear.step, int):
            if factor.constant is not None:
                return linear.step * factor.constant
            if linear.step == 1:
                return factor.name
        return self.emit(level, f"mul {linear.type} {linear.step}, {factor.name}")

    def _wrapped(self, type_: str, value: int) -> Vec:
        bits = llvm_bits(type_)
        value &= (1 << bits) - 1
        return constant(type_, value - (1 << bits) if value >> (bits - 1) else value)

    def resize(self, vec: Vec, type_: str, kind: str) -> Vec:
        """trunc, sext or zext to another integer type; linear i32 values are taken not to wrap within a vector."""
        if vec.type == type_:
            return vec
        if vec.is_bent:
            return self.bend(lambda piece: self.resize(piece, type_, kind), vec)
        wraps = type_ == "i1" or (kind == "sext" and llvm_bits(vec.type) < _INDEX_BITS)
        if wraps and not vec.is_uniform:
            return self.apply(f"{kind} {{t}} {{0}} to {{r}}", (self.as_vector(vec),), type_)
        if vec.constant is not None and kind == "sext" and vec.type != "i1":
            return constant(type_, vec.constant)
        if vec.constant is not None and kind == "trunc":
            return self._wrapped(type_, vec.constant)
        if not vec.is_linear or kind == "zext":
            whole = self.apply(f"{kind} {{t}} {{0}} to {{r}}", (vec,), type_)
            if vec.parts is None or kind == "zext":
                return whole
            return replace(
                whole, parts=(self.resize(vec.parts[0], type_, kind), self.resize(vec.parts[1], type_, kind))
            )
        base = (
            vec.name
            if not vec.name.startswith("%")
            else self.emit(vec.level, f"{kind} {vec.type} {vec.name} to {type_}")
        )
        step = vec.step
        if isinstance(step, str):
            step = self.emit(vec.level, f"{kind} {vec.type} {step} to {type_}")
        return Vec("linear", type_, base, vec.level, step)

    # ---- two pieces ------------------------------------------------------------------------------------------

    def bend(self, function: Callable[..., Vec], *operands: Vec) -> Vec:
        """`function` of operands some of which are bent: of each piece by itself, where one cut is in them all."""
        cuts = {operand.cut for operand in operands if operand.is_bent}
        if len(cuts) == 1 and all(operand.kind != "vector" for operand in operands):
            sides = [
                function(*(one.pieces[side] if one.pieces is not None else one for one in operands)) for side in (0, 1)
            ]
            cut = cuts.pop()
            if cut is not None and all(side.is_uniform or side.is_linear for side in sides) and sides[0].type != "i1":
                return bent(cut, sides[0], sides[1])
        return function(*(self.as_vector(operand) if operand.is_bent else operand for operand in operands))

    def before(self, cut: Cut) -> Vec:
        """Which lanes come before a cut."""
        known = self.befores.get(cut)
        if known is None:
            lanes = vector(cut.type, self.iota(cut.type), 0)
            known = self.apply("icmp ult {t} {0}, {1}", (lanes, uniform(cut.type, cut.name, cut.level)), "i1")
            self.befores[cut] = known
        return known

    # ---- choices ---------------------------------------------------------------------------------------------

    def select(self, condition: Vec, left: Vec, right: Vec) -> Vec:
        """left where condition holds, else right."""
        level = max(condition.level, left.level, right.level)
        if condition.is_uniform and left.is_uniform and right.is_uniform:
            text = f"select i1 {condition.name}, {left.type} {left.name}, {left.type} {right.name}"
            return uniform(left.type, self.emit(level, text), level)
        vector_type = self.vector_type(left.type)
        flag = f"i1 {condition.name}" if condition.is_uniform else f"{self.vector_type('i1')} {condition.name}"
        text = f"select {flag}, {vector_type} {self.widen(left)}, {vector_type} {self.widen(right)}"
        return vector(left.type, self.emit(level, text), level)

    def spacing(self, addresses: Vec, size: int) -> tuple[Vec, Vec]:
        """Of a vector of i64 addresses: whether each lies `size` bytes after the one before, and the first."""
        known = self.spacings.get((addresses, size))
        if known is not None:
            return known
        level, type_ = addresses.level, self.vector_type("i64")
        first = self.emit(level, f"extractelement {type_} {addresses.name}, i64 0")
        ramp = self.widen(Vec("linear", "i64", first, level, size))
        same = self.emit(level, f"icmp eq {type_} {addresses.name}, {ramp}")
        flags = self.vector_type("i1")
        self.emitter.declare(f"declare i1 @llvm.vector.reduce.and.v{self.count}i1({flags})")
        flag = self.emit(level, f"call i1 @llvm.vector.reduce.and.v{self.count}i1({flags} {same})")
        self.spacings[addresses, size] = uniform("i1", flag, level), uniform("i64", first, level)
        return self.spacings[addresses, size]
