"""`python -m bench.fuzz`: random kernels, native code against the oracle, for as long or as many as wanted.

Each seed is one kernel and one way to compile it (tests/compiler/program_check.py). Workers are processes: one that
crashes or hangs is recorded with the seed that it was at, and another goes on behind it. What fails is made small and
written to a file of its own. `--reduce` looks at one seed again. Not here: what is generated and how it is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.programs import ROOT

FOUND = ROOT / "out" / "fuzz"
PROGRESS_SECONDS = 20.0
HANG_SECONDS = 120.0
NEWS_SECONDS = 1.0
COLLECT_EVERY = 64
sys.path.insert(0, str(ROOT / "tests" / "compiler"))


# ---- one worker ------------------------------------------------------------------------------------------------


def work(first: int, stride: int, count: int, position: Path) -> None:
    """Check `count` seeds from `first` on; the seed at work stands in the file `position`. News as JSON lines."""
    import gc

    from program_check import check_seed

    from supa.base.errors import UnsupportedError

    gc.disable()
    gc.collect()
    gc.freeze()
    place = os.open(position, os.O_RDWR | os.O_CREAT)
    done, refused, told = 0, 0, time.monotonic()
    for number, seed in enumerate(range(first, first + stride * count, stride)):
        if number % COLLECT_EVERY == 0:
            gc.collect()
        os.pwrite(place, f"{seed:20d}".encode(), 0)
        difference: object | None
        try:
            difference = check_seed(seed)
        except UnsupportedError:
            difference, refused = None, refused + 1
        except Exception as error:  # any failure is a find, and the run goes on
            difference = f"{type(error).__name__}: {error}"
        done += 1
        if difference is not None:
            print(json.dumps({"seed": seed, "what": str(difference)}), flush=True)
        if time.monotonic() - told > NEWS_SECONDS:
            print(json.dumps({"done": done, "refused": refused, "next": seed + stride}), flush=True)
            done, refused, told = 0, 0, time.monotonic()
    print(json.dumps({"done": done, "refused": refused, "next": first + stride * count}), flush=True)


@dataclass
class Worker:
    """A process over every `stride`-th seed, started again where it stopped."""

    first: int
    stride: int
    left: int
    position: Path
    process: Any = None
    heard: float = 0.0
    crashed: list[tuple[int, str]] = field(default_factory=list)

    def start(self) -> None:
        """Go on at `first`."""
        command = [sys.executable, "-m", "bench.fuzz", "--work", str(self.position)]
        numbers = [str(number) for number in (self.first, self.stride, self.left)]
        with self.position.with_suffix(".log").open("w") as log:
            self.process = subprocess.Popen([*command, *numbers], cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.heard, self.rest = time.monotonic(), b""

    def news(self) -> list[dict[str, Any]]:
        """What it said since."""
        data = self.process.stdout.read()
        if not data:
            return []
        self.heard = time.monotonic()
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def advance(self, following: int) -> None:
        """All seeds before `following` are done."""
        self.left -= (following - self.first) // self.stride
        self.first = following

    def recover(self, why: str) -> tuple[int, str]:
        """After a crash or a hang: the seed that it was at, and go on behind it."""
        self.process.kill()
        self.process.wait()
        said = self.position.with_suffix(".log").read_text()
        if not self.position.exists():
            raise RuntimeError(f"a worker ended before its first kernel: {why}\n{said}")
        seed = int(self.position.read_bytes())
        self.advance(seed + self.stride)
        if self.left > 0:
            self.start()
        return seed, f"{why}: {said.splitlines()[-1]}" if said else why


# ---- the whole run ---------------------------------------------------------------------------------------------


class Run:
    """Workers, their finds, and the count."""

    def __init__(self, first: int, count: int, workers: int, seconds: float) -> None:
        FOUND.mkdir(parents=True, exist_ok=True)
        self.began, self.seconds, self.done, self.told = time.monotonic(), seconds, 0, 0.0
        self.found: list[int] = []
        self.refused = 0
        self.reducers: list[Any] = []
        each = -(-count // workers)
        self.workers = [
            Worker(first=first + index, stride=workers, left=each, position=FOUND / f"position-{os.getpid()}-{index}")
            for index in range(workers)
        ]
        self.first = first

    def go(self) -> int:
        """Until all is done or time is up; the number of finds."""
        for worker in self.workers:
            worker.start()
        while any(worker.process.poll() is None or worker.left > 0 for worker in self.workers):
            if time.monotonic() - self.began > self.seconds:
                break
            self._listen()
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()
            worker.position.unlink(missing_ok=True)
            worker.position.with_suffix(".log").unlink(missing_ok=True)
        for reducer in self.reducers:
            reducer.wait()
        self._tell()
        return len(self.found)

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            for worker in self.workers:
                if worker.process.poll() is None:
                    selector.register(worker.process.stdout, selectors.EVENT_READ)
            selector.select(timeout=NEWS_SECONDS)
        for worker in self.workers:
            self._hear(worker)
        if time.monotonic() - self.told > PROGRESS_SECONDS:
            self._tell()

    def _hear(self, worker: Worker) -> None:
        status = worker.process.poll()
        for item in worker.news():
            if "done" in item:
                self.done += item["done"] - item["refused"]
                self.refused += item["refused"]
                worker.advance(item["next"])
            else:
                self._find(item["seed"], item["what"])
        if worker.left > 0 and status is not None:
            self._find(*worker.recover(f"the process ended with {status}"))
        elif time.monotonic() - worker.heard > HANG_SECONDS and status is None:
            self._find(*worker.recover(f"no answer in {HANG_SECONDS:.0f} s"))

    def _find(self, seed: int, what: str) -> None:
        self.found.append(seed)
        print(f"seed {seed}: {what}", flush=True)
        command = [sys.executable, "-m", "bench.fuzz", "--reduce", str(seed)]
        with (FOUND / f"seed-{seed}.txt").open("w") as file:
            print(f"seed {seed}: {what}", file=file, flush=True)
            self.reducers.append(subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT))

    def _tell(self) -> None:
        self.told = time.monotonic()
        passed = self.told - self.began
        print(
            f"{self.done} kernels from seed {self.first} on in {passed:.0f} s, {self.done / passed:.1f} a second,"
            f" {self.refused} refused, {len(self.found)} finds",
            flush=True,
        )


# ---- one find --------------------------------------------------------------------------------------------------


def outcome(call: Any) -> str:
    """What a call says, or how it dies, in a process of its own; "" where it says None."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        try:
            said = call()
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writer, ("" if said is None else str(said)).encode()[:4000])
        os._exit(0)
    os.close(writer)
    began, said = time.monotonic(), b""
    with os.fdopen(reader, "rb") as file, selectors.DefaultSelector() as selector:
        selector.register(file, selectors.EVENT_READ)
        while selector.select(timeout=max(0.0, began + 30 - time.monotonic())):
            part = os.read(file.fileno(), 4096)
            if not part:
                break
            said += part
        else:
            os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    return said.decode() if status == 0 else f"the process ended with status {status}"


def reduce(seed: int) -> None:
    """Print the smallest kernel found that still fails, with what a test needs to run it."""
    from program_check import Setting, check_seed, check_text, program_of, text_of
    from program_reducer import reduce_program

    setting, program = Setting.of(seed), program_of(seed)
    said = outcome(lambda: check_seed(seed))
    print(
        f"{setting}\ngrid {program.grid}, arguments {program.arguments}\nagain: {said or 'no difference'}", flush=True
    )
    text = text_of(seed)
    print(text, flush=True)
    if not said:
        return
    sort = said.split(" in ")[0] if " differs in " in said else said.split(":")[0]
    from supa.ir.text import print_function

    def fails(func: Any) -> bool:
        written = print_function(func)
        return outcome(lambda: check_text(written, program, seed, setting)).startswith(sort)

    if fails(program.func):
        text = reduce_program(text, fails)
    print("---- reduced:", outcome(lambda: check_text(text, program, seed, setting)))
    print(text)


def main() -> int:
    """Run, and end with 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1 << 40, help="how many kernels")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long at most")
    parser.add_argument("--workers", type=int, default=1, help="processes at a time")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--reduce", type=int, metavar="SEED", help="make the kernel of one seed small, and print it")
    parser.add_argument("--work", nargs=4, metavar=("FILE", "FIRST", "STRIDE", "COUNT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(*map(int, given.work[1:]), Path(given.work[0]))
        return 0
    if given.reduce is not None:
        reduce(given.reduce)
        return 0
    return int(Run(given.seed, given.count, given.workers, given.seconds).go() > 0)


if __name__ == "__main__":
    sys.exit(main())
