"""Operations as a good library launches them, priced on the event-driven machine. Not here: ranking schedules.

The outline ranks the schedules of a product and of attention; the one it puts first is walked, block by block. What
`outline` prices in closed form is priced here under the same names, by the same figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from supa.arch import Device
from supa.base.dtypes import DTYPES
from supa.timing import mechanisms, outline
from supa.timing.fitting import fitted
from supa.timing.outline.attention import MOST_PLANNED, PLANNED_AT_ONCE, Heads, best_parts, packs, tile_of
from supa.timing.outline.collective import Collective
from supa.timing.outline.estimate import Estimate
from supa.timing.outline.gemm import Candidate, best
from supa.timing.outline.rates import Rates
from supa.timing.outline.rows import GONE
from supa.timing.prediction import Prediction
from supa.timing.pricing import price
from supa.timing.workloads import attention as attending
from supa.timing.workloads import elementwise, rows
from supa.timing.workloads.elementwise import Element
from supa.timing.workloads.gemm import Tiling, dots
from supa.timing.workloads.gemm import gemm as product
from supa.timing.workloads.kernel import Kernel

WIDTH = 2
CACHE_THREADS, CACHE_LOADS = 512, 5
OF_WIDTH: Mapping[int, Element] = MappingProxyType({1: "i8", 2: "f16", 4: "f32"})
MANY_BLOCKS_ROWS = 64  # query rows of a group of warps


@dataclass(frozen=True, kw_only=True)
class Library:
    """What prices operations on one device; `rates` is its outline."""

    device: Device
    rates: Rates

    @classmethod
    def of(cls, device: Device, tensor_format: str = "bf16") -> Library:
        """The library of a device."""
        return cls(device=device, rates=outline.rates(device, tensor_format))

    def walk(self, kernel: Kernel, *, repeated: bool = False) -> Prediction:
        """One launch on the machine; `repeated`: it finds the L2 as itself has left it."""
        work, resources = fitted(kernel.work, kernel.resources, self.device)
        caches = "warm" if repeated else "cold"
        return price(self.device, work, resources, kernel.grid, kernel.stream, caches=caches, warm=kernel.warm)  # type: ignore[arg-type]

    def chained(self, kernels: Iterable[Kernel], schedule: str) -> Estimate:
        """Kernels behind each other in a stream: the first one's launch, then gaps."""
        chip = self.device.chip
        found = [self.walk(kernel) for kernel in kernels]
        time = sum(one.time_ps - one.launch_ps for one in found) + chip.launch.latency_ps
        time += (len(found) - 1) * chip.launch.gap_ps
        saved_ps = sum(one.time_ps for one in found) - time
        energy = sum(one.energy_pj for one in found) - saved_ps * chip.power.static_w
        longest = max(found, key=lambda one: one.time_ps)
        bound = "launch" if 2 * (longest.time_ps - longest.launch_ps) < time else longest.bound_by
        return Estimate(time_s=time * 1e-12, energy_j=energy * 1e-12, bound_by=bound, schedule=schedule)

    def gemm(self, m: int, n: int, k: int) -> Estimate:
        """As `outline.gemm`."""
        found, chosen = best(self.rates, m, n, k)
        kernel = dots(max(m, n), k) if chosen.dots else self.product(m, n, k, chosen)
        return self.chained([kernel], found.schedule)

    def product(self, m: int, n: int, k: int, chosen: Candidate) -> Kernel:
        """A product's launch."""
        rates, tda = self.rates, self.device.chip.tda.present
        across = n if chosen.m >= chosen.n else m
        cluster = 2 if rates.multicast and across > min(chosen.m, chosen.n) else 1
        tiling = Tiling(
            m=chosen.m, n=chosen.n, k=chosen.k, stages=chosen.stages, warps=chosen.warps, parts=chosen.parts,
            cluster=cluster, registers=56, engine="tensor_data" if tda else "load_store",
        )  # fmt: skip
        streamed = (n * k + m * n) * WIDTH
        warm = float(mechanisms.warm_share(rates.kept, rates.l2_bytes, streamed, m * k * WIDTH))
        return product(m, n, k, tiling=tiling, warm_share=warm)

    def attention(self, shape: Heads) -> Estimate:
        """As `outline.attention`."""
        parts = best_parts(self.rates, shape)
        return self.chained(self._attention(shape, parts), f"keys in {parts} parts")

    def _attention(self, shape: Heads, parts: int) -> Iterable[Kernel]:
        direct = self.rates.direct
        tokens = shape.batch * shape.new_tokens
        threads = min(shape.kv_heads * shape.head_dim, CACHE_THREADS)
        yield attending.write_cache(tokens, shape.kv_heads, shape.head_dim, loads=CACHE_LOADS, threads=threads)
        reordered = not direct and shape.new_tokens == 1 and shape.batch > 1 < shape.kv_heads < shape.heads
        if direct and shape.batch <= MOST_PLANNED:
            yield attending.chain(1, 1 + -(-shape.batch // PLANNED_AT_ONCE))
        if reordered:
            yield attending.chain(shape.batch, 2)
        yield attending.attend(*self._plan(shape, parts))
        if parts > 1 and not direct:
            yield attending.join(shape.batch * shape.heads, shape.head_dim, parts)
        if reordered:
            yield attending.chain(shape.batch, 2)

    def _plan(self, shape: Heads, parts: int) -> tuple[attending.Shape, attending.Schedule]:
        packed, tile, direct = packs(self.rates, shape), tile_of(self.rates, shape), self.rates.direct
        group = shape.heads // shape.kv_heads if packed else 1
        rows = shape.new_tokens * group
        shared_by = max(tile.rows // MANY_BLOCKS_ROWS, 1) if direct and rows > MANY_BLOCKS_ROWS else 1
        held = (tile.rows + 2 * tile.keys) * shape.head_dim * WIDTH
        wanted = attending.Shape(
            sequences=shape.batch, groups=shape.kv_heads if packed else shape.heads, rows=rows, rows_per_token=group,
            new_tokens=shape.new_tokens, past_tokens=shape.past_tokens, head_dim=shape.head_dim,
        )  # fmt: skip
        return wanted, attending.Schedule(
            rows=tile.rows // shared_by, keys=tile.keys, lookups=2 if direct else 1, parts=parts, shared_by=shared_by,
            section=self._section(shape) if direct else 1, handover=direct, shared_bytes=held // shared_by,
            threads=256 if direct and shared_by == 1 else 128,
            engine="tensor_data" if self.device.chip.tda.present else "load_store",
        )  # fmt: skip

    def _section(self, shape: Heads) -> int:
        """Heads of one sequence whose keys and values fit half of the L2: their blocks run beside each other."""
        held = 2 * shape.keys * shape.head_dim * WIDTH
        return max(int(self.rates.l2_bytes // 2 // held), 2)

    def norm(self, tokens: int, hidden: int) -> Estimate:
        """As `outline.norm`."""
        return self._row(rows.norm(tokens, hidden), 2 * tokens * hidden * WIDTH)

    def gated(self, tokens: int, width: int, *, inputs: int = 2) -> Estimate:
        """As `outline.gated`."""
        return self._row(rows.gated(tokens, width, inputs=inputs), (inputs + 1) * tokens * width * WIDTH)

    def rotary(self, tokens: int, heads: int, kv_heads: int, head_dim: int) -> Estimate:
        """As `outline.rotary`."""
        working = tokens * (heads + kv_heads) * head_dim * WIDTH
        return self._row(rows.rotary(tokens, heads, kv_heads, head_dim), working)

    def collective(self, kind: Collective, devices: int, message_bytes: int) -> Estimate:
        """As `outline.collective`, which is all that there is of links."""
        return outline.collective(self.rates, kind, devices, message_bytes)

    def stream(self, elements: int, *, inputs: int, width: int = WIDTH, result: int | None = None) -> Estimate:
        """As `outline.stream`, where every element has a result."""
        if result == 0:
            raise ValueError("a reduction to one value is no element-wise kernel: run it, or price it with the outline")
        dtype, written = OF_WIDTH[width], OF_WIDTH[width if result is None else result]
        kernel = elementwise(elements, inputs=inputs, dtype=dtype, result=written)
        return self._row(kernel, elements * (inputs * DTYPES[dtype].bytes + DTYPES[written].bytes))

    def _row(self, kernel: Kernel, working_bytes: int) -> Estimate:
        """A kernel of a network that runs again and again, from its first block to the end's notice.

        What exceeds the L2 by far leaves nothing in it for the next run.
        """
        found = self.walk(kernel, repeated=working_bytes < GONE * self.device.chip.l2.capacity_bytes)
        before = found.launch_ps - self.device.chip.launch.notice_ps
        energy = found.energy_pj - before * self.device.chip.power.static_w
        return Estimate(
            time_s=(found.time_ps - before) * 1e-12,
            energy_j=energy * 1e-12,
            bound_by=found.bound_by,
            schedule=kernel.name,
        )
