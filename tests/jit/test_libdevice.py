"""Our libdevice offers what Triton's CUDA module offers and names only functions that the tile IR has."""

import ast
import inspect
from pathlib import Path

import pytest
import triton.language.extra.libdevice as interface
from triton.language.extra import cuda

from supa.ir.functions import FUNCTIONS, SYMBOL_PREFIX
from supa.jit.triton_backend import libdevice


def names_in(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


CUDA_NAMES = names_in(Path(cuda.__file__).parent / "libdevice.py") | names_in(Path(interface.__file__))


def test_cuda_offers_about_two_hundred_names():
    assert len(CUDA_NAMES) > 190


@pytest.mark.parametrize("name", sorted(CUDA_NAMES))
def test_every_name_is_offered(name):
    assert callable(getattr(libdevice, name))


def test_symbols_are_functions_of_the_tile_ir():
    assert SYMBOL_PREFIX == "__supa_"
    for name in [*libdevice._SAME_NAME.split(), *libdevice._OTHER_NAME.values()]:
        assert name in FUNCTIONS, name


def test_a_call_outside_a_kernel_is_refused_by_triton():
    with pytest.raises(ValueError, match="Did you forget to add"):
        libdevice.exp(1.0)


def test_builtins_have_a_signature_triton_can_pass_its_semantic_to():
    assert "_semantic" in inspect.signature(libdevice.exp).parameters
