"""A program written for NVIDIA GPUs, as such are written: what `--as-cuda` must carry. Not a test; the tests run it."""

import copy
import io

import torch
from torch.utils.data import DataLoader, TensorDataset

assert torch.cuda.is_available() and torch.cuda.device_count() == 1
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.backends.cuda.matmul.allow_tf32 = True
torch.backends.cudnn.benchmark = True
torch.manual_seed(1)
torch.cuda.manual_seed_all(1)

host = torch.ones(2)
made = torch.zeros(3, device="cuda"), torch.tensor([1.0], device=device), host.cuda(), host.to("cuda:0")
assert all(one.is_cuda and one.device == torch.device("cuda:0") and one.device.type == "cuda" for one in made)
assert host.device.type == "cpu" and not host.is_cuda
assert torch.full_like(made[0], 7.0).device == made[0].device == torch.empty(1, device=made[0].device).device
assert made[0].type() == "torch.cuda.FloatTensor" and torch.ones(2).type(torch.cuda.HalfTensor).dtype == torch.float16
assert torch.cuda.FloatTensor([1, 2]).is_cuda

model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2)).to(device)
address = model[0].weight.data_ptr()
assert model.cuda()[0].weight.data_ptr() == address == model.to("cuda")[0].weight.data_ptr(), "it was copied"
data = TensorDataset(torch.randn(64, 8), torch.randint(0, 2, (64,)))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)
scaler = torch.amp.GradScaler("cuda")
start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
start.record()
losses = []
for _ in range(3):
    for x, y in DataLoader(data, batch_size=16, pin_memory=True):
        assert x.is_pinned()
        x, y = x.to(device, non_blocking=True), y.cuda(non_blocking=True)
        with torch.autocast(device_type="cuda", dtype=torch.float16):
            out = model(x)
            assert out.dtype == torch.float16 and torch.is_autocast_enabled()
            loss = torch.nn.functional.cross_entropy(out, y)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
end.record()
torch.cuda.synchronize()
assert losses[-1] < losses[0] and start.elapsed_time(end) > 0

file = io.BytesIO()
torch.save({"model": model.state_dict()}, file)
assert b"cuda:0" in file.getvalue() and b"supa" not in file.getvalue(), "a GPU machine could not read this file"
for location, expected in (("cuda", "cuda"), (None, "cuda"), (torch.device("cuda:0"), "cuda"), ("cpu", "cpu")):
    file.seek(0)
    assert torch.load(file, map_location=location)["model"]["0.weight"].device.type == expected

side = torch.cuda.Stream()
with torch.cuda.stream(side):
    assert torch._C._cuda_getCurrentRawStream(0) == side.cuda_stream  # what launchers of kernels ask torch
    model(torch.ones(1, 8, device=device))
torch.cuda.current_stream().wait_stream(side)
generator = torch.Generator(device="cuda").manual_seed(3)
assert isinstance(generator, torch.Generator) and torch.rand(2, generator=generator, device="cuda").is_cuda
assert torch.cuda.memory_allocated() > 0 and torch.cuda.max_memory_allocated() >= torch.cuda.memory_allocated()
assert torch.cuda.get_device_properties(0).total_memory == torch.cuda.mem_get_info()[1]
facts = torch.cuda.get_device_properties(0)
assert (facts.is_integrated, facts.pci_bus_id) == (0, 0) and facts.shared_memory_per_block_optin <= 1 << 20
assert facts.shared_memory_per_multiprocessor >= facts.shared_memory_per_block and str(facts.uuid)
assert torch.cuda.current_stream().cuda_stream == 0 and side.cuda_stream != 0
begun, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
begun.record()
torch.cuda._sleep(1_000_000)
ended.record()
assert abs(begun.elapsed_time(ended) - 1e6 / facts.clock_rate) < 1e-3, "a million of the chip's cycles"
assert torch.cuda.get_sync_debug_mode() == 0 and torch.cuda.cudart().cudaProfilerStart() == 0
assert torch.nn.DataParallel(model)(torch.ones(4, 8, device=device)).is_cuda
torch.set_default_tensor_type(torch.cuda.FloatTensor)
assert torch.ones(2).is_cuda
torch.set_default_tensor_type("torch.FloatTensor")
assert not torch.ones(2).is_cuda
try:
    torch.cuda.memory_snapshot()
except AttributeError as error:
    assert "NVIDIA's driver" in str(error) and not hasattr(torch._C, "_cuda_memorySnapshot")
torch.cuda.nvtx.range_push("step")
torch.cuda.nvtx.range_pop()
with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
    model(torch.ones(1, 8, device=device))
assert sum(event.self_device_time_total for event in profile.key_averages()) > 0
still, captured = torch.ones(4, device="cuda"), torch.cuda.CUDAGraph()
with torch.cuda.graph(captured):
    assert torch.cuda.is_current_stream_capturing()
    grown = still * 3
still.fill_(2.0)
captured.replay()
assert grown.tolist() == [6.0] * 4
sample = torch.randn(5, 8, device="cuda")
plain = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.Tanh()).cuda()
graphed = torch.cuda.make_graphed_callables(copy.deepcopy(plain), (sample.clone(),))
graphed(sample).sum().backward()
plain(sample).sum().backward()
for ours, exact in zip(graphed.parameters(), plain.parameters(), strict=True):
    torch.testing.assert_close(ours.grad, exact.grad)
print("fine")
