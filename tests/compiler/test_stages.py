"""The stages as a whole: long kernels compile, and the process keeps its own limits."""

import sys
from pathlib import Path

from supa.arch import load
from supa.compiler import Options, compile

TEXT = (Path(__file__).parent / "ttir" / "vector_add.mlir").read_text()
LINE = next(line for line in TEXT.splitlines() if '%total_11 = "arith.addf"' in line)


def test_a_chain_of_thousands_of_operations():
    count = 1500
    links = [LINE.replace("%total_11", "%link0")]
    for index in range(1, count):
        links.append(LINE.replace("%total_11", f"%link{index}").replace("%total_7,", f"%link{index - 1},"))
    last = LINE.replace("%total_7,", f"%link{count - 1},")
    text = TEXT.replace(LINE, "\n".join([*links, last]))
    limit = sys.getrecursionlimit()
    program = compile(text, Options(numerics=load("bili100").numerics))
    assert program.object_code.startswith(b"\x7fELF")
    assert sys.getrecursionlimit() == limit
