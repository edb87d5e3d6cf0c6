"""One measured figure against its bar, and its line in the table. Not how anything is measured."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure in its unit; the bar is the least or the most that it may be, or None where nothing was promised.

    parts holds the measurements that the figure was made of, by name with unit, for the JSON.
    """

    section: str
    name: str
    figure: float
    unit: str
    bar: float | None = None
    at_least: bool = False
    parts: Mapping[str, float] | None = None

    @property
    def ratio(self) -> float | None:
        """How much better than the bar: above 1 it is met."""
        if self.bar is None:
            return None
        better, worse = (self.figure, self.bar) if self.at_least else (self.bar, self.figure)
        return better / worse if worse else float("inf")

    @property
    def missed(self) -> bool:
        """Whether there is a bar and the figure does not meet it; a NaN meets none."""
        return self.ratio is not None and not self.ratio >= 1

    def record(self) -> dict[str, object]:
        """The figure as JSON holds it."""
        return {**asdict(self), "ratio": self.ratio}

    def row(self) -> str:
        """The figure as the table shows it."""
        bar = "-" if self.bar is None else f"{'>=' if self.at_least else '<='} {self.bar:g}"
        verdict = "" if self.ratio is None else f"{self.ratio:9.2f}  {'MISSED' if self.missed else 'met'}"
        parts = ", ".join(f"{name} {value:.4g}" for name, value in (self.parts or {}).items())
        line = f"{self.section:<10} {self.name:<44} {self.figure:>11.4g} {self.unit:<8} {bar:>9} {verdict:<18}"
        return f"{line} {parts}".rstrip()


HEADER = f"{'section':<10} {'what':<44} {'figure':>11} {'unit':<8} {'bar':>9} {'ratio':>9}"
