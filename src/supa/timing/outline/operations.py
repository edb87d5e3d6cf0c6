"""The outline of one device as an object, with the operations that `library` walks on the machine. Not here: prices."""

from __future__ import annotations

from dataclasses import dataclass

from supa.timing.outline.attention import Heads, attention
from supa.timing.outline.collective import Collective, collective
from supa.timing.outline.estimate import Estimate
from supa.timing.outline.gemm import gemm
from supa.timing.outline.rates import Rates
from supa.timing.outline.rows import WIDTH, gated, norm, rotary, stream


@dataclass(frozen=True, kw_only=True)
class Outline:
    """Operations in closed form; see the functions of the same names."""

    rates: Rates

    def gemm(self, m: int, n: int, k: int) -> Estimate:
        """A product."""
        return gemm(self.rates, m, n, k)

    def attention(self, shape: Heads) -> Estimate:
        """One layer's attention."""
        return attention(self.rates, shape)

    def collective(self, kind: Collective, devices: int, message_bytes: int) -> Estimate:
        """A collective inside one server."""
        return collective(self.rates, kind, devices, message_bytes)

    def norm(self, tokens: int, hidden: int) -> Estimate:
        """A norm of rows."""
        return norm(self.rates, tokens, hidden)

    def gated(self, tokens: int, width: int, *, inputs: int = 2) -> Estimate:
        """An activation."""
        return gated(self.rates, tokens, width, inputs=inputs)

    def rotary(self, tokens: int, heads: int, kv_heads: int, head_dim: int) -> Estimate:
        """Rotary embedding."""
        return rotary(self.rates, tokens, heads, kv_heads, head_dim)

    def stream(self, elements: int, *, inputs: int, width: int = WIDTH, result: int | None = None) -> Estimate:
        """Element-wise work."""
        return stream(self.rates, elements, inputs=inputs, width=width, result=result)
