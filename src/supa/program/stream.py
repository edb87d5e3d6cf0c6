"""Reading a stream of dynamic values along its `Work`: for people, tests and consumers.

`decode` yields every step of every block in the order in which the values were written, a `Repeat` spelled out.
Not here: the format itself, which is `program.work`'s docstring; speed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from supa.program.work import Access, Branch, Loop, Node, Repeat, Step, Work


@dataclass(frozen=True, kw_only=True)
class Touch:
    """The bytes that one access of one block touches."""

    address: int
    limits: tuple[int, ...]  # clamped to the shape
    strides_bytes: tuple[int, ...]
    element_bytes: int
    scattered_elements: int | None = None

    @property
    def elements(self) -> int:
        """How many elements are touched."""
        if self.scattered_elements is not None:
            return self.scattered_elements
        count = 1
        for limit in self.limits:
            count *= limit
        return count

    def addresses(self) -> list[int]:
        """The address of every element touched, in row-major order; not for scattered accesses."""
        if self.scattered_elements is not None:
            raise ValueError("a scattered access does not say which elements it touches")
        result = [self.address]
        for limit, stride in zip(self.limits, self.strides_bytes, strict=True):
            result = [at + index * stride for at in result for index in range(limit)]
        return result


class _Reader:
    def __init__(self, stream: Sequence[int], position: int) -> None:
        self.stream, self.position = stream, position

    def take(self, count: int) -> tuple[int, ...]:
        values = tuple(int(v) for v in self.stream[self.position : self.position + count])
        if len(values) != count:
            raise ValueError(f"the stream ends at {len(self.stream)}, {count} values wanted at {self.position}")
        self.position += count
        return values


def decode(work: Work, stream: Sequence[int], first_block: int = 0) -> Iterator[tuple[int, Step, tuple[int, ...]]]:
    """(block, step, values) for every step that blocks `first_block`, +1, .. execute, in order.

    Raises ValueError where the stream does not fit the work.
    """
    reader, block = _Reader(stream, 0), first_block
    while reader.position < len(stream):
        (length,) = reader.take(1)
        end = reader.position + length
        for step, values in _nodes(work.body, reader):
            yield block, step, values
        if reader.position != end:
            raise ValueError(f"block {block} has {length} values, the work reads {length + reader.position - end}")
        block += 1


def _nodes(nodes: tuple[Node, ...], reader: _Reader) -> Iterator[tuple[Step, tuple[int, ...]]]:
    for node in nodes:
        if isinstance(node, Repeat):
            yield from _repeat(node, reader)
        elif isinstance(node, Loop):
            (trips,) = reader.take(1)
            for _ in range(trips):
                yield from _nodes(node.body, reader)
        elif isinstance(node, Branch):
            (chosen,) = reader.take(1)
            yield from _nodes(node.then if chosen else node.otherwise, reader)
        else:
            yield node, reader.take(value_count(node))


def _repeat(node: Repeat, reader: _Reader) -> Iterator[tuple[Step, tuple[int, ...]]]:
    (trips,) = reader.take(1)
    if trips == 0:
        return
    counts = [value_count(step) for step in node.body]
    first, increments = reader.take(sum(counts)), reader.take(sum(counts))
    for trip in range(trips):
        position = 0
        for step, count in zip(node.body, counts, strict=True):
            ends = range(position, position + count)
            yield step, tuple(first[i] + trip * increments[i] for i in ends)
            position += count


def value_count(step: Step) -> int:
    """How many values a step takes from the stream."""
    return step.value_count if isinstance(step, Access) else 0


def touch(step: Access, values: Sequence[int]) -> Touch:
    """What an access touches, from its values."""
    if step.scattered:
        return Touch(
            address=values[0], limits=(), strides_bytes=(), element_bytes=step.element_bytes,
            scattered_elements=values[1],
        )  # fmt: skip
    pairs = zip(values[1::2], step.shape, strict=True)
    return Touch(
        address=values[0],
        limits=tuple(max(0, min(limit, extent)) for limit, extent in pairs),
        strides_bytes=tuple(values[2::2]),
        element_bytes=step.element_bytes,
    )
