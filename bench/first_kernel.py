"""A program with one kernel that says where its time went: run by `bench.startup`, in a process of its own."""

import json
import time

start, start_own = time.perf_counter(), time.process_time()
import torch  # noqa: E402

torch_s, begin, begin_own = time.perf_counter() - start, time.perf_counter(), time.process_time()
import triton  # noqa: E402
import triton.language as tl  # noqa: E402

triton_s = time.perf_counter() - begin


@triton.jit
def add_kernel(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    tl.store(out_ptr + at, tl.load(x_ptr + at, mask=mask) + tl.load(y_ptr + at, mask=mask), mask=mask)


def main() -> None:
    """Launch, and print seconds: of the processor and of the wall without torch's import, and the two imports'."""
    x, out = torch.ones(1000), torch.zeros(1000)
    add_kernel[(4,)](x, x, out, 1000, BLOCK=256)
    seconds = {
        "processor_s": time.process_time() - begin_own,
        "wall_s": time.perf_counter() - begin,
        "import_triton_s": triton_s,
        "import_torch_s": torch_s,
    }
    if out.sum() != 2000:
        raise RuntimeError("the kernel gave a wrong answer")
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
