"""From a work tree to the arrays that the machine walks. Not here: costs; the stream is used as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from supa.program.work import Access, Barrier, Branch, Exchange, Loop, Matrix, Node, Repeat, Step, Vector, Work
from supa.timing.machine import layout

MAX_RANK = 5
_ACCESS_KINDS = {"load": layout.LOAD, "store": layout.STORE, "atomic": layout.ATOMIC}
_OTHER_KINDS: dict[type[Step], int] = {
    Matrix: layout.MATRIX,
    Vector: layout.VECTOR,
    Exchange: layout.EXCHANGE,
    Barrier: layout.BARRIER,
}


def flatten(work: Work) -> layout.Tape:
    """The tape of a work tree; `ValueError` where the tree breaks its contract."""
    steps = tuple(work.steps())
    writer = _Writer(index={step.id: place for place, step in enumerate(steps)}, count=len(steps))
    if len(writer.index) != len(steps):
        raise ValueError("two steps of a work tree have the same id")
    writer.nodes(work.body, 0)
    writer.emit(layout.END)
    return _tape(writer, steps)


@dataclass
class _Writer:
    """Collects instructions in walking order."""

    index: dict[int, int]
    count: int
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


def _ragged(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of different lengths as (begins, values)."""
    begins = np.zeros(len(rows) + 1, np.int64)
    begins[1:] = np.cumsum([len(row) for row in rows])
    return begins, np.array([value for row in rows for value in row], np.int64)


def _tape(writer: _Writer, steps: Sequence[Step]) -> layout.Tape:
    columns = np.array(writer.rows, np.int64).T.copy()
    places = range(len(steps))
    accesses = [step if isinstance(step, Access) else None for step in steps]
    shape = np.zeros((len(steps), MAX_RANK), np.int64)
    for place, access in enumerate(accesses):
        if access is None:
            continue
        if len(access.shape) > MAX_RANK:
            raise ValueError(f"step {access.id}: an access of {len(access.shape)} dimensions, at most {MAX_RANK}")
        shape[place, : len(access.shape)] = access.shape
    wait_from, wait_on = _ragged([[writer.index[other] for other in step.waits] for step in steps])
    user_from, user = _ragged([writer.users.get(place, []) for place in places])

    def column(values: Sequence[int]) -> np.ndarray:
        return np.array(values, np.int64)

    return layout.Tape(
        op=columns[0],
        step=columns[1],
        jump=columns[2],
        values=columns[3],
        stages=columns[4],
        release=columns[5],
        kind=column([_kind(step) for step in steps]),
        value_count=column([_value_count(step) for step in steps]),
        value_offset=column([writer.offset.get(place, 0) for place in places]),
        pipelined=column([int(place in writer.pipelined) for place in places]),
        in_loop=column([writer.in_loop.get(place, -1) for place in places]),
        rank=column([len(access.shape) if access else 0 for access in accesses]),
        shape=shape,
        element_bytes=column([access.element_bytes if access else 0 for access in accesses]),
        by_tda=column([int(access is not None and access.engine == "tensor_data") for access in accesses]),
        scattered=column([int(access is not None and access.scattered) for access in accesses]),
        returns=column([int(access is not None and access.returns) for access in accesses]),
        wait_from=wait_from,
        wait_on=wait_on,
        user_from=user_from,
        user=user,
        depth=writer.depth,
        nesting=writer.nesting,
    )
