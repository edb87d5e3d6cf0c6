"""What all tests share: how hard property tests try (`HYPOTHESIS_PROFILE`), a clean environment, and `--amx`."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("quick", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("fuzz", deadline=None, max_examples=3000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch):
    """Tests see the defaults, whatever the user's shell says."""
    for name in ("SUPA_DEVICE", "SUPA_DEVICES", "SUPA_MODE", "SUPA_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def pytest_addoption(parser):
    parser.addoption("--amx", action="store_true", help="compile for a host with AMX, and carry its instructions out")


def pytest_configure(config):
    """With `--amx` all of the process: kernels that were compiled for AMX do not run where nobody carries it out."""
    if config.getoption("--amx"):
        sys.path.insert(0, str(Path(__file__).with_name("compiler")))
        import amx_trap

        trap = amx_trap.trapped()
        trap.__enter__()
        config.add_cleanup(lambda: trap.__exit__(None, None, None))


def pytest_runtest_setup(item):
    if item.config.getoption("--amx"):
        import amx_trap

        amx_trap.install()


def pytest_terminal_summary(terminalreporter, config):
    """What of AMX ran in this process."""
    if config.getoption("--amx"):
        import amx_trap

        counts = ", ".join(f"{name} {count}" for name, count in amx_trap.executed().items() if count)
        terminalreporter.write_line(f"amx: {counts or 'nothing'}; {amx_trap.configured_threads()} configured")
