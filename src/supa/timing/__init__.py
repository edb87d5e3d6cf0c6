"""The timing plane: an event-driven machine, built from a chip's description, that prices a kernel's work.

Not here: answers (the functional plane computes them), hardware figures (`arch`), streams and events (`runtime`).
`price` loads the compiled machine on its first call.
"""

from supa.timing.fitting import fitted
from supa.timing.occupancy import Occupancy, occupancy
from supa.timing.prediction import Prediction, StepTime
from supa.timing.pricing import price
from supa.timing.spread import spread

__all__ = ["Occupancy", "Prediction", "StepTime", "fitted", "occupancy", "price", "spread"]
