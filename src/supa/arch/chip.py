"""A chip: its components, its identity, the counts that follow. Not here: modules, servers, peaks per second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from supa.arch.compute import Cu, Die, Eu, Spc, Tcore, Vector, Warp
from supa.arch.connection import HostBus, Links
from supa.arch.control import Clocks, Instances, Launch, Tda
from supa.arch.memory import L2, DieToDie, Hbm, Lsc, NearMemory, Noc
from supa.arch.numerics import Numerics
from supa.arch.power import Board, Energy, Power
from supa.arch.printed import Printed
from supa.arch.source import Figure
from supa.arch.sustained import Sustained
from supa.arch.uncertainty import Uncertainty


@dataclass(frozen=True, kw_only=True)
class Chip:
    """One chip as described. Each component is a table of the TOML file under the same name."""

    name: str
    title: str
    die: Die
    spc: Spc
    cu: Cu
    eu: Eu
    warp: Warp
    tcore: Tcore
    vector: Vector
    lsc: Lsc
    l2: L2
    near_memory: NearMemory
    noc: Noc
    die_to_die: DieToDie
    hbm: Hbm
    sustained: Sustained
    links: Links
    host_bus: HostBus
    clocks: Clocks
    launch: Launch
    tda: Tda
    instances: Instances
    board: Board
    power: Power
    energy: Energy
    numerics: Numerics
    printed: Printed
    uncertainty: Uncertainty
    figures: Mapping[str, Figure] = field(repr=False, compare=False)
    """Key path ("hbm.bandwidth") -> the figure as written, with its source."""

    @property
    def spc_count(self) -> int:
        """SPCs of all dies."""
        return self.die.count * self.die.spc_count

    @property
    def eu_count(self) -> int:
        """Working EUs of all dies."""
        return self.spc_count * self.spc.eu_count - self.die.count * self.die.disabled_eu_count

    @property
    def cu_count(self) -> int:
        """Working CUs of all dies: the places that receive thread blocks."""
        return self.eu_count // self.cu.eu_count

    @property
    def cus_by_spc(self) -> tuple[int, ...]:
        """Working CUs of each SPC, die by die; those switched off are spread evenly over the SPCs of a die."""
        working = self.cu_count // self.die.count
        each, more = divmod(working, self.die.spc_count)
        return tuple(each + (index < more) for index in range(self.die.spc_count)) * self.die.count

    @property
    def tcore_count(self) -> int:
        """Working T-cores of all dies."""
        return self.eu_count * self.eu.tcore_count

    @property
    def lane_count(self) -> int:
        """Working V-core lanes of all dies."""
        return self.eu_count * self.eu.lane_count

    @property
    def noc_rows(self) -> int:
        """Rows of one die's mesh."""
        return -(-self.die.spc_count // self.noc.width)

    @property
    def max_warps_per_cu(self) -> int:
        """Warps resident on one CU."""
        return self.eu.max_warps * self.cu.eu_count

    @property
    def max_threads_per_cu(self) -> int:
        """Threads resident on one CU."""
        return self.max_warps_per_cu * self.warp.size

    @property
    def registers_bytes_per_cu(self) -> int:
        """Register file of one CU."""
        return self.eu.registers_bytes * self.cu.eu_count

    @property
    def lscs_per_cu(self) -> int:
        """LSCs of one CU."""
        return self.cu.eu_count // self.lsc.eu_count

    @property
    def lsc_bytes_per_cu(self) -> int:
        """LSC capacity of one CU, shared memory included."""
        return self.lsc.capacity_bytes * self.lscs_per_cu

    @property
    def shared_bytes_per_cu(self) -> int:
        """Shared memory that the blocks of one CU have together."""
        return self.lsc.shared_capacity_bytes * self.lscs_per_cu
