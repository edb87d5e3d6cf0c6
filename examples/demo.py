"""The main job: three unmodified Triton kernels at GPT-2's sizes, each checked against PyTorch in float64.

A plain script: `python examples/demo.py` prints the errors; `supa run examples/demo.py` adds the report of what the
launches would cost on a device. Kernels: fused softmax over attention scores, the two products of a block with fused
activation and autotuning, and FlashAttention-2 forward; float16, bfloat16 and float32. Exits with 1 if an error is
above its limit.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent / "triton"))

from flash_attention import attention_forward
from fused_softmax import softmax
from matmul import matmul

DTYPES = (torch.float16, torch.bfloat16, torch.float32)
CONTEXT, WIDTH, HEADS, HEAD_SIZE = 1024, 768, 12, 64


@dataclass(frozen=True, kw_only=True)
class Check:
    """One kernel on one input: what to run, what float64 says, and how many float32 roundings each result sums up."""

    kernel: str
    what: str
    run: Callable[[], torch.Tensor]
    reference: Callable[[], torch.Tensor]
    roundings: int

    def limit(self, dtype: torch.dtype) -> float:
        """The error allowed, relative to the largest result: rounding in and out of dtype, and the float32 sums."""
        return 2 * torch.finfo(dtype).eps + self.roundings * 2.0**-24


def softmax_checks(dtype: torch.dtype) -> Iterator[Check]:
    """Rows of attention scores: one head's batch of four, and all heads."""
    for rows in (4 * CONTEXT, HEADS * CONTEXT):
        x = torch.randn(rows, CONTEXT).to(dtype)
        yield Check(
            kernel="fused softmax",
            what=f"{rows} x {CONTEXT}",
            run=lambda x=x: softmax(x),
            reference=lambda x=x: torch.softmax(x.double(), -1),
            roundings=32,
        )


def matmul_checks(dtype: torch.dtype) -> Iterator[Check]:
    """The first product of the feed-forward part, with its GELU, and the projection after attention."""
    for columns, activation in ((4 * WIDTH, "gelu"), (WIDTH, "")):
        x, weight = torch.randn(CONTEXT, WIDTH).to(dtype), (0.02 * torch.randn(WIDTH, columns)).to(dtype)
        after = torch.nn.functional.gelu if activation else torch.nn.Identity()
        yield Check(
            kernel="matmul" + (f" + {activation}" if activation else ""),
            what=f"{CONTEXT} x {WIDTH} x {columns}",
            run=lambda x=x, weight=weight, activation=activation: matmul(x, weight, activation),
            reference=lambda x=x, weight=weight, after=after: after(x.double() @ weight.double()),
            roundings=WIDTH,
        )


def attention_checks(dtype: torch.dtype) -> Iterator[Check]:
    """Causal attention over whole contexts, for one text and for four."""
    scale = HEAD_SIZE**-0.5
    for batch in (1, 4):
        q, k, v = (torch.randn(batch, HEADS, CONTEXT, HEAD_SIZE).to(dtype) for _ in range(3))
        yield Check(
            kernel="flash attention",
            what=f"{batch} x {HEADS} x {CONTEXT} x {HEAD_SIZE}",
            run=lambda q=q, k=k, v=v: attention_forward(q, k, v, True, scale)[0],
            reference=lambda q=q, k=k, v=v: torch.nn.functional.scaled_dot_product_attention(
                q.double(), k.double(), v.double(), is_causal=True, scale=scale
            ),
            roundings=CONTEXT,
        )


def main() -> int:
    torch.manual_seed(0)
    wrong = 0
    print(f"{'kernel':<16} {'shape':<20} {'dtype':<9} {'error':>9} {'limit':>9}   (of the largest, against float64)")
    for checks in (softmax_checks, matmul_checks, attention_checks):
        for dtype in DTYPES:
            for check in checks(dtype):
                reference = check.reference()
                error = ((check.run().double() - reference).abs().max() / reference.abs().max()).item()
                right = error <= check.limit(dtype)  # a NaN is not
                wrong += not right
                name, limit = str(dtype).removeprefix("torch."), check.limit(dtype)
                verdict = "ok" if right else "WRONG"
                print(
                    f"{check.kernel:<16} {check.what:<20} {name:<9} {error:9.1e} {limit:9.1e}   {verdict}", flush=True
                )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
