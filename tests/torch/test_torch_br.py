"""Programs written for the vendor's plug-in start: `import torch_br`, its default precision, its shim for CUDA."""

from test_torch_devices import run

VENDOR = """
    import torch, torch_br
    from torch_br.supa.amp import GradScaler, autocast
    assert torch.get_float32_matmul_precision() == "high"
    x = torch.randn(4, 6, 8, device="supa")
    torch_br.supa.synchronize()
    torch_br.supa.reset_peak_memory_stats()
    assert torch_br.supa.max_memory_allocated() > 0 and torch.supa.memory_cached() > 0
    torch_br.supa.set_per_process_memory_fraction(0.98, 0)
    with autocast(dtype=torch.bfloat16):
        assert torch.nn.Linear(8, 2, device="supa")(x).dtype == torch.bfloat16
    with torch.autocast(device_type="supa", dtype=torch.bfloat16):
        assert (x @ x.transpose(1, 2)).dtype == torch.bfloat16
    assert GradScaler().is_enabled()
    expected = torch.fft.rfft2(x.cpu().double())
    assert (torch.fft.rfft2(x).cpu() - expected).abs().max() < 1e-5, "an axis was left out"
    weight = torch.nn.Parameter(torch.ones(3, device="supa"))
    optimizer = torch.optim.Adam([weight], foreach=True)
    weight.sum().backward()
    optimizer.step()
    norm = torch.nn.InstanceNorm1d(6, track_running_stats=True).to("supa")
    assert norm(x).device.type == norm.running_mean.device.type == "supa"
    try:
        torch_br.nms
    except AttributeError as error:
        assert "torch's own operators" in str(error)
    print("fine")
"""

SHIM = """
    import torch
    from torch_br.contrib import transfer_to_supa
    x = torch.ones(3, device="cuda")
    assert x.is_cuda and torch.cuda.is_available() and (x + 1).tolist() == [2, 2, 2]
    print("fine")
"""


def test_programs_for_the_vendor_s_plug_in_start():
    done = run(VENDOR)
    assert done.stdout == "fine\n", done.stderr


def test_the_vendor_s_shim_for_cuda():
    done = run(SHIM)
    assert done.stdout == "fine\n", done.stderr
