"""`torch.supa.SUPAGraph` and `torch.supa.graph`: work recorded once and replayed with the same memory, as CUDA graphs.

Between `capture_begin` and `capture_end` operators and Triton kernels are written down and change no memory that was
there before. `replay` runs them again: tensors from before the capture are read and written in their place, tensors
made in it that somebody still holds get their new values in theirs, and everything between is made anew. Random
numbers are drawn afresh by each replay. The clock prices a replay as the same launches one behind the other; operators
that a capture has to run to learn the shape of their results are on it too. Not here: what a node does (`recording`).
"""

from __future__ import annotations

import gc
import itertools

import torch

from supa.frameworks.torch.recording import Recording, recording_now
from supa.frameworks.torch.streams import Stream, StreamContext
from supa.jit.triton_backend.measuring import launches_go_to

_pools = itertools.count(1)


def is_current_stream_capturing() -> bool:
    """Whether a graph is being captured."""
    return recording_now() is not None


def graph_pool_handle() -> tuple[int, int]:
    """A token for memory that graphs share; a graph's memory is the device's own here, and the token has no effect."""
    return 0, next(_pools)


class SUPAGraph:
    """A recorded piece of work; the methods are those of `torch.cuda.CUDAGraph`."""

    def __init__(self, keep_graph: bool = False) -> None:
        self._recording: Recording | None = None
        self._complete = False
        self._pool = graph_pool_handle()

    def capture_begin(self, pool: tuple[int, int] | None = None, capture_error_mode: str = "global") -> None:
        """Record from here on; `RuntimeError` where this or another graph is being captured or this one is done."""
        if recording_now() is not None:
            raise RuntimeError("a graph is being captured: end its capture before the next one begins")
        if self._complete:
            raise RuntimeError("this graph has been captured: reset() it before capturing anew")
        self._pool = pool or self._pool
        self._random = torch.supa.get_rng_state()  # type: ignore[attr-defined]
        self._recording = Recording()
        self._recording.__enter__()
        launches_go_to(self._recording.launches)

    def capture_end(self) -> None:
        """The recorded work can be replayed from here on; `RuntimeError` where the capture met what it can not hold."""
        recording = self._recording
        if recording is None or recording is not recording_now():
            raise RuntimeError("capture_end() without a capture_begin()")
        launches_go_to(None)
        recording.__exit__(None, None, None)
        torch.supa.set_rng_state(self._random)  # type: ignore[attr-defined]
        if recording.refused:
            self._recording = None
            raise RuntimeError(f"the capture was ended by an error: {recording.refused}")
        recording.finish()
        self._complete = True

    def instantiate(self) -> None:
        """Nothing: a captured graph can be replayed."""

    def replay(self) -> None:
        """Run the recorded work on the current stream."""
        if self._recording is None or not self._complete:
            raise RuntimeError("replay() without a preceding successful capture")
        if recording_now() is not None:
            raise RuntimeError("replay() inside a capture: graphs do not hold graphs")
        self._recording.replay()

    def reset(self) -> None:
        """Forget the recorded work."""
        self._recording, self._complete = None, False

    def pool(self) -> tuple[int, int]:
        """The token of the graph's memory."""
        return self._pool

    def enable_debug_mode(self) -> None:
        """Nothing: `debug_dump` always knows the nodes."""

    def debug_dump(self, debug_path: str) -> None:
        """Write the recorded nodes to a file, one a line."""
        with open(debug_path, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in (self._recording.lines() if self._recording else ()))


class graph:  # noqa: N801
    """`with torch.supa.graph(g):` work of this thread, on a stream of its own, is captured into `g`."""

    def __init__(
        self,
        graph: SUPAGraph,
        pool: tuple[int, int] | None = None,
        stream: torch.Stream | None = None,
        capture_error_mode: str = "global",
    ) -> None:
        self._graph, self._options = graph, (pool, capture_error_mode)
        self._context = StreamContext(stream or Stream())

    def __enter__(self) -> None:
        torch.supa.synchronize()  # type: ignore[attr-defined]
        gc.collect()
        self._context.__enter__()
        self._graph.capture_begin(*self._options)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._graph.capture_end()
        except RuntimeError:
            if kind is None:
                raise
        finally:
            self._context.__exit__()


def refuse_to_wait(what: str) -> None:
    """`RuntimeError` where the host would wait for the device inside a capture."""
    recording = recording_now()
    if recording is not None:
        recording.refuse(f"{what} lets the host wait for the device")
