"""The machine's memory filled in for one launch: figures, tape, costs, idle servers, empty slots, cold tags.

Not here: what the words mean (`machine.layout`), where figures come from (`figures`), how they change (`machine`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from supa.arch import Chip
from supa.base import pages
from supa.base.errors import LaunchError
from supa.timing.machine import layout
from supa.timing.steps import EngineTimes
from supa.timing.tape import Tape

WHO_LIMIT = 1 << 14  # slots that an event can name


@dataclass(frozen=True, kw_only=True)
class Image:
    """The array and the addresses of its tables, to read results from."""

    words: np.ndarray
    tables: Mapping[str, int]
    tags: int
    cu_count: int
    step_count: int
    partitions: int
    slices: int
    channels: int
    spcs: int
    dies: int

    def table(self, name: str, rows: int, width: int) -> np.ndarray:
        """A table as int64[rows, width], a view."""
        begin = self.tables[name]
        return self.words[begin : begin + rows * width].reshape(rows, width)

    @property
    def cus(self) -> np.ndarray:
        """int64[CUs, CU_WIDTH]."""
        return self.table("cus", self.cu_count, layout.CU_WIDTH)

    @property
    def steps(self) -> np.ndarray:
        """int64[steps, STEP_WIDTH]."""
        return self.table("steps", self.step_count, layout.STEP_WIDTH)

    @property
    def counts(self) -> dict[str, int]:
        """Everything that was counted, by the names in `layout.COUNTERS`."""
        values = self.words[layout.COUNTS : layout.COUNTS + len(layout.COUNTERS)]
        return {name: int(value) for name, value in zip(layout.COUNTERS, values, strict=True)}

    def without_tags(self) -> Image:
        """The same without its tags, most of its memory: what is read of a simulation that has ended."""
        return replace(self, words=self.words[: self.tags].copy())

    def add(self, measured: np.ndarray, numerator: int, denominator: int) -> None:
        """Add a share of what was counted over some stretch: int64[words before the slots] of differences."""
        more = replace(self, words=measured * numerator // denominator)
        header = slice(layout.COUNTS, layout.ADDRESS)
        self.words[header] += more.words[header]
        self.steps[:, layout.BUSY_SUM_PS :][:, :2] += more.steps[:, layout.BUSY_SUM_PS :][:, :2]
        self.cus[:, layout.ENGINE_BUSY :] += more.cus[:, layout.ENGINE_BUSY :]


def build(
    chip: Chip, figures: Mapping[str, int], tape: Tape, times: EngineTimes, slots_per_cu: int, blocks: int
) -> Image:
    """An idle machine with cold caches, ready for a grid of `blocks`."""
    slots = max(min(chip.cu_count * slots_per_cu, blocks), 1)
    if slots > WHO_LIMIT:
        raise LaunchError(f"{slots} blocks would be resident at once on {chip.name}; the clock follows {WHO_LIMIT}")
    steps = len(tape.steps)
    depth = tape.depth + 1
    fields = layout.LEVELS + tape.nesting + 1
    slot_width = fields + steps + steps * depth
    partitions, slices, channels = figures["partitions"], figures["slices"], figures["channels"]
    sizes = {
        "ops": tape.ops.size,
        "steps": steps * layout.STEP_WIDTH,
        "lists": tape.lists.size,
        "order": chip.cu_count,
        "cus": chip.cu_count * layout.CU_WIDTH,
        "spcs": chip.spc_count * layout.SPC_WIDTH,
        "partitions": partitions * layout.PARTITION_WIDTH,
        "dies": chip.die.count,
        "slices": partitions * slices,
        "channels": channels,
        "fetches": layout.FETCH_COUNT * layout.FETCH_WIDTH,
        "slots": slots * slot_width,
        "heap": slots * (tape.depth + 2) + 2,
    }
    tables, place = {}, layout.HEADER_LENGTH
    for name in layout.TABLES:
        tables[name] = place
        place += sizes[name]
    words = pages.zeros(place + partitions * figures["sets"] * figures["ways"])
    words[place:] = -1
    words[: len(layout.FIGURES)] = [figures[name] for name in layout.FIGURES]
    words[layout.OPS : layout.OPS + len(layout.TABLES)] = [tables[name] for name in layout.TABLES]
    words[layout.TAGS] = place
    words[layout.SLOT_COUNT], words[layout.SLOT_WIDTH] = slots, slot_width
    words[layout.STEP_COUNT], words[layout.DEPTH] = steps, tape.depth
    image = Image(
        words=words, tables=tables, tags=place, cu_count=chip.cu_count, step_count=steps, partitions=partitions,
        slices=slices, channels=channels, spcs=chip.spc_count, dies=chip.die.count,
    )  # fmt: skip
    _fill_tape(image, tape, times)
    _fill_chip(image, chip)
    _fill_slots(image, slots, slot_width, fields, steps)
    return image


def _fill_tape(image: Image, tape: Tape, times: EngineTimes) -> None:
    """Instructions, steps and lists, their indices turned into addresses."""
    first_step, first_op, first_list = (image.tables[name] for name in ("steps", "ops", "lists"))

    def of_steps(indices: np.ndarray) -> np.ndarray:
        return np.where(indices < 0, -1, first_step + indices * layout.STEP_WIDTH)

    def of_ops(indices: np.ndarray) -> np.ndarray:
        return np.where(indices < 0, -1, first_op + indices * layout.OP_WIDTH)

    ops = image.table("ops", len(tape.ops), layout.OP_WIDTH)
    ops[:] = tape.ops
    for column in (layout.OP_STEP, layout.OP_RELEASE):
        ops[:, column] = of_steps(tape.ops[:, column])
    ops[:, layout.OP_JUMP] = of_ops(tape.ops[:, layout.OP_JUMP])
    steps = image.steps
    steps[:] = tape.steps
    steps[:, layout.IN_LOOP] = of_ops(tape.steps[:, layout.IN_LOOP])
    for column in (layout.WAIT_FROM, layout.WAIT_TO, layout.USER_FROM, layout.USER_TO):
        steps[:, column] += first_list
    steps[:, layout.BUSY_PS : layout.BUSY_PS + layout.ENGINE_COUNT] = times.busy_ps
    steps[:, layout.OWN_PS : layout.OWN_PS + layout.ENGINE_COUNT] = times.own_ps
    steps[:, layout.LATENCY_PS] = times.latency_ps
    image.words[first_list : first_list + len(tape.lists)] = of_steps(tape.lists)


def _fill_chip(image: Image, chip: Chip) -> None:
    """Where each CU sits, and the order in which the dispatcher fills them: round the SPCs, a CU of each in turn."""
    spc = np.repeat(np.arange(chip.spc_count), chip.cus_by_spc)
    within = np.concatenate([np.arange(count) for count in chip.cus_by_spc])
    image.words[image.tables["order"] :][: chip.cu_count] = np.lexsort((spc, within))
    image.cus[:, layout.CU_SPC] = spc
    image.cus[:, layout.CU_PARTITION] = spc * image.partitions // chip.spc_count
    partitions = image.table("partitions", image.partitions, layout.PARTITION_WIDTH)
    partitions[:, layout.PARTITION_DIE] = np.arange(image.partitions) * chip.die.count // image.partitions


def _fill_slots(image: Image, slots: int, width: int, fields: int, steps: int) -> None:
    """Empty slots, and where each keeps its steps' finish times."""
    table = image.table("slots", slots, width)
    begin = image.tables["slots"] + np.arange(slots) * width
    table[:, layout.BLOCK] = -1
    table[:, layout.DONE] = begin + fields
    table[:, layout.RING] = begin + fields + steps
