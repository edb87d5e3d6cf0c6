"""`python -m bench.opinfo`: PyTorch's own samples of its operators (OpInfo) on the device against the host in float64.

Forward and gradients. Writes one JSON line for each operator and type; `--table` makes docs/torch-ops.md of them. Every
operator runs in a process that may crash: what it was doing is then the failure. Not here: the quick part (`tests`).
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

DTYPES = ("float32", "bfloat16", "float16", "int64", "bool")
CLOSE = {"float32": 1e-4, "bfloat16": 2e-2, "float16": 4e-3}
NOT_COMPARED = (
    "rand", "dropout", "normal", "uniform", "bernoulli", "multinomial", "cauchy", "exponential", "geometric", "rrelu",
    "empty", "fractional_max_pool", "log_normal",
)  # fmt: skip
UNORDERED = {"sort": 1, "argsort": 0}
"""How many results are compared: the places are free where elements are equal (ours are those of a stable order)."""
ONLY_ELSEWHERE = ("jiterator",)
EXPECTED = {
    "sparse.sampled_addmm": "no sparse tensors on the device",
    "sparse.mm": "no sparse tensors on the device",
    "to_sparse": "no sparse tensors on the device",
    "as_strided": "its samples are views of larger tensors; a copy to the device has no such parent",
    "tensor_split": "torch wants the indices on the host for every device",
}


def moved(value: Any, device: str, dtype: Any = None) -> Any:
    """Tensors of any nest on another device; floats in another type too."""
    import torch
    from torch.utils import _pytree as pytree

    def one(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor):
            wanted = dtype if dtype is not None and leaf.is_floating_point() else leaf.dtype
            return leaf.detach().to(device, wanted, copy=True).requires_grad_(leaf.requires_grad)
        if isinstance(leaf, torch.device):
            return torch.device(device)
        if isinstance(leaf, torch.dtype) and dtype is not None and leaf.is_floating_point:
            return dtype
        return leaf

    return pytree.tree_map(one, value)


def results(op: Any, sample: Any, device: str, dtype: Any = None) -> tuple[list[Any], list[Any], dict[str, int]]:
    """The outputs, the gradients of the inputs from a weighted sum of them, and what ran on the host going forward."""
    import torch
    from torch.utils import _pytree as pytree

    torch.manual_seed(0)
    inputs, args, kwargs = (moved(part, device, dtype) for part in (sample.input, sample.args, sample.kwargs))
    if "device" in kwargs:
        kwargs["device"] = device
    before = torch.supa.host_operators() if device == "supa" else {}
    outputs = [leaf for leaf in pytree.tree_leaves(op(inputs, *args, **kwargs)) if isinstance(leaf, torch.Tensor)]
    after = torch.supa.host_operators() if device == "supa" else {}
    host = {name: count for name, count in after.items() if count != before.get(name, 0)}
    leaves = [
        leaf
        for leaf in pytree.tree_leaves((inputs, args, kwargs))
        if isinstance(leaf, torch.Tensor) and leaf.requires_grad
    ]
    trained = [leaf for leaf in outputs if leaf.requires_grad and leaf.is_floating_point()]
    gradients: list[Any] = []
    if trained and leaves:
        total = sum((leaf * weights(leaf)).sum() for leaf in trained)
        found = torch.autograd.grad(total, leaves, allow_unused=True)
        gradients = [leaf for leaf in found if leaf is not None]
    return [leaf.detach() for leaf in outputs], gradients, host


def drops(sample: Any) -> bool:
    """Whether a sample asks for dropout: its results are random."""
    named = any("dropout" in name and value for name, value in sample.kwargs.items() if not hasattr(value, "shape"))
    return named or any(isinstance(one, float) and 0 < one < 1 for one in sample.args[6:])


def weights(leaf: Any) -> Any:
    """Fixed weights of an output's elements, the same on every device."""
    import torch

    return (
        torch.linspace(0.5, 1.5, max(leaf.numel(), 1), dtype=torch.float64)[: leaf.numel()]
        .view(leaf.shape)
        .to(leaf.device, leaf.dtype)
    )


def compare(found: list[Any], exact: list[Any], plain: list[Any], tolerance: float, what: str) -> None:
    """Each result near the float64 one, or no further from it than twice the host's own in the same type."""
    import torch

    if len(found) != len(plain):
        raise AssertionError(f"{what}: {len(found)} results, the host has {len(plain)}")
    for number, (ours, host) in enumerate(zip(found, plain, strict=True)):
        if (ours.shape, ours.dtype) != (host.shape, host.dtype):
            shapes = f"{ours.dtype} {tuple(ours.shape)}, the host has {host.dtype} {tuple(host.shape)}"
            raise AssertionError(f"{what} {number}: {shapes}")
        if tolerance == 0 and (ours.is_floating_point() or ours.is_complex()):
            tolerance = 1e-5  # a float made of whole numbers
        ours = ours.cpu().to_dense() if ours.is_sparse else ours.cpu()
        try:
            torch.testing.assert_close(ours, host, rtol=tolerance, atol=tolerance, equal_nan=True, check_stride=False)
            continue
        except AssertionError as error:
            if not exact:
                raise AssertionError(f"{what} {number}: {first_lines(error)}") from None
            reference = exact[number].to(torch.complex128 if ours.is_complex() else torch.float64)
            wide = ours.to(reference.dtype)
            own = (host.to(reference.dtype) - reference).abs().nan_to_num(0.0, 0.0, 0.0)
            try:
                torch.testing.assert_close(
                    wide, reference, rtol=tolerance, atol=tolerance + 2 * float(own.max()), equal_nan=True
                )
            except AssertionError as worse:
                raise AssertionError(f"{what} {number}: {first_lines(worse)}") from None


def first_lines(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(str(error).split())[:220]


def examine(op: Any, dtype: Any, samples: int) -> dict[str, Any]:
    """One operator in one type: its row."""
    import torch

    name = str(dtype).removeprefix("torch.")
    row: dict[str, Any] = {"op": op.formatted_name, "dtype": name, "status": "pass", "samples": 0, "host": []}
    row["reason"] = ""
    if any(word in op.name for word in ONLY_ELSEWHERE) or dtype not in op.supported_dtypes("cpu"):
        return {**row, "status": "none"}
    trains = op.supports_autograd and dtype in op.supported_backward_dtypes("cpu") and dtype.is_floating_point
    host: set[str] = set()
    stage = "samples"
    try:
        for sample in op.sample_inputs("cpu", dtype, requires_grad=trains):
            if row["samples"] == samples:
                break
            row["samples"] += 1
            stage = "host"
            plain, plain_gradients, _ = results(op, sample, "cpu")
            exact, exact_gradients = [], []
            if dtype.is_floating_point:
                try:
                    exact, exact_gradients, _ = results(op, sample, "cpu", torch.float64)
                except Exception:
                    exact, exact_gradients = [], []
                if [one.shape for one in exact] != [one.shape for one in plain]:
                    exact = []
            stage = "device"
            for _ in range(2):  # the second call is the replay of the first one's recipe
                found, gradients, ran = results(op, sample, "supa")
                host |= {one.removeprefix("aten::") for one in ran}
                if not any(word in op.name for word in NOT_COMPARED) and not drops(sample):
                    kept = UNORDERED.get(op.name, len(found))
                    compare(found[:kept], exact[:kept], plain[:kept], CLOSE.get(name, 0.0), "result")
                    usable = exact_gradients if len(exact_gradients) == len(plain_gradients) else []
                    compare(gradients, usable, plain_gradients, 2 * CLOSE.get(name, 0.0), "gradient")
    except Exception as error:
        if stage == "device":
            row |= {"status": "fail", "reason": f"{type(error).__name__}: {first_lines(error)}"}
        else:
            row |= {"status": "pass" if row["samples"] > 1 else "none", "reason": f"{stage}: {first_lines(error)}"}
    return {**row, "host": sorted(host)}


def work(begin: int, end: int, step: int, dtypes: list[str], samples: int, only: str) -> None:
    """Examine some of the operators, one line each as they are done; first a line that says which begins."""
    warnings.simplefilter("ignore")
    import torch

    import supa.torch  # noqa: F401

    torch.set_num_threads(1)
    from torch.testing._internal.common_methods_invocations import op_db

    for number in range(begin, end, step):
        op = op_db[number]
        if only and only not in op.formatted_name:
            continue
        for name in dtypes:
            print(json.dumps({"begins": number, "op": op.formatted_name, "dtype": name}), flush=True)
            print(json.dumps(examine(op, getattr(torch, name), samples)), flush=True)


def count_of_operators() -> int:
    command = "from torch.testing._internal.common_methods_invocations import op_db; print(len(op_db))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", command], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def supervise(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Run workers over all operators; after a crash, go on behind the one that crashed."""
    rows: list[dict[str, Any]] = []
    total = count_of_operators()
    begin = arguments.first
    end = min(total, arguments.last or total)
    started = time.monotonic()
    with arguments.out.open("a") as out:
        while begin < end:
            command = [
                sys.executable, "-X", "faulthandler", "-m", "bench.opinfo", "--worker", str(begin), str(end),
                "--step", str(arguments.step), "--dtype", *arguments.dtype, "--samples", str(arguments.samples),
                "--only", arguments.only,
            ]  # fmt: skip
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            assert process.stdout is not None
            current: dict[str, Any] | None = None
            for line in process.stdout:
                if not line.startswith("{"):
                    continue
                row = json.loads(line)
                if "begins" in row:
                    current = row
                    continue
                current = {**row, "begins": current["begins"]} if current else None
                rows.append(row)
                out.write(json.dumps(row) + "\n")
                out.flush()
                if row["status"] == "fail":
                    print(f"{row['op']:40s} {row['dtype']:9s} {row['reason'][:150]}", flush=True)
                current = None if current is None else {"begins": current["begins"], "done": True}
            code = process.wait()
            if code == 0 or current is None:
                break
            if not current.get("done"):
                row = {"op": current["op"], "dtype": current["dtype"], "status": "fail", "samples": 0, "host": [],
                       "reason": f"the process crashed (exit {code})"}  # fmt: skip
                rows.append(row)
                out.write(json.dumps(row) + "\n")
                print(f"{row['op']:40s} {row['dtype']:9s} CRASH", flush=True)
            begin = current["begins"] + arguments.step
    print(f"{time.monotonic() - started:.0f} s")
    return rows


def summary(rows: list[dict[str, Any]]) -> str:
    """Passed of tested for each type."""
    lines = []
    for dtype in DTYPES:
        tested = [row for row in rows if row["dtype"] == dtype and row["status"] in ("pass", "fail")]
        if not tested:
            continue
        passed = sum(row["status"] == "pass" for row in tested)
        on_device = sum(not row["host"] for row in tested)
        share = 100 * passed / len(tested)
        lines.append(f"{dtype:9s} {passed} of {len(tested)} pass ({share:.1f} %), {on_device} wholly on the device")
    return "\n".join(lines)


def read(paths: list[Path]) -> list[dict[str, Any]]:
    """Rows of earlier runs, the later one of each operator and type."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path in paths:
        for line in path.read_text().splitlines():
            row = json.loads(line)
            found[row["op"], row["dtype"]] = row
    return list(found.values())


def table(rows: list[dict[str, Any]]) -> str:
    """docs/torch-ops.md."""
    by_op: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_op.setdefault(row["op"], {})[row["dtype"]] = row
    lines = [
        "# PyTorch operators on the device",
        "",
        "Generated by `python -m bench.opinfo --table` from its own samples (OpInfo): results and",
        "gradients against the host in float64. `device`: every part ran in device kernels, own ones or composed of",
        "them; `host`: some part ran on the host, counted and priced as the round trip that it would be; `fail`: see",
        "below; `-`: the host has no such type for it, or no sample was run.",
        "",
        "```text",
        summary(rows),
        "```",
        "",
        "| operator | " + " | ".join(DTYPES) + " | parts on the host |",
        "|---|" + "---|" * (len(DTYPES) + 1),
    ]
    for name, cells in sorted(by_op.items()):
        shown = []
        host: set[str] = set()
        for dtype in DTYPES:
            row = cells.get(dtype)
            if row is None or row["status"] == "none":
                shown.append("-")
                continue
            host |= set(row["host"])
            shown.append("fail" if row["status"] == "fail" else "host" if row["host"] else "device")
        if any(one != "-" for one in shown):
            lines.append(f"| {name} | " + " | ".join(shown) + " | " + ", ".join(sorted(host)) + " |")
    lines += ["", "## What fails", "", "| operator | type | why |", "|---|---|---|"]
    for row in sorted(rows, key=lambda row: (row["op"], row["dtype"])):
        if row["status"] == "fail":
            why = EXPECTED.get(row["op"], row["reason"]).replace("|", "/")
            lines.append(f"| {row['op']} | {row['dtype']} | {why} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.opinfo", description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=["float32"])
    parser.add_argument("--samples", type=int, default=3, help="of each operator and type")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=0)
    parser.add_argument("--step", type=int, default=1)
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
