"""Rules of control flow: loops, branches and calls; calls are inlined. Not here: branches between blocks
(`structuring`).
"""

from __future__ import annotations

from supa.compiler.ttir.conversion import Conversion, flag, integer, rule
from supa.compiler.ttir.structure import MlirOp, SymbolRef
from supa.compiler.ttir.structuring import open_block, region_block, run_region
from supa.ir import ops


@rule("scf.for")
def _for(conversion: Conversion, op: MlirOp) -> None:
    body = region_block(conversion, op, op.regions[0])
    attributes = {
        "num_stages": integer(op, "tt.num_stages"),
        "unsigned": flag(op, "unsignedCmp"),
        "flatten": flag(op, "tt.flatten"),
        "warp_specialize": flag(op, "tt.warp_specialize"),
    }
    conversion.emit(op, ops.For, conversion.operands(op), attributes, [body])


@rule("scf.if")
def _if(conversion: Conversion, op: MlirOp) -> None:
    branches = [region_block(conversion, op, region) for region in op.regions]
    conversion.emit(op, ops.If, conversion.operands(op), {}, branches)


@rule("scf.while")
def _while(conversion: Conversion, op: MlirOp) -> None:
    before, handed = open_block(conversion, op.regions[0])
    before.append(ops.Condition(handed, location=conversion.place(op)))
    after = region_block(conversion, op, op.regions[1])
    conversion.emit(op, ops.While, conversion.operands(op), {}, [before, after])


@rule("scf.execute_region")
def _execute(conversion: Conversion, op: MlirOp) -> None:
    conversion.bind(op, run_region(conversion, op.regions[0], []))


@rule("tt.call")
def _call(conversion: Conversion, op: MlirOp) -> None:
    callee = op.attributes["callee"]
    assert isinstance(callee, SymbolRef)
    function = conversion.functions.get(callee.name)
    if function is None or not function.regions[0].blocks:
        conversion.refuse(op, f"the function {callee.name} has no body", "call functions under triton.jit only")
    if callee.name in conversion.calls:
        conversion.refuse(op, f"the function {callee.name} calls itself", "write the recursion as a loop")
    arguments, outer = conversion.operands(op), conversion.caller
    conversion.caller = conversion.place(op)
    conversion.calls.append(callee.name)
    results = run_region(conversion, function.regions[0], arguments)
    conversion.calls.pop()
    conversion.caller = outer
    conversion.bind(op, results)
