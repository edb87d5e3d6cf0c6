"""`import torch` alone brings the device, and torch stays whole where the device can not be had."""

import os
import subprocess
import sys
import textwrap

import pytest


@pytest.fixture
def entry_point(tmp_path):
    """A folder that gives torch our entry point, as an installation of the package does."""
    facts = tmp_path / "site" / "supa_entry-0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: supa-entry\nVersion: 0\n")
    (facts / "entry_points.txt").write_text("[torch.backends]\nsupa = supa.frameworks.torch.autoload:autoload\n")
    return str(facts.parent)


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=300,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_import_torch_is_enough(entry_point):
    code = """
        import torch
        assert torch.accelerator.current_accelerator() == torch.device("supa")
        torch.manual_seed(5)
        assert torch.supa.initial_seed() == 5 and torch.supa.device_count() == 1
        assert (torch.ones(3, device="supa") + 1).tolist() == [2, 2, 2]
        import supa.torch
        assert torch.supa is sys.modules["torch.supa"]
        print("fine")
    """
    done = run("import sys\n" + textwrap.dedent(code), PYTHONPATH=entry_point)
    assert done.stdout == "fine\n", done.stderr


def test_our_own_import_may_come_first(entry_point):
    done = run("import supa.torch, torch; print(torch.ones(2, device='supa').sum().item())", PYTHONPATH=entry_point)
    assert done.stdout == "2.0\n", done.stderr


WITHOUT = """
    import torch
    torch.manual_seed(5)
    assert (torch.ones(3) + 1).tolist() == [2, 2, 2] and not torch.supa.is_available()
    assert torch.supa.device_count() == 0 and not torch.accelerator.is_available()
    model = torch.nn.Linear(3, 1)
    model(torch.ones(3)).backward()
    try:
        torch.ones(1, device="supa")
    except Exception as error:
        print(type(error).__name__, error)
"""


def test_without_a_compiler_torch_works_and_the_device_says_what_is_missing(entry_point, tmp_path):
    done = run(WITHOUT, PYTHONPATH=entry_point, SUPA_CACHE_DIR=str(tmp_path / "cache"), CXX="no-such-compiler")
    assert done.stdout.startswith("BuildError supa.torch needs a C++20 compiler"), done.stderr
    assert "apt install g++" in done.stdout and "building" not in done.stderr


def test_a_wrong_device_s_name_is_told_when_the_device_is_used(entry_point):
    done = run(WITHOUT, PYTHONPATH=entry_point, SUPA_DEVICE="no-such-chip")
    assert done.stdout.startswith("DescriptionError unknown hardware 'no-such-chip'"), done.stderr


def test_torch_s_own_word_keeps_it_away(entry_point):
    done = run("import torch; print(hasattr(torch, 'supa'))", PYTHONPATH=entry_point, TORCH_DEVICE_BACKEND_AUTOLOAD="0")
    assert done.stdout == "False\n", done.stderr


def test_the_package_declares_it():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["torch.backends"] == {"supa": "supa.frameworks.torch.autoload:autoload"}
