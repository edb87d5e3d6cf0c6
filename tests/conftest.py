"""What all tests share: how hard property tests try (`HYPOTHESIS_PROFILE`), and a clean environment."""

import os

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
