"""The process's devices, and which of them is the current one. Not here: the devices themselves (`device`).

Without a word from the program they are what `SUPA_DEVICE` names: one device, `SUPA_CARDS` of them, or all of a
server. Cards of one machine share the host's time, the record of launches, and what one of them has been predicted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from supa.arch import Device as Description
from supa.arch import kind_of, load, load_server
from supa.base.errors import DeviceError
from supa.runtime.device import DEFAULT_DEVICE, DEFAULT_MODE, Device, checked_mode
from supa.runtime.prices import Prices
from supa.runtime.session import Session
from supa.runtime.stream import HostTime

MOST_CARDS = 64

_cards: list[Device] = []
CURRENT: list[Device] = []
"""The current device, once there is one: for launches, which have no time for `current_device`."""
_lock = threading.RLock()


def open_cards(name: str, mode: str, session: Session | None = None, count: int | None = None) -> tuple[Device, ...]:
    """New devices: all of a server's, else `count` of the named kind (1). They have links as their server has.

    Raises `DescriptionError` for a name that nobody has, `DeviceError` for a wrong mode or number of cards.
    """
    description, number, pair_bytes_per_s = _machine(name, count)
    if not 1 <= number <= MOST_CARDS:
        raise DeviceError(f"expected 1 to {MOST_CARDS} cards of {name} (SUPA_CARDS), found {number}")
    session = Session() if session is None else session
    prices, host = Prices(description), HostTime()
    return tuple(
        Device(description, mode=checked_mode(mode), session=session, prices=prices.twin(), host=host, index=index,
               pair_bytes_per_s=pair_bytes_per_s)
        for index in range(number)
    )  # fmt: skip


def _machine(name: str, count: int | None) -> tuple[Description, int, int]:
    """What the cards are, how many, and the bytes per second between two of them (0: no links)."""
    if kind_of(name) == "server":
        server = load_server(name)
        number = server.layout.device_count if count is None else count
        return server.device, number, server.pair_bandwidth_bytes_per_s
    description = load(name)
    return description, 1 if count is None else count, description.chip.links.bandwidth_bytes_per_s


def cards() -> tuple[Device, ...]:
    """All devices of the process: those set, else those that `SUPA_DEVICE`, `SUPA_CARDS` and `SUPA_MODE` name.

    Raises `DescriptionError` for a device that nobody has, `DeviceError` for a wrong mode or number.
    """
    with _lock:
        if not _cards:
            name = os.environ.get("SUPA_DEVICE") or DEFAULT_DEVICE
            mode = os.environ.get("SUPA_MODE") or DEFAULT_MODE
            _cards[:] = open_cards(name, mode, count=card_count(os.environ.get("SUPA_CARDS", "")))
        return tuple(_cards)


def card_count(text: str) -> int | None:
    """The number that `SUPA_CARDS` says, None where it says nothing; `DeviceError` for what is none."""
    if not text:
        return None
    if not text.isdecimal():
        raise DeviceError(f"SUPA_CARDS: expected a number of cards from 1 to {MOST_CARDS}, found {text!r}")
    return int(text)


def set_cards(devices: Sequence[Device]) -> None:
    """Make these the process's devices, and the first of them the current one."""
    with _lock:
        _cards[:] = devices
        CURRENT[:] = devices[:1]


def current_device() -> Device:
    """The process's current device; errors as `cards`."""
    if CURRENT:
        return CURRENT[0]
    with _lock:
        if not CURRENT:
            CURRENT[:] = cards()[:1]
        return CURRENT[0]


def set_current_device(device: Device) -> None:
    """Make `device` the process's current one; one that is not among its cards becomes the only one."""
    with _lock:
        CURRENT[:] = [device]
        if device not in _cards:
            _cards[:] = [device]
