"""The work of a kernel from its tile IR: the static `Work` and the native work entry's LLVM text.

`extract` walks the kernel once (`walker` and its rules), estimates what a block holds (`resources`), marks what the
stream needs (`liveness`), then writes both sides (`freeze`, `emission`). What is approximate is said where it is done:
`tiles` (addresses), `elements` and `layout` (lanes), `products` (formats), `control` (carried tiles).
"""

from __future__ import annotations

from dataclasses import dataclass

# The rules register themselves.
from supa.compiler.work import control, elements, memory, products, shapes  # noqa: F401
from supa.compiler.work.emission import Emitter
from supa.compiler.work.freeze import Freezer
from supa.compiler.work.liveness import Liveness
from supa.compiler.work.resources import estimate_resources
from supa.compiler.work.walker import BrokenTrust, Trust, Walker, WorkOptions
from supa.ir.ops import Func
from supa.program.program import Resources
from supa.program.work import Work


@dataclass(frozen=True, kw_only=True)
class WorkResult:
    """`work` is static; `llvm` defines `@"NAME.work"` (see `program.abi`), which writes each block's values;
    `resources` are what a block holds.
    """

    work: Work
    llvm: str
    resources: Resources


def walk(func: Func, options: WorkOptions) -> Walker:
    """One walk in which every trusted carried tile kept its promise."""
    untrusted: set[Trust] = set()
    while True:
        try:
            return Walker(func, options, untrusted)
        except BrokenTrust as broken:
            untrusted.add(broken.key)


def extract(func: Func, options: WorkOptions) -> WorkResult:
    """The work of `func`. Raises `UnsupportedError` for an operation whose work is not known."""
    walker = walk(func, options)
    resources = estimate_resources(func, walker)
    liveness = Liveness(walker.items)
    body = Freezer(walker.carried).nodes(walker.items)
    reasons = tuple({**walker.reasons, **liveness.reasons})
    text = Emitter(walker.x).function(func.sym_name, walker.items)
    return WorkResult(work=Work(body=body, data_dependent=reasons), llvm=text, resources=resources)
