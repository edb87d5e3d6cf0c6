"""Mode `time`: models that no memory here would hold are priced; what a program reads says that there is no value."""

from pathlib import Path

import pytest
import torch
from test_torch_devices import run

from supa.arch import load_server

ROOT = Path(__file__).parents[2]

VALUES = """
    import math, warnings
    import torch, supa.torch
    x = torch.ones(4, 4, device="supa", dtype=torch.bfloat16)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert math.isnan((x @ x).sum().item()) and x.cpu().isnan().all() and math.isnan(float(x.mean()))
    assert len(told) == 1 and "In mode time there are no values" in str(told[0].message), told
    for read in (lambda: x.argmax().item(), lambda: bool(x.sum() > 0), lambda: x.long().cpu(), lambda: x.nonzero()):
        try:
            read()
        except NotImplementedError as error:
            assert "mode time" in str(error), error
        else:
            raise SystemExit("a value was made up")
    print("fine")
"""


def test_what_is_read_is_nan_or_an_error():
    done = run(VALUES, SUPA_MODE="time")
    assert done.stdout == "fine\n", done.stderr


SCALED = """
    import torch, supa.torch
    model = torch.nn.Linear(8, 4).to("supa")
    optimizer, scaler, steps = torch.optim.SGD(model.parameters(), lr=0.1), torch.amp.GradScaler("supa"), []
    optimizer.register_step_post_hook(lambda *_: steps.append(1))
    for _ in range(3):
        optimizer.zero_grad()
        with torch.autocast("supa", dtype=torch.float16):
            loss = model(torch.ones(2, 8, device="supa")).float().square().mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
    assert len(steps) == 3, "a step was left out of the price"
    assert "no values in mode time, size=(4,)" in repr(model.bias) and "supa" in repr(model.bias)
    assert "1., 1." in repr(torch.ones(2))
    print("fine")
"""


def test_scaled_steps_are_priced_and_tensors_print_their_shape():
    done = run(SCALED, SUPA_MODE="time")
    assert done.stdout == "fine\n", done.stderr


FULL = """
    import torch, supa.torch
    held = [torch.empty(1 << 30, dtype=torch.float32, device="supa") for _ in range(15)]
    try:
        torch.nn.Linear(1 << 16, 1 << 15, device="supa")
    except torch.OutOfMemoryError as error:
        assert "Tried to allocate 8.00 GiB" in str(error) and "60.00 GiB is allocated" in str(error), error
        print("fine")
"""


def test_the_card_s_memory_has_an_end():
    done = run(FULL, SUPA_MODE="time")
    assert done.stdout == "fine\n", done.stderr


LARGE = """
    import pathlib, re, runpy, sys
    sys.argv = ["llama.py", *"{arguments}".split()]
    runpy.run_path({script!r}, run_name="__main__")
    # Not ru_maxrss: it starts from what the process that forked this one held.
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) // 1024)
"""


def test_a_large_model_is_priced_on_several_cards_without_touching_memory():
    """Llama 2 7B's shape: 13.5 GB of weights on two cards."""
    arguments = "--layers 32 --width 4096 --hidden 11008 --heads 32 --key-value-heads 32 --vocabulary 32000"
    code = LARGE.format(
        arguments=f"{arguments} --sequence 128 --tokens 0", script=str(ROOT / "examples/torch/llama.py")
    )
    done = run(code, SUPA_MODE="time", SUPA_DEVICE="hearten", SUPA_CARDS="2")
    lines = done.stdout.splitlines()
    assert lines and lines[0] == "6.74 billion parameters on 2 x supa", done.stderr
    gib = [float(line.split()[1]) for line in lines if line.startswith("supa:")]
    assert len(gib) == 2 and 12.5 < sum(gib) < 13.5  # 6.74e9 parameters of two bytes, and what runs through them
    assert int(lines[-1]) < 2048, "host memory was used"


PEERS = """
    import torch, supa.torch
    size = 1 << 26
    values = torch.zeros(size, dtype=torch.uint8, device="supa:0")
    target = torch.zeros(size, dtype=torch.uint8, device="supa:1")
    for index in (0, 1):
        torch.supa.synchronize(index)
    begun, ended = torch.supa.Event(enable_timing=True), torch.supa.Event(enable_timing=True)
    with torch.supa.device(1):
        begun.record()
        target.copy_(values)
        ended.record()
    assert torch.supa.can_device_access_peer(0, 1)
    print(begun.elapsed_time(ended))
"""


def test_a_copy_between_cards_takes_their_links():
    server = load_server("hearten")
    links = server.device.chip.links
    expected_ms = links.latency_ps / 1e9 + (1 << 26) / (server.pair_bandwidth_bytes_per_s * links.efficiency) * 1e3
    done = run(PEERS, SUPA_DEVICE="hearten", SUPA_MODE="time")
    assert done.stdout and float(done.stdout) == pytest.approx(expected_ms, rel=1e-6), done.stderr


def test_a_fork_of_a_process_that_used_the_device_is_told(tmp_path):
    code = """
        import multiprocessing, torch, supa.torch
        def child(queue):
            try:
                torch.ones(2, device="supa")
            except RuntimeError as error:
                queue.put(str(error))
            torch.manual_seed(1)  # what workers that load data do
            queue.put(torch.ones(2).sum().item())
        torch.ones(2, device="supa")
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        process = context.Process(target=child, args=(queue,))
        process.start()
        print(queue.get(timeout=60), queue.get(timeout=60))
        process.join()
        print(process.exitcode, torch.ones(2, device="supa").sum().item())
    """
    done = run(code)
    assert done.stdout.startswith("Cannot re-initialize supa in forked subprocess."), done.stderr
    assert done.stdout.endswith("'spawn' start method 2.0\n0 2.0\n"), done.stdout + done.stderr


def test_the_import_leaves_the_compiler_and_the_jit_for_later():
    code = "import sys, torch; before = set(sys.modules); import supa.torch; print(*set(sys.modules) - before)"
    done = run(code, TORCH_DEVICE_BACKEND_AUTOLOAD="0")
    loaded = set(done.stdout.split())
    assert "supa.frameworks.torch.module" in loaded, done.stderr
    assert not {"triton", "llvmlite", "numba", "torch._dynamo", "torch._inductor"} & loaded


def test_shares_of_the_memory():
    torch.supa.set_per_process_memory_fraction(0.001)
    try:
        with pytest.raises(torch.OutOfMemoryError, match=r"\(65\.54 MiB allowed\)"):
            torch.empty(1 << 27, dtype=torch.uint8, device="supa")
    finally:
        torch.supa.set_per_process_memory_fraction(1.0)
    assert torch.empty(1 << 27, dtype=torch.uint8, device="supa").numel() == 1 << 27
    with pytest.raises(ValueError, match="Allowed range"):
        torch.supa.set_per_process_memory_fraction(1.5)
