"""Objects from LLVM text: what LLVM refuses is an error of ours, not the end of the process."""

import pytest

from supa.base.errors import CompileError
from supa.compiler.native.build import build
from supa.compiler.native.host import detect


@pytest.mark.parametrize(
    "text",
    [
        "define i32 @f() { ret i64 0 }",
        "define void @f() {\n %a = add i32 %b, 1\n %b = add i32 1, 1\n ret void }",
    ],
    ids=["wrong type", "use before definition"],
)
def test_invalid_text_is_refused(text):
    with pytest.raises(CompileError, match="not valid, a defect of supa"):
        build(text, detect())


def test_object_and_seconds():
    built = build("define i32 @f() { ret i32 7 }", detect(), listing=True)
    assert built.object_code.startswith(b"\x7fELF")
    assert "ret i32 7" in built.optimised and "$7" in built.assembly
    assert set(built.seconds) == {"llvm.parse", "llvm.optimise", "llvm.emit"}
