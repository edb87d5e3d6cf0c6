"""A device with little memory and known prices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from known_prices import FakePricer

from supa.arch import load, with_overrides
from supa.runtime import Device, set_threads, threads


@pytest.fixture(scope="session")
def small_description() -> Any:
    return with_overrides(load("bili100"), {"hbm.capacity": "64 MiB"})


@pytest.fixture
def pricer() -> FakePricer:
    return FakePricer()


@pytest.fixture
def device(small_description: Any, pricer: FakePricer) -> Device:
    return Device(small_description, mode="both", pricer=pricer)


@pytest.fixture
def host_device(small_description: Any) -> Device:
    return Device(small_description, mode="execute")


@pytest.fixture(autouse=True)
def same_threads_after() -> Iterator[None]:
    before = threads()
    yield
    set_threads(before)
