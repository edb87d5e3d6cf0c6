"""Figures that follow others: what a description leaves unsaid about a figure that hangs on one it states.

A card of a generation is described by its datasheet: a clock, a bus, a cap. The clocks of its matrix engine and of its
L2 are then the same shares of the core's as on the chip it inherits from, not that chip's megahertz. What is stated
stays as it is. Not here: where the figures come from (`shelf`, `whatif`), whether they can go together (`checks`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from supa.arch.source import Figure
from supa.base.units import UnitError, parse, parse_number

Number = Fraction


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`follower` takes `value(its old figure, the leader's old one, the leader's new one)` where only `leader` is new.

    Figures are in the units of `units`, the leader's and the follower's; "" for plain numbers.
    """

    leader: str
    follower: str
    units: tuple[str, str]
    words: str
    value: Callable[[Number, Number, Number], Number]


def _share(old: Number, before: Number, after: Number) -> Number:
    return Fraction(max(round(old * after / before), 1))


def _at_most(old: Number, before: Number, after: Number) -> Number:
    return min(old, after)


def _at_most_half(old: Number, before: Number, after: Number) -> Number:
    return min(old, after / 2)


def _clock(follower: str) -> Rule:
    return Rule(
        leader="clocks.boost", follower=follower, units=("Hz", "Hz"), words="the same share of it", value=_share
    )


def _watts(follower: str) -> Rule:
    words = "at most half of it"
    return Rule(leader="board.power_cap", follower=follower, units=("W", "W"), words=words, value=_at_most_half)


RULES = (
    _clock("clocks.matrix"),
    _clock("clocks.l2"),
    _clock("sustained.matrix"),
    Rule(leader="clocks.boost", follower="clocks.nominal", units=("Hz", "Hz"), words="no more than it", value=_at_most),
    Rule(leader="hbm.stack_count", follower="hbm.bus", units=("", "bit"), words="stacks as wide", value=_share),
    Rule(leader="hbm.bus", follower="hbm.channel_count", units=("bit", ""), words="channels as wide", value=_share),
    _watts("power.static"),
    _watts("power.idle"),
)
"""In the order in which they are followed: a follower may lead the next one."""


def following(base: Mapping[str, Figure], stated: Mapping[str, Figure]) -> dict[str, Figure]:
    """What follows from the figures `stated` over those of `base`: the followers alone, marked as derived.

    A figure that can not be read is left to the checks, which name its line.
    """
    new = dict(stated)
    for rule in RULES:
        if rule.leader in new and rule.follower not in stated and rule.follower in base and rule.leader in base:
            figure = _followed(rule, base, new[rule.leader])
            if figure is not None:
                new[rule.follower] = figure
    return {path: figure for path, figure in new.items() if path not in stated}


def _followed(rule: Rule, base: Mapping[str, Figure], leader: Figure) -> Figure | None:
    leader_unit, unit = rule.units
    try:
        old = _number(base[rule.follower].text, unit)
        value = rule.value(old, _number(base[rule.leader].text, leader_unit), _number(leader.text, leader_unit))
    except (UnitError, ZeroDivisionError):
        return None
    if value == old:
        return None
    written = str(value.numerator) if value.denominator == 1 else str(float(value))
    note = f"follows {rule.leader}: {rule.words} (was {base[rule.follower].text})"
    return Figure(text=f"{written} {unit}".strip(), kind="derived", note=note, file=base[rule.follower].file)


def _number(text: str, unit: str) -> Number:
    return parse(text, unit) if unit else parse_number(text)
