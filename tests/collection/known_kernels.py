"""Kernels of the examples and of the sanitizer's tests as cases of the collection. Not the kernels themselves."""

import sys
from pathlib import Path

import torch
from registry import case

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "examples" / "triton"), str(ROOT / "tests" / "jit")]

import argmax as argmax_example  # noqa: E402
import cumulative_sum as cumulative_sum_example  # noqa: E402
import dropout as dropout_example  # noqa: E402
import flash_attention as attention_example  # noqa: E402
import fused_softmax as softmax_example  # noqa: E402
import histogram as histogram_example  # noqa: E402
import layer_norm as layer_norm_example  # noqa: E402
import matmul as matmul_example  # noqa: E402
import matmul_descriptors as descriptor_example  # noqa: E402
import sanitizer_sound_kernels as sound  # noqa: E402
import top_k as top_k_example  # noqa: E402
import vector_add as vector_add_example  # noqa: E402


@case
def vector_add():
    x, y = torch.randn(2, 3000)
    return [(vector_add_example.add(x, y), x + y)]


@case
def softmax():
    x = torch.randn(20, 300)
    return [(softmax_example.softmax(x), x.softmax(1))]


@case
def argmax_of_long_rows():
    x = torch.randn(3, 20_000)
    found = argmax_example.argmax(x)
    return [(found[0], x.max(1).values), (found[1].long(), x.argmax(1))]


@case
def argmax_of_short_rows():
    x = torch.randn(40, 30)
    found = argmax_example.argmax(x)
    return [(found[0], x.max(1).values), (found[1].long(), x.argmax(1))]


@case
def cumulative_sum():
    x = torch.randn(5, 700)
    return [(cumulative_sum_example.cumulative_sum(x), x.cumsum(1))]


@case
def linear_recurrence():
    a, b = torch.rand(3, 200), torch.randn(3, 200)
    expected, state = [], torch.zeros(3)
    for step in range(200):
        state = a[:, step] * state + b[:, step]
        expected.append(state)
    return [(cumulative_sum_example.linear_recurrence(a, b), torch.stack(expected, 1))]


@case
def seeded_dropout():
    x = torch.rand(4000) + 1
    out = dropout_example.dropout(x, 0.25, 3)
    kept = out != 0
    return [(out[kept], x[kept] / 0.75), (((kept.float().mean() - 0.75).abs() < 0.05), torch.tensor(True))]


@case
def histogram():
    x = torch.randint(0, 40, (5000,), dtype=torch.int32)
    return [(histogram_example.histogram(x, 40).long(), x.bincount(minlength=40))]


@case
def layer_norm_both_ways():
    x, weight, bias = torch.randn(12, 200, requires_grad=True), torch.randn(200), torch.randn(200)
    out, mean, scale = layer_norm_example.layer_norm_forward(x.detach(), weight, bias, 1e-5)
    grad = torch.randn(12, 200)
    expected = torch.nn.functional.layer_norm(x, (200,), weight, bias, 1e-5)
    expected.backward(grad)
    dx, *_ = layer_norm_example.layer_norm_backward(grad, x.detach(), weight, mean, scale)
    return [(out, expected.detach()), (dx, x.grad)]


@case
def matmul_with_activation():
    a, b = torch.randn(70, 50).half(), torch.randn(50, 90).half()
    out = matmul_example.matmul(a, b, "leaky_relu")
    return [(out, torch.nn.functional.leaky_relu(a.float() @ b.float(), 0.01).half())]


@case
def matmul_with_descriptors():
    a, b = torch.randn(64, 64).half(), torch.randn(64, 64).half()
    return [(descriptor_example.descriptor_matmul(a, b).float(), (a.float() @ b.float().T).half().float())]


@case
def attention_both_ways():
    q, k, v = (torch.randn(1, 2, 96, 32).half() for _ in range(3))
    out, lse = attention_example.attention_forward(q, k, v, True, 0.2)
    wide = [tensor.double().requires_grad_() for tensor in (q, k, v)]
    expected = torch.nn.functional.scaled_dot_product_attention(*wide, is_causal=True, scale=0.2)
    grad = torch.randn_like(q)
    expected.backward(grad.double())
    found = attention_example.attention_backward(grad, q, k, v, out, lse, True, 0.2)
    return [(out, expected.detach().half()), *((a, b.grad.half()) for a, b in zip(found, wide, strict=True))]


@case
def top_k():
    x = torch.randn(9, 100)
    values, indices = top_k_example.top_k(x, 8)
    expected = x.topk(8)
    return [(values, expected.values), (indices.long(), expected.indices)]


@case
def transpose():
    x, out = torch.randn(70, 45), torch.empty(45, 70)
    sound.transpose[(3, 2)](x, out, 70, 45, BLOCK=32)
    return [(out, x.T.contiguous())]


@case
def split_k():
    a, b, c = torch.randn(50, 150), torch.randn(150, 40), torch.zeros(50, 40)
    sound.split_k[(4, 3, 3)](a, b, c, 50, 40, 150, BLOCK=16, SPLIT=3)
    return [(c, a @ b)]


@case
def embedding():
    table, indices, out = torch.randn(30, 100), torch.randint(0, 30, (17,)), torch.empty(17, 100)
    sound.embedding[(17,)](indices, table, out, 100, BLOCK=128)
    return [(out, table[indices])]


@case
def rms_norm_in_place():
    x, weight = torch.randn(9, 100), torch.randn(100)
    expected = torch.nn.functional.rms_norm(x, (100,), weight, 1e-6)
    sound.rms_norm_in_place[(9,)](x, weight, 100, 1e-6, BLOCK=128)
    return [(x, expected)]


@case
def persistent_programs():
    x, out = torch.randn(10_007), torch.empty(10_007)
    sound.persistent_scale[(6,)](x, out, 10_007, BLOCK=256)
    return [(out, x * 2)]


@case
def chained_scan():
    x, out = torch.rand(16 * 64), torch.empty(16 * 64)
    partial, flags = torch.empty(16), torch.zeros(16, dtype=torch.int32)
    sound.arrive_and_finish[(16,)](x, partial, flags, out, BLOCK=64)
    return [(out, x.cumsum(0))]
