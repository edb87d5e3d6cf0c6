"""Host speed: our device in execute mode against Triton's interpreter and PyTorch on the CPU, medians of one run."""

from collections.abc import Iterator

from bench.cases import OURS, TORCHS
from bench.clock import side_by_side
from bench.figure import Figure
from bench.process import last_line

INTERPRETER_BAR = 500.0


def interpreter_seconds(case: str) -> float:
    """The median seconds of a call under TRITON_INTERPRET=1, in a process of its own."""
    return float(last_line("-m", "bench.cases", case, TRITON_INTERPRET="1"))


def figures() -> Iterator[Figure]:
    """For each case the ratio to the interpreter, and to PyTorch."""
    for case, ours in OURS.items():
        medians = side_by_side({"ours": ours(), "torch": TORCHS[case]()})
        interpreter = interpreter_seconds(case)
        parts = {
            "ours_us": medians["ours"] * 1e6,
            "torch_us": medians["torch"] * 1e6,
            "interpreter_us": interpreter * 1e6,
        }
        yield Figure(
            section="host",
            name=f"{case}, TRITON_INTERPRET / ours",
            figure=interpreter / medians["ours"],
            unit="times",
            bar=INTERPRETER_BAR,
            at_least=True,
            parts=parts,
        )
        yield Figure(
            section="host",
            name=f"{case}, torch CPU / ours",
            figure=medians["torch"] / medians["ours"],
            unit="times",
            bar=1.0,
            at_least=True,
        )
