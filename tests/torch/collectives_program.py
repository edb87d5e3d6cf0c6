"""Two processes, one card each: collectives, messages, and a model trained in parallel. Not a test; the tests run it.

Arguments: the kind of device, the backend, "train" for the model too.
"""

import copy
import os
import sys
import tempfile

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Shard, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

RANKS = 2


def same(found, expected):
    assert torch.equal(found.cpu().float(), torch.tensor(expected, dtype=torch.float32)), (found, expected)


def collectives(rank, device):
    x = torch.arange(4.0, device=device) + rank
    for operation, expected in (("SUM", [1.0, 3, 5, 7]), ("AVG", [0.5, 1.5, 2.5, 3.5]), ("MAX", [1.0, 2, 3, 4])):
        for dtype in (torch.float32, torch.bfloat16):
            total = x.to(dtype, copy=True)
            dist.all_reduce(total, op=getattr(dist.ReduceOp, operation), async_op=True).wait()
            same(total, expected)
    told = x.clone()
    dist.broadcast(told, 1)
    same(told, [1.0, 2, 3, 4])
    parts = [torch.empty_like(x) for _ in range(RANKS)]
    dist.all_gather(parts, x)
    same(torch.cat(parts), [0.0, 1, 2, 3, 1, 2, 3, 4])
    half = torch.empty(2, device=device)
    for operation, factor in ((dist.ReduceOp.SUM, 1.0), (dist.ReduceOp.AVG, 0.5)):
        dist.reduce_scatter(half, list(x.chunk(2)), op=operation)
        same(half, [factor * one for one in ([1.0, 3], [5.0, 7])[rank]])
    mixed = torch.empty_like(x)
    dist.all_to_all_single(mixed, x)
    same(mixed, ([0.0, 1, 1, 2], [2.0, 3, 3, 4])[rank])
    given = torch.empty_like(x)
    dist.scatter(given, [x, 2 * x] if rank == 0 else None, src=0)
    same(given, ([0.0, 1, 2, 3], [0.0, 2, 4, 6])[rank])
    dist.barrier()
    objects = [None] * RANKS
    dist.all_gather_object(objects, {"rank": rank})
    assert objects == [{"rank": 0}, {"rank": 1}]


def messages(rank, device):
    x, came = torch.arange(3.0, device=device) + rank, torch.zeros(3, device=device)
    both = [dist.P2POp(dist.irecv, came, 1 - rank), dist.P2POp(dist.isend, x, 1 - rank)]
    for work in dist.batch_isend_irecv(both):
        work.wait()
    same(came, [1.0 - rank, 2 - rank, 3 - rank])
    if rank:
        dist.send(x, 0)
    else:
        assert dist.recv(came.zero_()) == 1
        same(came, [1.0, 2, 3])


def trained(model, parameters, inputs, targets):
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
    for x, y in zip(inputs, targets, strict=True):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()


def parallel_training(rank, device):
    """Each rank's half of a batch, against one model on the host that sees all of it in float64."""
    torch.manual_seed(0)
    start = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3))
    inputs, targets = torch.randn(3, 8, 5), torch.randn(3, 8, 3)
    reference = copy.deepcopy(start).double()
    trained(reference, reference.parameters(), inputs.double(), targets.double())
    expected = [one.detach() for one in reference.parameters()]
    x, y = (one[:, 4 * rank : 4 * rank + 4].to(device) for one in (inputs, targets))
    copied = copy.deepcopy(start).to(device)
    trained(DistributedDataParallel(copied, device_ids=[rank]), copied.parameters(), x, y)
    sharded = fully_shard(copy.deepcopy(start).to(device), mesh=init_device_mesh(device.type, (RANKS,)))
    trained(sharded, sharded.parameters(), x, y)
    for found in ([*copied.parameters()], [one.full_tensor() for one in sharded.parameters()]):
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one.detach().cpu().double(), other, rtol=1e-5, atol=1e-6)
    mesh = init_device_mesh(device.type, (RANKS,))
    same(distribute_tensor(torch.arange(8.0).view(4, 2), mesh, [Shard(0)]).full_tensor().view(-1), [*range(8)])


def work(rank, kind, backend, task, meeting):
    torch.set_num_threads(1)
    device = torch.device(kind, rank)
    torch.get_device_module(kind).set_device(rank)
    dist.init_process_group(backend, init_method=f"file://{meeting}", rank=rank, world_size=RANKS)
    collectives(rank, device)
    messages(rank, device)
    if task == "train":
        parallel_training(rank, device)
    dist.destroy_process_group()


if __name__ == "__main__":
    assert os.environ["SUPA_CARDS"] == str(RANKS)
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(work, args=(*sys.argv[1:], f"{folder}/meeting"), nprocs=RANKS)
    print("fine")
