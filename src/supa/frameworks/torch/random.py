"""Seeds and states of the devices' generators, as `torch.cuda.random` names them. Not here: the generator (`csrc`)."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from supa.frameworks.torch.device_index import NAME, DeviceLike, index_of
from supa.frameworks.torch.registration import clock


def _generator(device: DeviceLike) -> torch.Generator:
    return default_generators[index_of(device)]


class _DefaultGenerators:
    """One generator a device, made by torch when first asked for."""

    def __len__(self) -> int:
        return len(clock.devices)

    def __getitem__(self, index: int) -> torch.Generator:
        if not 0 <= index < len(self):
            raise IndexError(f"supa:{index} does not exist; there are {len(self)} devices")
        found: torch.Generator = torch.ops.supa.default_generator(index)
        return found


default_generators = _DefaultGenerators()


def manual_seed(seed: int) -> None:
    """Seed the current device's generator."""
    _generator(None).manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """Seed every device's generator."""
    for index in range(len(default_generators)):
        default_generators[index].manual_seed(int(seed))


def seed() -> None:
    """Seed the current device's generator with something random."""
    _generator(None).seed()


def seed_all() -> None:
    """Seed every device's generator with the same random number."""
    manual_seed_all(default_generators[0].seed())


def initial_seed() -> int:
    """The current device's seed."""
    return _generator(None).initial_seed()


def get_rng_state(device: DeviceLike = NAME) -> torch.Tensor:
    """The state of a device's generator: uint8 [16], on the host."""
    return _generator(device).get_state()


def set_rng_state(new_state: torch.Tensor, device: DeviceLike = NAME) -> None:
    """Continue from a state of `get_rng_state`."""
    _generator(device).set_state(new_state)


def get_rng_state_all() -> list[torch.Tensor]:
    """The states of all devices."""
    return [get_rng_state(index) for index in range(len(default_generators))]


def set_rng_state_all(new_states: Iterable[torch.Tensor]) -> None:
    """Continue all devices."""
    for index, state in enumerate(new_states):
        set_rng_state(state, index)
