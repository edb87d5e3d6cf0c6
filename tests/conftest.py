"""What all tests share: how hard property tests try (`HYPOTHESIS_PROFILE`), and a clean environment.

The name of the test at work stands in a file while it runs: when machine code ends the process, `make test` says where.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("quick", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("fuzz", deadline=None, max_examples=3000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

AT_WORK = Path(__file__).parent.parent / "out" / "test-at-work"


def pytest_sessionstart(session):
    AT_WORK.parent.mkdir(exist_ok=True)


def pytest_runtest_logstart(nodeid, location):
    AT_WORK.write_text(nodeid)


def pytest_sessionfinish(session, exitstatus):
    AT_WORK.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch):
    """Tests see the defaults, whatever the user's shell says."""
    for name in ("SUPA_DEVICE", "SUPA_DEVICES", "SUPA_MODE", "SUPA_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
