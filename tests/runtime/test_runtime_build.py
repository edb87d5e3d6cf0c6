"""The build of the driver core: what a machine without a compiler is told, and what the library may depend on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from supa.base.errors import DeviceError
from supa.runtime.native import LIBRARY, SOURCES, check_sources, core

ROOT = Path(__file__).parents[2]


def test_a_machine_without_a_compiler_gets_one_clear_message(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", str(tmp_path), "--build-temp", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "CXX": "no-such-compiler"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode != 0
    assert "found none of: no-such-compiler" in built.stderr
    assert "Traceback" not in built.stderr
    assert not list(tmp_path.rglob("*.so"))


def test_the_core_knows_nothing_of_python() -> None:
    assert b"PyObject" not in LIBRARY.read_bytes()
    for source in (ROOT / "src/supa/runtime/core").iterdir():
        assert "Python.h>" not in source.read_text()


def test_a_core_of_other_sources_is_refused(tmp_path: Path) -> None:
    changed = tmp_path / "core"
    shutil.copytree(SOURCES, changed)
    check_sources(core, changed)
    with (changed / "pool.cpp").open("a") as file:
        file.write("// later\n")
    with pytest.raises(DeviceError, match=r"other sources .*\n.*build it again"):
        check_sources(core, changed)
    check_sources(core, tmp_path / "none")
