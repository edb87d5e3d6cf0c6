"""The control-flow graph of a region: order of its blocks, what reaches what, where paths meet. Changes nothing.

Only acyclic graphs: Triton's loops are structured, its branches at function level go forward.
"""

from __future__ import annotations

from supa.base.errors import UnsupportedError
from supa.compiler.ttir.structure import MlirBlock, MlirRegion

_SHORT_END_OPS = 8


class Graph:
    """A region's blocks in topological order. The position after the last block is the exit of the region."""

    def __init__(self, region: MlirRegion) -> None:
        self.blocks = _in_order(region.entry)
        self.exit = len(self.blocks)
        self.position = {block: index for index, block in enumerate(self.blocks)}
        self._short_ends = sum(1 << index for index, block in enumerate(self.blocks) if _is_short_end(block))
        self._after: list[int] = [0] * self.exit + [1 << self.exit]  # bit set: reachable positions, own included
        self._always: list[int] = [0] * self.exit + [1 << self.exit]  # bit set: positions that every path passes
        for index in range(self.exit - 1, -1, -1):
            targets = self.targets(index)
            after, always = 0, -1
            for target in targets:
                after |= self._after[target]
                always &= self._always[target]
            self._after[index] = after | 1 << index
            self._always[index] = always | 1 << index

    def targets(self, position: int) -> list[int]:
        """Where the block's end goes: positions of blocks, or the exit."""
        successors = self.blocks[position].ops[-1].successors
        return [self.position[block] for block in successors] or [self.exit]

    def merge(self, position: int) -> int:
        """The first position after the block that every path from it passes (its immediate post-dominator)."""
        return _lowest_bit(self._always[position] & ~(1 << position))

    def join(self, position: int) -> int:
        """The first position that both ways of a branch can reach.

        Short blocks that leave the region do not count, unless every path passes them: they are cheaper to repeat than
        to guard.
        """
        left, right = self.targets(position)
        common = self._after[left] & self._after[right]
        return _lowest_bit(common & ~self._short_ends | 1 << self.merge(position))


def _is_short_end(block: MlirBlock) -> bool:
    return not block.ops[-1].successors and len(block.ops) <= _SHORT_END_OPS


def _lowest_bit(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def _in_order(entry: MlirBlock) -> list[MlirBlock]:
    """The blocks that can be reached, each before its successors."""
    done: list[MlirBlock] = []
    finished: set[MlirBlock] = set()
    open_: set[MlirBlock] = {entry}
    stack = [(entry, iter(entry.ops[-1].successors))]
    while stack:
        block, successors = stack[-1]
        successor = next(successors, None)
        if successor is None:
            stack.pop()
            open_.discard(block)
            finished.add(block)
            done.append(block)
        elif successor in open_:
            location = block.ops[-1].location
            raise UnsupportedError("a jump backwards is not supported", location, "write the loop as for or while")
        elif successor not in finished:
            open_.add(successor)
            stack.append((successor, iter(successor.ops[-1].successors)))
    return done[::-1]
