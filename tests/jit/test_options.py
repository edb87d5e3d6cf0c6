"""Launch options: defaults as on CUDA, checked values, a digest that tells them apart."""

import dataclasses

import pytest

from supa.base.errors import SupaError, UnsupportedError
from supa.jit.triton_backend.options import KernelOptions, parse_options


def test_unknown_and_missing_values_keep_the_defaults():
    options = parse_options({"num_warps": 8, "maxnreg": None, "BLOCK": 64}, "chip-1", fp_fusion=False)
    assert (options.num_warps, options.num_stages, options.maxnreg) == (8, 3, None)
    assert (options.arch, options.enable_fp_fusion) == ("chip-1", False)
    assert parse_options({"enable_fp_fusion": True}, "chip-1", fp_fusion=False).enable_fp_fusion


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(KernelOptions) if field.type == "int"])
def test_every_number_is_in_the_digest(field):
    assert KernelOptions(**{field: 2}).hash() != KernelOptions(**{field: 16}).hash()


@pytest.mark.parametrize("warps", [0, 3, 64, "4", 4.0])
def test_wrong_numbers_of_warps(warps):
    with pytest.raises(ValueError, match=r"num_warps must be a power of 2 from 1 to 32"):
        KernelOptions(num_warps=warps)


@pytest.mark.parametrize("blocks", [0, 3, 32, "2"])
def test_wrong_sizes_of_clusters(blocks):
    with pytest.raises(ValueError, match=r"num_ctas must be a power of 2 from 1 to 16"):
        KernelOptions(num_ctas=blocks)


def test_foreign_bitcode_is_refused():
    with pytest.raises(UnsupportedError, match="libdevice"):
        parse_options({"extern_libs": {"ockl": "x.bc"}}, "chip-1", fp_fusion=True)


def test_the_front_ends_needs():
    options = KernelOptions()
    assert {"fp8e4nv", "fp8e5"} <= set(options.supported_fp8_dtypes)
    assert options.allowed_dot_input_precisions == ("tf32", "tf32x3", "ieee", "bf16x3", "bf16x6")
    assert hash(options) == hash(KernelOptions())


@pytest.mark.parametrize("kind", [SupaError, AssertionError, ValueError])
def test_a_wrong_option_is_what_triton_raises_too(kind):
    with pytest.raises(kind, match="must be a power of 2"):
        KernelOptions(num_warps=3)


def test_libdevice_may_be_named_for_it_is_here():
    assert KernelOptions(extern_libs=(("libdevice", "libdevice.10.bc"),)).extern_libs
