"""`python -m bench.opinfo`: PyTorch's own samples of its operators (OpInfo) on the device against the host in float64.

Forward and gradients. Writes one JSON line for each operator and type; `--table` makes docs/torch-ops.md of them. Every
operator runs in a process that may crash or hang: what it was doing is then the failure. Not here: the rule by which
results are compared (`opinfo_rule`), the table (`opinfo_table`), the quick part (`tests`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from bench import opinfo_workers as workers
from bench.opinfo_rule import TYPES, compared, first_lines
from bench.opinfo_table import read, summary, table

NOT_COMPARED = (
    "rand", "dropout", "normal", "uniform", "bernoulli", "multinomial", "cauchy", "exponential", "geometric", "rrelu",
    "empty", "fractional_max_pool", "log_normal",
)  # fmt: skip
UNORDERED = {"sort": 1, "topk": 1, "argsort": 0, "kthvalue": 1}
"""How many results are compared: the places are free where elements are equal (ours are those of a stable order)."""
ONLY_ELSEWHERE = ("jiterator",)
HOST_ARGUMENTS = ("tensor_split",)
"""Torch wants their tensors of places on the host, for every device."""


def moved(value: Any, device: str, dtype: Any = None) -> Any:
    """Tensors of any nest on another device; floats and complex numbers in another precision too."""
    import torch
    from torch.utils import _pytree as pytree

    def wide(kind: Any) -> Any:
        return dtype.to_complex() if kind.is_complex else dtype if kind.is_floating_point else kind

    def one(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor):
            wanted = leaf.dtype if dtype is None else wide(leaf.dtype)
            return leaf.detach().to(device, wanted, copy=True).requires_grad_(leaf.requires_grad)
        if isinstance(leaf, torch.device):
            return torch.device(device)
        if isinstance(leaf, torch.dtype) and dtype is not None:
            return wide(leaf)
        return leaf

    return pytree.tree_map(one, value)


def results(op: Any, sample: Any, device: str, dtype: Any = None) -> tuple[list[Any], list[Any], list[dict[str, int]]]:
    """The outputs, the gradients of the inputs from a weighted sum of them, and what ran on the host going forward and
    backward.
    """
    import torch
    from torch.utils import _pytree as pytree

    torch.manual_seed(0)
    inputs, kwargs = (moved(part, device, dtype) for part in (sample.input, sample.kwargs))
    args = sample.args if op.name in HOST_ARGUMENTS else moved(sample.args, device, dtype)
    if "device" in kwargs:
        kwargs["device"] = device
    before = torch.supa.host_operators() if device == "supa" else {}
    returned = sample.output_process_fn_grad(op(inputs, *args, **kwargs))
    outputs = [leaf for leaf in pytree.tree_leaves(returned) if isinstance(leaf, torch.Tensor)]
    middle = torch.supa.host_operators() if device == "supa" else {}
    leaves = [
        leaf
        for leaf in pytree.tree_leaves((inputs, args, kwargs))
        if isinstance(leaf, torch.Tensor) and leaf.requires_grad
    ]
    trained = [leaf for leaf in outputs if leaf.requires_grad and (leaf.is_floating_point() or leaf.is_complex())]
    gradients: list[Any] = []
    if trained and leaves:
        sums = [(leaf * weights(leaf)).sum() for leaf in trained]
        total = sum(one.real + 0.5 * one.imag if one.is_complex() else one for one in sums)
        found = torch.autograd.grad(total, leaves, allow_unused=True)
        gradients = [leaf for leaf in found if leaf is not None]
    after = torch.supa.host_operators() if device == "supa" else {}
    host = [
        {name: count for name, count in later.items() if count != earlier.get(name, 0)}
        for earlier, later in ((before, middle), (middle, after))
    ]
    return [leaf.detach() for leaf in outputs], gradients, host


def weights(leaf: Any) -> Any:
    """Fixed weights of an output's elements, the same on every device."""
    import torch

    return (
        torch.linspace(0.5, 1.5, max(leaf.numel(), 1), dtype=torch.float64)[: leaf.numel()]
        .view(leaf.shape)
        .to(leaf.device, leaf.dtype)
    )


def random(op: Any, sample: Any) -> bool:
    """Whether a sample's results are random: only their shapes and types are compared."""
    if any(word in op.name for word in NOT_COMPARED):
        return True
    named = any("dropout" in name and value for name, value in sample.kwargs.items() if not hasattr(value, "shape"))
    return named or any(isinstance(one, float) and 0 < one < 1 for one in sample.args[6:])


def examine(op: Any, dtype: Any, samples: int) -> dict[str, Any]:
    """One operator in one type: its row."""
    name = str(dtype).removeprefix("torch.")
    row: dict[str, Any] = {
        "op": op.formatted_name, "dtype": name, "status": "pass", "gradient": "none", "samples": 0, "by_host": False,
        "reason": "", "gradient_reason": "",
    }  # fmt: skip
    if any(word in op.name for word in ONLY_ELSEWHERE) or dtype not in op.supported_dtypes("cpu"):
        return {**row, "status": "none", "host": [], "gradient_host": []}
    trains = op.supports_autograd and dtype in op.supported_backward_dtypes("cpu")
    host: tuple[set[str], set[str]] = (set(), set())
    try:
        for sample in op.sample_inputs("cpu", dtype, requires_grad=trains):
            if row["samples"] == samples:
                break
            if not _examine_sample(op, sample, dtype, row, host):
                break
    except Exception as error:
        row |= {"status": "pass" if row["samples"] else "none", "reason": f"samples: {first_lines(error)}"}
    return {**row, "host": sorted(host[0]), "gradient_host": sorted(host[1])}


def _examine_sample(op: Any, sample: Any, dtype: Any, row: dict[str, Any], host: tuple[set[str], set[str]]) -> bool:
    """Add what one sample shows to the row; False where no more are needed."""
    try:
        plain, plain_gradients, _ = results(op, sample, "cpu")
    except Exception as error:
        row["reason"] = row["reason"] or f"host: {first_lines(error)}"
        row["status"] = row["status"] if row["samples"] else "none"
        return True
    row["samples"] += 1
    row["status"] = "pass" if row["status"] == "none" else row["status"]
    exact, exact_gradients = exact_of(op, sample, dtype, plain, plain_gradients)
    what = "result"
    try:
        for _ in range(2):  # the second call is the replay of the first one's recipe
            what = "result"
            found, gradients, ran = results(op, sample, "supa")
            for seen, names in zip(host, ran, strict=True):
                seen |= {one.removeprefix("aten::") for one in names}
            kept = 0 if random(op, sample) else UNORDERED.get(op.name, len(found))
            row["by_host"] |= compared(found, exact, plain, kept, "result")
            what = "gradient"
            kept = len(gradients) if kept and _same_places(op, found, plain) else 0
            row["by_host"] |= compared(gradients, exact_gradients, plain_gradients, kept, what)
            if gradients and row["gradient"] == "none":
                row["gradient"] = "pass"
    except Exception as error:
        reason = f"{type(error).__name__}: {first_lines(error)}"
        backward = what == "gradient" or (bool(plain_gradients) and _from_backward(error))
        row |= {"gradient": "fail", "gradient_reason": reason} if backward else {"status": "fail", "reason": reason}
        return False
    return True


def _same_places(op: Any, found: list[Any], plain: list[Any]) -> bool:
    """Whether equals stand in the same order, so that their gradients go to the same elements."""
    import torch

    left_out = range(UNORDERED.get(op.name, len(found)), len(found))
    return all(torch.equal(found[number].cpu(), plain[number]) for number in left_out)


def _from_backward(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith("autograd/__init__.py"):
            return True
        trace = trace.tb_next
    return False


def exact_of(op: Any, sample: Any, dtype: Any, plain: list[Any], gradients: list[Any]) -> tuple[list[Any], list[Any]]:
    """The host's results and gradients in float64; empty where it has none."""
    import torch

    if not (dtype.is_floating_point or dtype.is_complex):
        return [], []
    try:
        exact, exact_gradients, _ = results(op, sample, "cpu", torch.float64)
    except Exception:
        return [], []
    if [one.shape for one in exact] != [one.shape for one in plain]:
        exact = []
    if [one.shape for one in exact_gradients] != [one.shape for one in gradients]:
        exact_gradients = []
    return exact, exact_gradients


def work(begin: int, end: int, step: int, dtypes: list[str], samples: int, only: str) -> None:
    """Examine some of the tasks (operator by operator, in each type), one line each as they are done; first a line that
    says which begins.
    """
    warnings.simplefilter("ignore")
    import torch

    import supa.torch  # noqa: F401

    torch.set_num_threads(1)
    from torch.testing._internal.common_methods_invocations import op_db

    for task in range(begin, end):
        op, name = op_db[task // len(dtypes) * step], dtypes[task % len(dtypes)]
        if only and only not in op.formatted_name:
            continue
        print(json.dumps({"begins": task, "op": op.formatted_name, "dtype": name}), flush=True)
        print(json.dumps(examine(op, getattr(torch, name), samples)), flush=True)


def count_of_operators() -> int:
    command = "from torch.testing._internal.common_methods_invocations import op_db; print(len(op_db))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", command], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def supervise(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Run workers over all tasks; after a crash, go on behind the one that crashed."""
    rows: list[dict[str, Any]] = []
    types = len(arguments.dtype)
    operators = range(0, count_of_operators(), arguments.step)
    begin = arguments.first // arguments.step * types
    end = min(len(operators), (arguments.last or len(operators) * arguments.step) // arguments.step) * types
    started = time.monotonic()
    with arguments.out.open("a") as out:

        def keep(row: dict[str, Any]) -> None:
            if "crash" in row:
                row = {"op": row["op"], "dtype": row["dtype"], "status": "fail", "gradient": "none", "samples": 0,
                       "by_host": False, "host": [], "gradient_host": [], "gradient_reason": "",
                       "reason": row["crash"]}  # fmt: skip
            rows.append(row)
            out.write(json.dumps(row) + "\n")
            out.flush()
            for status, reason in (("status", "reason"), ("gradient", "gradient_reason")):
                if row[status] == "fail":
                    print(f"{row['op']:40s} {row['dtype']:9s} {row[reason][:150]}", flush=True)

        options = ["--step", str(arguments.step), "--dtype", *arguments.dtype, "--samples", str(arguments.samples)]
        workers.supervise("bench.opinfo", [*options, "--only", arguments.only], begin, end, keep)
    print(f"{time.monotonic() - started:.0f} s")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.opinfo", description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", nargs="+", choices=TYPES, default=["float32"])
    parser.add_argument("--samples", type=int, default=3, help="of each operator and type")
    parser.add_argument("--first", type=int, default=0, help="operators from this one on")
    parser.add_argument("--last", type=int, default=0, help="up to before this one")
    parser.add_argument("--step", type=int, default=1, help="every so many operators")
    parser.add_argument("--only", default="", help="operators whose name contains this")
    parser.add_argument("--out", type=Path, default=Path("opinfo.jsonl"), help="rows are added there")
    parser.add_argument("--table", nargs="+", type=Path, metavar="FILE", help="no run: print the table of these rows")
    parser.add_argument("--worker", nargs=2, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(*arguments.worker, arguments.step, arguments.dtype, arguments.samples, arguments.only)
    elif arguments.table:
        print(table(read(arguments.table)), end="")
    else:
        print(summary(supervise(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
