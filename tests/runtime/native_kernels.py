"""Kernels for these tests, written directly as LLVM IR against `program.abi`. Not tests."""

from __future__ import annotations

import functools

import llvmlite.binding as llvm

from supa.program.program import Argument, Program, Resources
from supa.program.work import Access, Node, Work

_WORK_NONE = """
define i64 @work(ptr %args, ptr %launch, i64 %first, i64 %last, ptr %out, i64 %capacity) {
  ret i64 0
}
"""

# Every block runs `body`, which may use %args, %launch, %block, %scratch, and branches to %next.
_ENTRY = """
declare void @llvm.trap()
define void @entry(ptr %args, ptr %launch, i64 %first, i64 %last, ptr %scratch) {{
start:
  %some = icmp slt i64 %first, %last
  br i1 %some, label %loop, label %done
loop:
  %block = phi i64 [ %first, %start ], [ %following, %next ]
{body}
next:
  %following = add i64 %block, 1
  %more = icmp slt i64 %following, %last
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""


def _slot(index: int, name: str, type_: str) -> str:
    return f"  %p.{name} = getelementptr i64, ptr %args, i64 {index}\n  %{name} = load {type_}, ptr %p.{name}\n"


@functools.cache
def _object(text: str) -> bytes:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=1, reloc="pic", codemodel="default")
    module = llvm.parse_assembly(text)
    module.triple = llvm.get_default_triple()
    module.verify()
    return machine.emit_object(module)


def make(
    name: str,
    arguments: tuple[tuple[str, str], ...],
    body: str,
    *,
    work: str = _WORK_NONE,
    nodes: tuple[Node, ...] = (),
    messages: tuple[str, ...] = (),
    scratch_bytes: int = 0,
    data_dependent: tuple[str, ...] = (),
) -> Program:
    types = {"ptr": "ptr", "i64": "i64", "i32": "i32", "f32": "float"}
    loads = "".join(_slot(index, each, types[type_]) for index, (each, type_) in enumerate(arguments))
    return Program(
        name=name,
        arguments=tuple(Argument(name=each, type=type_) for each, type_ in arguments),
        object_code=_object(_ENTRY.format(body=loads + body) + work),
        entry_symbol="entry",
        work_symbol="work",
        scratch_bytes=scratch_bytes,
        work=Work(body=nodes, data_dependent=data_dependent),
        resources=Resources(threads=128, registers_per_thread=32, shared_bytes=0),
        messages=messages,
    )


def count_visits() -> Program:
    """counts[block] += 1, not atomically: two threads in one block would lose nothing, a second visit shows."""
    return make(
        "count_visits",
        (("counts", "ptr"),),
        """
  %at = getelementptr i32, ptr %counts, i64 %block
  %old = load i32, ptr %at
  %new = add i32 %old, 1
  store i32 %new, ptr %at
  br label %next
""",
    )


def vector_add(block_size: int = 64) -> Program:
    """z[i] = x[i] + y[i] for i < n, `block_size` elements a block; its work is the two loads and the store."""
    work = f"""
define i64 @work(ptr %args, ptr %launch, i64 %first, i64 %last, ptr %out, i64 %capacity) {{
start:
  %blocks = sub i64 %last, %first
  %needed = mul i64 %blocks, 10
  %fits = icmp sle i64 %needed, %capacity
  br i1 %fits, label %check, label %full
full:
  %negative = sub i64 0, %needed
  ret i64 %negative
check:
  %some = icmp slt i64 %first, %last
  br i1 %some, label %loop, label %done
loop:
  %block = phi i64 [ %first, %check ], [ %following, %loop ]
  %index = sub i64 %block, %first
  %offset = mul i64 %index, 10
  %at = getelementptr i64, ptr %out, i64 %offset
  store i64 9, ptr %at
  %n.p = getelementptr i64, ptr %args, i64 3
  %n = load i64, ptr %n.p
  %done.elements = mul i64 %block, {block_size}
  %left = sub i64 %n, %done.elements
  %bytes = mul i64 %done.elements, 4
{"".join(_access(index) for index in range(3))}
  %following = add i64 %block, 1
  %more = icmp slt i64 %following, %last
  br i1 %more, label %loop, label %done
done:
  ret i64 %needed
}}
"""
    body = f"""
  %begin = mul i64 %block, {block_size}
  %end = add i64 %begin, {block_size}
  %cut = icmp slt i64 %n, %end
  %stop = select i1 %cut, i64 %n, i64 %end
  br label %element
element:
  %i = phi i64 [ %begin, %loop ], [ %i.next, %element ]
  %px = getelementptr float, ptr %x, i64 %i
  %py = getelementptr float, ptr %y, i64 %i
  %pz = getelementptr float, ptr %z, i64 %i
  %vx = load float, ptr %px
  %vy = load float, ptr %py
  %sum = fadd float %vx, %vy
  store float %sum, ptr %pz
  %i.next = add i64 %i, 1
  %again = icmp slt i64 %i.next, %stop
  br i1 %again, label %element, label %next
"""
    kinds = ("load", "load", "store")
    nodes = tuple(
        Access(id=index, kind=kind, element_bytes=4, shape=(block_size,), argument=index)  # type: ignore[arg-type]
        for index, kind in enumerate(kinds)
    )
    return make("vector_add", (("x", "ptr"), ("y", "ptr"), ("z", "ptr"), ("n", "i64")), body, work=work, nodes=nodes)


def _access(index: int) -> str:
    place = 1 + 3 * index
    return f"""
  %p{index} = getelementptr i64, ptr %args, i64 {index}
  %b{index} = load i64, ptr %p{index}
  %a{index} = add i64 %b{index}, %bytes
  %o{index} = getelementptr i64, ptr %at, i64 {place}
  store i64 %a{index}, ptr %o{index}
  %l{index} = getelementptr i64, ptr %at, i64 {place + 1}
  store i64 %left, ptr %l{index}
  %s{index} = getelementptr i64, ptr %at, i64 {place + 2}
  store i64 4, ptr %s{index}
"""


def reads_scalar() -> Program:
    """Its work holds the value that it finds at `p`: the stream depends on memory."""
    work = """
define i64 @work(ptr %args, ptr %launch, i64 %first, i64 %last, ptr %out, i64 %capacity) {
  %fits = icmp sge i64 %capacity, 3
  br i1 %fits, label %write, label %full
full:
  ret i64 -3
write:
  %p = load ptr, ptr %args
  %value = load i64, ptr %p
  %address = ptrtoint ptr %p to i64
  store i64 2, ptr %out
  %at1 = getelementptr i64, ptr %out, i64 1
  store i64 %address, ptr %at1
  %at2 = getelementptr i64, ptr %out, i64 2
  store i64 %value, ptr %at2
  ret i64 3
}
"""
    nodes = (Access(id=0, kind="load", element_bytes=8, argument=0),)
    return make("reads_scalar", (("p", "ptr"),), "  br label %next\n", work=work, nodes=nodes)


def growing_work(values: int) -> Program:
    """Its work entry writes block number and `values` values for each block, after asking for room."""
    work = f"""
define i64 @work(ptr %args, ptr %launch, i64 %first, i64 %last, ptr %out, i64 %capacity) {{
start:
  %blocks = sub i64 %last, %first
  %needed = mul i64 %blocks, {values + 1}
  %fits = icmp sle i64 %needed, %capacity
  br i1 %fits, label %loop, label %full
full:
  %negative = sub i64 0, %needed
  ret i64 %negative
loop:
  %i = phi i64 [ 0, %start ], [ %i.next, %loop ]
  %block.index = sdiv i64 %i, {values + 1}
  %block = add i64 %block.index, %first
  %at = getelementptr i64, ptr %out, i64 %i
  store i64 %block, ptr %at
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %needed
  br i1 %more, label %loop, label %done
done:
  ret i64 %needed
}}
"""
    return make("growing_work", (), "  br label %next\n", work=work)


def restless_work(limit: int) -> Program:
    """Its work entry counts its own calls at `p`: each finds one value more to write, until there are `limit`."""
    work = f"""
define i64 @work(ptr %args, ptr %launch, i64 %first, i64 %last, ptr %out, i64 %capacity) {{
  %p = load ptr, ptr %args
  %calls = load i64, ptr %p
  %more = add i64 %calls, 1
  store i64 %more, ptr %p
  %below = icmp slt i64 %calls, {limit}
  %values = select i1 %below, i64 %calls, i64 {limit}
  %needed = add i64 %values, 1
  %fits = icmp sle i64 %needed, %capacity
  br i1 %fits, label %write, label %full
full:
  %negative = sub i64 0, %needed
  ret i64 %negative
write:
  store i64 %values, ptr %out
  ret i64 %needed
}}
"""
    nodes = (Access(id=0, kind="load", element_bytes=8, argument=0),)
    return make("restless_work", (("p", "ptr"),), "  br label %next\n", work=work, nodes=nodes)


def asserts_below() -> Program:
    """Fails its assert (message 0) in blocks below `limit`; every other block prints its number (message 1)."""
    return make(
        "asserts_below",
        (("limit", "i64"),),
        """
  %slot = getelementptr i8, ptr %launch, i64 16
  %report = load ptr, ptr %slot
  %bad = icmp slt i64 %block, %limit
  br i1 %bad, label %fail, label %say
fail:
  call void %report(ptr %launch, i32 0, i32 0, i64 %block, i64 0, ptr null)
  br label %next
say:
  store i64 %block, ptr %scratch
  call void %report(ptr %launch, i32 1, i32 1, i64 %block, i64 1, ptr %scratch)
  br label %next
""",
        messages=("kernel.py:7: block is small", "block {i32} spoke"),
        scratch_bytes=64,
    )


def stores_at() -> Program:
    """Block `which` stores to `address`; the others do nothing."""
    return make(
        "stores_at",
        (("address", "ptr"), ("which", "i64")),
        """
  %mine = icmp eq i64 %block, %which
  br i1 %mine, label %hit, label %next
hit:
  store volatile i32 1, ptr %address
  br label %next
""",
    )


def divides() -> Program:
    return make(
        "divides",
        (("out", "ptr"), ("divisor", "i64")),
        """
  %quotient = sdiv i64 100, %divisor
  store i64 %quotient, ptr %out
  br label %next
""",
    )


def overflows_stack() -> Program:
    """Takes `bytes` of stack and writes it page by page, downwards, as deep calls would."""
    return make(
        "overflows_stack",
        (("bytes", "i64"),),
        """
  %memory = alloca i8, i64 %bytes
  br label %page
page:
  %left = phi i64 [ %bytes, %loop ], [ %left.next, %page ]
  %left.next = sub i64 %left, 4096
  %at = getelementptr i8, ptr %memory, i64 %left.next
  store volatile i8 1, ptr %at
  %deeper = icmp sge i64 %left.next, 4096
  br i1 %deeper, label %page, label %next
""",
    )


def spins() -> Program:
    """Each block counts to `rounds` in its scratch, then adds 1 to its own counter."""
    return make(
        "spins",
        (("counts", "ptr"), ("rounds", "i64")),
        """
  br label %turn
turn:
  %i = phi i64 [ 0, %loop ], [ %i.next, %turn ]
  %i.next = add i64 %i, 1
  store volatile i64 %i.next, ptr %scratch
  %again = icmp slt i64 %i.next, %rounds
  br i1 %again, label %turn, label %finished
finished:
  %total = load volatile i64, ptr %scratch
  %wrong = icmp ne i64 %total, %rounds
  %step = select i1 %wrong, i32 1000000, i32 1
  %at = getelementptr i32, ptr %counts, i64 %block
  %old = load i32, ptr %at
  %new = add i32 %old, %step
  store i32 %new, ptr %at
  br label %next
""",
        scratch_bytes=4096,
    )
