"""Work in a text form for people: one line a step, control nodes indented. Not here: values of a block (`stream`)."""

from __future__ import annotations

from collections.abc import Iterator

from supa.program.work import Access, Barrier, Branch, Exchange, Loop, Matrix, Node, Repeat, Step, Vector, Work


def format_work(work: Work) -> str:
    """The text of a work, ending in a newline.

    A step reads `%id = what it does [options] (what it waits for) ; place`.
    """
    lines = [f"guess: {reason}" for reason in work.data_dependent]
    lines += _nodes(work.body, "")
    return "\n".join(lines) + "\n"


def _nodes(nodes: tuple[Node, ...], indent: str) -> Iterator[str]:
    inner = indent + "  "
    for node in nodes:
        if isinstance(node, Step):
            yield indent + _step(node)
        elif isinstance(node, Branch):
            yield f"{indent}branch {{{_place(node)}"
            yield from _nodes(node.then, inner)
            if node.otherwise:
                yield f"{indent}}} else {{"
                yield from _nodes(node.otherwise, inner)
            yield f"{indent}}}"
        else:
            stages = f" stages={node.stages}" if node.stages > 1 else ""
            yield f"{indent}{'repeat' if isinstance(node, Repeat) else 'loop'}{stages} {{{_place(node)}"
            yield from _nodes(node.body, inner)
            yield f"{indent}}}"


def _place(node: Step | Repeat | Loop | Branch) -> str:
    return f"  ; {node.location}" if node.location.file else ""


def _step(step: Step) -> str:
    waits = f" ({', '.join(f'%{wait}' for wait in step.waits)})" if step.waits else ""
    return f"%{step.id} = {_what(step)}{waits}{_place(step)}"


def _what(step: Step) -> str:
    if isinstance(step, Access):
        return _access(step)
    if isinstance(step, Matrix):
        batch = f"{step.batch} x " if step.batch > 1 else ""
        homes = "".join("s" if shared else "r" for shared in (step.left_shared, step.right_shared))
        return f"matrix {batch}{step.m}x{step.n}x{step.k} {step.format} {homes}"
    if isinstance(step, Vector):
        return "vector " + ", ".join(f"{count.kind}.{count.format} {count.elements}" for count in step.counts)
    if isinstance(step, Exchange):
        return f"exchange {step.scope} {step.bytes} B rounds={step.rounds}"
    if isinstance(step, Barrier):
        return "barrier"
    raise TypeError(f"no text for {type(step).__name__}")


def _access(step: Access) -> str:
    shape = "x".join(map(str, step.shape)) or "scalar"
    words = [step.kind, shape, f"{step.element_bytes} B"]
    words += [f"arg{step.argument}" if step.argument >= 0 else "arg?"]
    flags = {"scattered": step.scattered, "async": step.asynchronous, "tensor": step.engine == "tensor_data"}
    words += [word for word, on in flags.items() if on]
    if step.cache:
        words.append(f"cache={step.cache}")
    if step.kind == "atomic" and not step.returns:
        words.append("no-return")
    return " ".join(words)
