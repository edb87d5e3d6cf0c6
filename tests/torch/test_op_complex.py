"""Complex numbers and Fourier transforms on the device, with gradients, against the host in complex128."""

import pytest
import torch
from device_check import check_on_device


def rows(z):
    return torch.tensor([0, 2], device=z.device)


def window(x):
    return torch.hann_window(16, device=x.device, dtype=x.dtype)


def gradient(function):
    def run(z, w, x):
        z, x = z.detach().requires_grad_(), x.detach().requires_grad_()
        return torch.autograd.grad(function(z, w, x), [z, x], allow_unused=True, materialize_grads=True)

    return run


FORMS = {
    "arithmetic": lambda z, w, x: (z + w, z - w, z * w, z / w, torch.add(z, w, alpha=2), z + x, x * z, z / x, x / z),
    "numbers": lambda z, w, x: (z * 2, 2j * z, z + 1j, x * 1j, 1 / z, z / 2),
    "functions": lambda z, w, x: (z.abs(), z.angle(), z.exp(), z.log(), z.sin(), z.cos(), z.sinh(), z.cosh(), z.sgn()),
    "roots": lambda z, w, x: (z.sqrt(), torch.sqrt(z.real + 0j), torch.sqrt(z * 0), z.rsqrt(), z.tan(), z.tanh()),
    "logarithms": lambda z, w, x: (z.log2(), z.log10(), z.log1p(), (z * 1e-3).log1p(), z.exp2(), (z * 1e-3).expm1()),
    "spread": lambda z, w, x: (z.var(), z.std(1), torch.var_mean(z, 1, keepdim=True)),
    "by places": lambda z, w, x: (
        z.index_add(0, rows(z), w[:2], alpha=2),
        z.index_copy(0, rows(z), w[:2]),
        z.clone().index_put_((rows(z),), w[:2]),
        z.scatter_add(0, rows(z).view(2, 1).expand(2, 7), w),
        z.clone().index_put_((rows(z),), w[:2], accumulate=True),
    ),
    "edges": lambda z, w, x: [torch.nn.functional.pad(z[None], (2, 1), mode=mode) for mode in ("reflect", "replicate")],
    "conjugates": lambda z, w, x: (z.conj() * w, z.conj().resolve_conj(), torch.conj_physical(z), -z, z.mH @ w),
    "powers": lambda z, w, x: (z**2, z**3, z**0.5, 2**z, z**w, (z * 0) ** 2, (z * 0) ** 0),
    "masks": lambda z, w, x: (z[x > 0], torch.equal(z, z), torch.count_nonzero(z), torch.linalg.vector_norm(z)),
    "in place": lambda z, w, x: (z.clone().add_(w), z.clone().mul_(2j), z.clone().div_(w)),
    "sums": lambda z, w, x: (z.sum(), z.sum(0), z.mean(1, keepdim=True), z.cumsum(1), z.any(), z.all(1)),
    "products": lambda z, w, x: (z @ w.t(), torch.vdot(z[0], w[0]), torch.addmm(z[:, :5], z, w.t(), beta=2)),
    "moves": lambda z, w, x: (torch.cat((z, w), 1), torch.stack((z, w)), z.flip(0), z.roll(1, 0), z[rows(z)], z.tril()),
    "choices": lambda z, w, x: (torch.where(x > 0, z, w), z.masked_fill(x > 0, 2j), z == w, z != z),
    "made": lambda z, w, x: (torch.complex(x, 2 * x), torch.polar(x.abs(), x), z.imag * 2, x.to(z.dtype), x.angle()),
    "gradient": gradient(lambda z, w, x: (z * w).exp().abs().sum() + (z / w).real.sum() + (x * z @ w.t()).abs().sum()),
    "planes": lambda z, w, x: (torch.fft.fft2(z), torch.fft.ifft2(z), torch.fft.rfft2(x), torch.fft.irfft2(z)),
    "others": lambda z, w, x: (torch.fft.hfft(z), torch.fft.ihfft(x), torch.fft.fftshift(z), torch.fft.fftn(x)),
    "short": lambda z, w, x: torch.stft(x.reshape(-1), 16, 4, window=window(x), return_complex=True),
    "spectrum's gradient": gradient(lambda z, w, x: torch.fft.rfft(x).abs().square().sum()),
}


@pytest.mark.parametrize("name", FORMS)
def test_complex_numbers(name):
    z, w = torch.randn(2, 5, 7, dtype=torch.complex64)
    check_on_device(FORMS[name], z, w, torch.randn(5, 7), tolerance=1e-4)


PAIRS = {
    "same": lambda z, w: (z * w, z + w, z - w, torch.sub(z, w, alpha=0.5), z * z, z + z),
    "broadcast": lambda z, w: (z * w[:1], z[:, :1] * w, z[0] * w, z[0, 0] * w, w + z[:, :1], z[:, None, :9] * w[:, :9]),
    "as they lie": lambda z, w: (
        z.t() * w.t(),
        z.t() + w.t(),
        z[:, ::2] * w[:, ::2],
        z[:, 1:] * z[:, :-1],
        z[:0] * w[:0],
    ),
    "conjugated": lambda z, w: (z.conj() * w, z * w.conj(), z.conj() * w.conj(), z.conj() + w),
    "in place": lambda z, w: (z.clone().mul_(w), z.clone().add_(w[:1]), z.clone().sub_(w), w.clone().mul_(w.conj())),
    "rotated": lambda z, w: torch.view_as_real(z.view(3, 1, 43, 13) * w[:, :13].reshape(3, 1, 1, 13)),
}


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128], ids=str)
@pytest.mark.parametrize("name", PAIRS)
def test_pairs_are_added_and_multiplied_where_they_lie(name, dtype):
    z, w = torch.randn(2, 3, 559, dtype=dtype)
    check_on_device(PAIRS[name], z, w, tolerance=1e-5 if dtype == torch.complex64 else 1e-12)


@pytest.mark.parametrize("factor", [2.0, -3.0, 0.5])
def test_each_call_brings_its_own_factor(factor):
    z = torch.randn(4, 5, dtype=torch.complex64)
    x = z.to("supa")
    torch.testing.assert_close(torch.add(x, x, alpha=factor).cpu(), z * (1 + factor))


def test_division_does_not_overflow_in_between():
    z = torch.tensor([1e30 + 1e30j, 3e-30 - 4e-30j], dtype=torch.complex64)
    check_on_device(lambda z: z / z, z)


@pytest.mark.parametrize("size", [1, 2, 12, 67, 96, 257, 400])
def test_transforms_of_any_size(size):
    def all_kinds(z, x):
        half = z[:, : size // 2 + 1]
        return (torch.fft.fft(z), torch.fft.ifft(z), torch.fft.rfft(x), torch.fft.irfft(half, n=size),
                torch.fft.fft(x, norm="ortho"))  # fmt: skip

    check_on_device(all_kinds, torch.randn(3, size, dtype=torch.complex64), torch.randn(3, size), tolerance=2e-5)


def test_a_lower_precision_of_products_leaves_transforms_alone():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        check_on_device(torch.fft.fft, torch.randn(3, 96, dtype=torch.complex64), tolerance=2e-5)
    finally:
        torch.set_float32_matmul_precision(before)
