"""`python -m bench.torch [--only PART ...]`: PyTorch on the device against PyTorch on the host, side by side.

Small and large operators, the models of `torch_models` forward and backward, eager and compiled, what the clock costs,
the time that `import supa.torch` takes. Ratios are of the device's time to the host's: below 1 is faster.
Not here: operators' correctness (`opinfo`), kernels alone (`host_speed`).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

PARTS = ("operators", "models", "compiled", "clock", "import")
ROUNDS = 5
SIZES = (4, 1 << 20, 1 << 22)


now = time.perf_counter
"""Seconds; with --alone those of the one thread that works, which other programs of the machine do not lengthen."""


def seconds(call: Callable[[], Any], least: float = 0.02) -> float:
    """The time of one call, over as many as take `least` seconds."""
    start = now()
    call()
    once = now() - start
    if once >= least:
        return once
    count = max(1, int(least / max(once, 1e-7)))
    start = now()
    for _ in range(count):
        call()
    return (now() - start) / count


def side_by_side(
    host: Callable[[], Any], device: Callable[[], Any], rounds: int = ROUNDS
) -> tuple[float, float, float]:
    """(host's seconds, device's seconds, the median ratio of rounds taken one after the other)."""
    for call in (host, device):
        call()
        call()
    times = [(seconds(host), seconds(device)) for _ in range(rounds)]
    ratio = statistics.median(ours / theirs for theirs, ours in times)
    return statistics.median(one[0] for one in times), statistics.median(one[1] for one in times), ratio


def row(name: str, host: float, device: float, ratio: float, bar: float) -> None:
    missed = "" if ratio <= bar else "  MISSED"
    times = f"host {host * 1e6:12.1f} us  device {device * 1e6:12.1f} us"
    print(f"{name:44s} {times}  x{ratio:6.2f}  (bar {bar:.2f}){missed}", flush=True)


def operators() -> None:
    import torch

    for size in SIZES:
        x, y = torch.randn(size), torch.randn(size)
        ours = x.to("supa"), y.to("supa")
        for name, function in (
            ("add", lambda x, y: x + y), ("mul in place", lambda x, y: x.mul_(y)), ("relu", lambda x, y: x.relu()),
            ("exp", lambda x, y: x.exp()), ("sum", lambda x, y: x.sum()), ("where", lambda x, y: torch.where(x > 0, x,
            y)),
            ("max", lambda x, y: x.max()), ("cumsum", lambda x, y: x.cumsum(0)),
        ):  # fmt: skip
            found = side_by_side(partial(function, x, y), partial(function, *ours))
            row(f"{name} {size}", *found, bar=2.5 if size < 100 else 1.1)
    x, index = torch.randn(1000, 1000), torch.randint(0, 1000, (1000,))
    ours = x.to("supa"), index.to("supa")
    for name, function in (
        ("softmax", lambda x, i: x.softmax(1)), ("index_select", lambda x, i: x[i]), ("cat", lambda x,
        i: torch.cat([x, x])),
        ("argmax", lambda x, i: x.argmax(1)), ("mm", lambda x, i: x @ x),
    ):  # fmt: skip
        found = side_by_side(partial(function, x, index), partial(function, *ours))
        row(f"{name} 1000x1000", *found, bar=1.1)
    layers()


def layers() -> None:
    """What models spend their time in besides products, of a million elements and more."""
    import torch
    from torch.nn import functional

    x, weight = torch.randn(1024, 1024), torch.randn(1024)
    index = torch.randint(0, 1024, (1024,))
    image, kernel = torch.randn(4, 32, 96, 96), torch.randn(32, 32, 3, 3)
    cases: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "layer_norm": (lambda x, w: functional.layer_norm(x, (1024,), w, w), (x, weight)),
        "gelu": (functional.gelu, (x,)),
        "mean of rows": (lambda x: x.mean(1), (x,)),
        "sum of columns": (lambda x: x.sum(0), (x,)),
        "max of rows": (lambda x: x.max(1), (x,)),
        "copy of a transpose": (lambda x: x.t().contiguous(), (x,)),
        "embedding": (functional.embedding, (index, x)),
        "gather": (lambda x, i: x.gather(1, i), (x, index.expand(1024, 1024).contiguous())),
        "sort": (lambda x: x.sort(1), (x,)),
        "topk": (lambda x: x.topk(10), (x,)),
        "cross_entropy": (functional.cross_entropy, (x, index)),
        "linear": (functional.linear, (x, x, weight)),
        "conv2d 3 x 3": (lambda x, w: functional.conv2d(x, w, padding=1), (image, kernel)),
        "max_pool2d": (lambda x: functional.max_pool2d(x, 2), (image,)),
        "batch_norm": (lambda x, w: functional.batch_norm(x, None, None, w, w, True), (image, weight[:32])),
    }
    for name, (function, given) in cases.items():
        found = side_by_side(partial(function, *given), partial(function, *(one.to("supa") for one in given)))
        row(name, *found, bar=1.1)


def cases(small: bool, depth: int = 12) -> dict[str, Any]:
    """Model and input of each case, on the host; at most `depth` layers, or blocks of each of ResNet's widths."""
    import torch

    from bench.torch_models import ResNet50, bert_base, gpt2_small

    length = 64 if small else 128
    return {
        "ResNet-50": (partial(ResNet50, depth), lambda: torch.randn(2 if small else 4, 3, 224, 224)),
        "BERT-base": (partial(bert_base, depth), lambda: torch.randint(0, 30522, (2, length))),
        "GPT-2-small": (partial(gpt2_small, depth), lambda: torch.randint(0, 50257, (1, length))),
    }


def step(model: Any, data: Any) -> Callable[[], float]:
    """One forward and backward pass."""

    def run() -> float:
        model.zero_grad(set_to_none=True)
        loss = model(data).float().square().mean()
        loss.backward()
        return float(loss.detach())

    return run


def models(compiled: bool, names: list[str], depth: int = 12, small: bool = True, rounds: int = 3) -> None:
    import torch

    for name, (make, data) in cases(small, depth).items():
        if names and name not in names:
            continue
        torch.manual_seed(0)
        model, inputs = make(), data()
        twin = make()
        twin.load_state_dict(model.state_dict())
        ours, moved = twin.to("supa"), inputs.to("supa")
        if compiled:
            model, ours = torch.compile(model), torch.compile(ours)
        host, device = step(model, inputs), step(ours, moved)
        before = torch.supa.host_operators()
        first, second = host(), device()
        assert abs(first - second) <= 1e-3 * abs(first), (first, second)
        ran = {one for one, count in torch.supa.host_operators().items() if count != before.get(one, 0)}
        found = side_by_side(host, device, rounds)
        said = f"{name} forward and backward" + (f", depth {depth}" if depth < 12 else "")
        row(f"{said}{', compiled' if compiled else ''}", *found, bar=1.0 if compiled else 1.25)
        if ran:
            print(f"    on the host: {', '.join(sorted(ran))}")


def clock(alone: bool) -> None:
    """The steady state of a model in mode both against mode execute, in processes of their own."""
    program = (
        "import time, torch, supa.torch, bench.torch\n"
        f"bench.torch.now = time.{'process_time' if alone else 'perf_counter'}\n"
        "make, data = bench.torch.cases(True)['GPT-2-small']\n"
        "run = bench.torch.step(make().to('supa'), data().to('supa'))\n"
        "run(); run(); run()\n"
        "print(min(bench.torch.seconds(run) for _ in range(4)))\n"
    )
    times = {mode: _last_number(program, SUPA_MODE=mode) for mode in ("execute", "both")}
    ratio = times["both"] / times["execute"]
    row("GPT-2-small, mode both (device) against execute (host)", times["execute"], times["both"], ratio, bar=1.3)


def importing(alone: bool) -> None:
    """What the import adds to torch's own, which would do it by itself otherwise."""
    clock_name = "process_time" if alone else "perf_counter"
    program = f"import time, torch; start = time.{clock_name}(); import supa.torch; print(time.{clock_name}() - start)"
    found = min(_last_number(program, TORCH_DEVICE_BACKEND_AUTOLOAD="0") for _ in range(ROUNDS))
    print(f"import supa.torch after torch: {found:.2f} s (bar 0.50){'' if found <= 0.5 else '  MISSED'}")


def _last_number(program: str, **environment: str) -> float:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], stdout=subprocess.PIPE, text=True,
                          check=True, env={**os.environ, **environment})  # fmt: skip
    return float(done.stdout.split()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.torch", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--model", nargs="*", default=[], help="these models alone")
    parser.add_argument("--depth", type=int, default=12, help="of the models; less compiles sooner")
    parser.add_argument("--alone", action="store_true", help="one thread on each side, measured in its own time")
    arguments = parser.parse_args()
    os.environ.setdefault("SUPA_MODE", "execute")
    if arguments.alone:
        global now
        now = time.process_time
        os.environ["SUPA_NUM_THREADS"] = "1"
    import torch

    import supa.torch  # noqa: F401

    if arguments.alone:
        torch.set_num_threads(1)

    runs: dict[str, Callable[[], None]] = {
        "operators": operators, "models": lambda: models(False, arguments.model, arguments.depth),
        "compiled": lambda: models(True, arguments.model, arguments.depth), "clock": lambda: clock(arguments.alone),
        "import": lambda: importing(arguments.alone),
    }  # fmt: skip
    for part in arguments.only:
        runs[part]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
