"""From a work tree to the arrays that the machine walks. Not here: costs; the stream is used as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from supa.program.work import Access, Barrier, Branch, Exchange, Loop, Matrix, Node, Repeat, Step, Vector, Work
from supa.timing.machine import layout

_ACCESS_KINDS = {"load": layout.LOAD, "store": layout.STORE, "atomic": layout.ATOMIC}
_OTHER_KINDS: dict[type[Step], int] = {
    Matrix: layout.MATRIX,
    Vector: layout.VECTOR,
    Exchange: layout.EXCHANGE,
    Barrier: layout.BARRIER,
}


def flatten(work: Work) -> Tape:
    """The tape of a work tree; `ValueError` where the tree breaks its contract."""
    steps = tuple(work.steps())
    writer = _Writer(index={step.id: place for place, step in enumerate(steps)})
    if len(writer.index) != len(steps):
        raise ValueError("two steps of a work tree have the same id")
    writer.nodes(work.body, 0)
    writer.emit(layout.END)
    return _tape(writer, steps)


@dataclass(frozen=True, kw_only=True)
class Tape:
    """Tables as `machine.layout` describes them, with positions where the machine's memory has addresses."""

    ops: np.ndarray  # int64[instructions, OP_WIDTH]
    steps: np.ndarray  # int64[steps, STEP_WIDTH]
    lists: np.ndarray  # int64[...]: waits and users of every step
    depth: int  # of the deepest software pipeline
    nesting: int  # of loops


@dataclass
class _Writer:
    """Collects instructions in walking order."""

    index: dict[int, int]
    rows: list[list[int]] = field(default_factory=list)  # op, step, jump, values, stages, release
    pipelined: set[int] = field(default_factory=set)
    offset: dict[int, int] = field(default_factory=dict)
    in_loop: dict[int, int] = field(default_factory=dict)
    users: dict[int, list[int]] = field(default_factory=dict)
    depth: int = 1
    nesting: int = 0

    def emit(self, op: int, step: int = -1, jump: int = -1) -> int:
        self.rows.append([op, step, jump, 0, 1, -1])
        return len(self.rows) - 1

    def nodes(self, body: Sequence[Node], level: int) -> None:
        self.nesting = max(self.nesting, level)
        for node in body:
            if isinstance(node, Step):
                self.emit(layout.STEP, self.index[node.id])
            elif isinstance(node, Branch):
                self._branch(node, level)
            elif isinstance(node, Repeat) or all(isinstance(inner, Step) for inner in node.body):
                self._flat(node)
            else:
                begin = self.emit(layout.LOOP)
                self.nodes(node.body, level + 1)
                self.emit(layout.END_LOOP, jump=begin)
                self.rows[begin][2] = len(self.rows)

    def _branch(self, node: Branch, level: int) -> None:
        begin = self.emit(layout.BRANCH)
        self.nodes(node.then, level)
        over = self.emit(layout.JUMP)
        self.rows[begin][2] = len(self.rows)
        self.nodes(node.otherwise, level)
        self.rows[over][2] = len(self.rows)

    def _flat(self, node: Repeat | Loop) -> None:
        """A loop whose body is steps only: its values are found by arithmetic, its loads can run ahead."""
        body = [inner for inner in node.body if isinstance(inner, Step)]
        begin = self.emit(layout.REPEAT if isinstance(node, Repeat) else layout.FLAT_LOOP)
        self.depth = max(self.depth, node.stages)
        values = 0
        for step in body:
            place = self.index[step.id]
            self.offset[place] = values
            self.in_loop[place] = begin
            values += _value_count(step)
            self.emit(layout.STEP, place)
            if isinstance(step, Access) and step.kind == "load" and step.asynchronous:
                self._pipeline(step, body)
        self.emit(layout.END_FLAT, jump=begin)
        loads = self.pipelined & {self.index[step.id] for step in body}
        release = max((user for load in loads for user in self.users[load]), default=-1)
        self.rows[begin][2:] = [len(self.rows), values, max(node.stages, 1), release]

    def _pipeline(self, load: Access, body: Sequence[Step]) -> None:
        """A load runs ahead when a later step of its loop uses it: the user frees the buffer."""
        users = [self.index[step.id] for step in body if load.id in step.waits and step.id > load.id]
        if users:
            self.pipelined.add(self.index[load.id])
            self.users[self.index[load.id]] = users


def _value_count(step: Step) -> int:
    return step.value_count if isinstance(step, Access) else 0


def _kind(step: Step) -> int:
    return _ACCESS_KINDS[step.kind] if isinstance(step, Access) else _OTHER_KINDS[type(step)]


def _tape(writer: _Writer, steps: Sequence[Step]) -> Tape:
    table = np.zeros((len(steps), layout.STEP_WIDTH), np.int64)
    lists: list[int] = []
    for place, step in enumerate(steps):
        row = table[place]
        row[layout.KIND], row[layout.INDEX] = _kind(step), place
        row[layout.VALUE_COUNT], row[layout.VALUE_OFFSET] = _value_count(step), writer.offset.get(place, 0)
        row[layout.PIPELINED], row[layout.IN_LOOP] = place in writer.pipelined, writer.in_loop.get(place, -1)
        row[layout.WAIT_FROM] = len(lists)
        lists += [writer.index[other] for other in step.waits]
        row[layout.WAIT_TO] = row[layout.USER_FROM] = len(lists)
        lists += writer.users.get(place, [])
        row[layout.USER_TO] = len(lists)
        if isinstance(step, Access):
            _fill_access(row, step)
    return Tape(
        ops=np.array(writer.rows, np.int64),
        steps=table,
        lists=np.array(lists, np.int64),
        depth=writer.depth,
        nesting=writer.nesting,
    )


def _fill_access(row: np.ndarray, access: Access) -> None:
    rank = len(access.shape)
    if rank > layout.MAX_RANK:
        raise ValueError(f"step {access.id}: an access of {rank} dimensions, at most {layout.MAX_RANK}")
    row[layout.RANK] = rank
    row[layout.SHAPE : layout.SHAPE + rank] = access.shape
    row[layout.ELEMENT_BYTES] = access.element_bytes
    row[layout.BY_TDA] = access.engine == "tensor_data"
    row[layout.SCATTERED] = access.scattered
    row[layout.RETURNS] = access.returns
    row[layout.PIECE_BYTES] = access.piece_bytes
    row[layout.MULTICAST] = access.multicast
