"""Imports go down the floors only, third parties stay in their rooms; and this test can fail."""

from pathlib import Path

import pytest
from floors import MAY_IMPORT, ROOMS, violations

import supa

PACKAGE = Path(supa.__file__).parent


def test_the_package_keeps_its_floors():
    assert violations(PACKAGE) == []


def test_every_folder_is_a_floor():
    folders = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert folders <= set(MAY_IMPORT)


def test_the_floors_have_no_cycle():
    left = dict(MAY_IMPORT)
    while left:
        ground = [floor for floor, below in left.items() if not below & set(left)]
        assert ground, f"these floors import each other: {sorted(left)}"
        for floor in ground:
            del left[floor]


@pytest.mark.parametrize(
    ("path", "source", "told"),
    [
        ("base/a.py", "import supa.ir.core", "base imports ir"),
        ("ir/a.py", "from supa import arch", "ir imports arch"),
        ("compiler/a.py", "def f():\n    from supa.timing import price", "compiler imports timing"),
        ("compiler/a.py", "if TYPE_CHECKING:\n    import supa.runtime", "imports runtime"),
        ("timing/a.py", "from ..ir import core", "timing imports ir"),
        ("timing/deep/a.py", "from ... import jit", "timing imports jit"),
        ("tools/a.py", "importlib.import_module('supa.frameworks.torch')", "tools imports frameworks"),
        ("runtime/a.py", "__import__('supa.compiler')", "runtime imports compiler"),
        ("runtime/device.py", "import llvmlite.binding", "imports llvmlite"),
        ("jit/tuning.py", "import torch", "imports torch"),
        ("tools/a.py", "from triton import knobs", "imports triton"),
        ("libs/a.py", "import requests", "imports requests, which no floor may"),
        ("extras/a.py", "import supa.base", "extras is not a floor"),
        ("__init__.py", "from supa.base import errors", "the face imports base"),
    ],
)  # fmt: skip
def test_a_planted_violation_is_caught(tmp_path, path, source, told):
    planted = tmp_path / "supa" / path
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(source)
    [problem] = violations(tmp_path / "supa")
    assert told in problem
    assert problem.startswith(f"{path}:")


def test_what_is_allowed_is_not_caught(tmp_path):
    for path, source in {
        "jit/triton_backend/torch_device.py": "import torch, triton, numpy",
        "runtime/loader.py": "import llvmlite.binding, ctypes",
        "compiler/native/a.py": "from supa.compiler import ttir\nfrom .. import stages\nimport supa",
        "tools/cli.py": "from supa.jit import session",
    }.items():
        planted = tmp_path / "supa" / path
        planted.parent.mkdir(parents=True, exist_ok=True)
        planted.write_text(source)
    assert violations(tmp_path / "supa") == []


def test_rooms_name_places_of_floors():
    for places in ROOMS.values():
        assert all(place == "" or place.split("/")[0] in MAY_IMPORT for place in places)
