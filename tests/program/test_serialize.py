"""Programs survive the trip through bytes; damaged bytes are refused; reading runs nothing."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supa.base.location import Location
from supa.program.program import Argument, Program, Resources
from supa.program.serialize import ProgramFormatError, dumps, loads
from supa.program.work import Access, Barrier, Branch, Count, Exchange, Loop, Matrix, Repeat, Vector, Work

INNER = Location("kernels.py", 12, 5)
OUTER = Location("kernels.py", 3, 1, caller=INNER)


def make_program(**changes):
    body = (
        Access(id=0, kind="load", element_bytes=2, shape=(64, 32), engine="tensor_data", argument=1, location=OUTER),
        Repeat(
            body=(
                Access(id=1, kind="load", element_bytes=4, scattered=True, cache="cg", waits=(0, 1), asynchronous=True),
                Matrix(id=2, m=64, n=64, k=32, format="bf16", waits=(0, 1, 2), batch=2, left_shared=False),
            ),
            stages=3,
            location=INNER,
        ),
        Loop(body=(Branch(then=(Barrier(id=3),), otherwise=(Exchange(id=4, scope="block", bytes=512, rounds=5),)),)),
        Vector(
            id=5,
            counts=(Count(kind="special", format="f32", elements=9), Count(kind="fma", format="f16", elements=1)),
        ),
        Access(id=6, kind="atomic", element_bytes=8, returns=False, location=OUTER),
    )  # fmt: skip
    values = {
        "name": "attention",
        "arguments": (Argument(name="q", type="ptr"), Argument(name="scale", type="f32")),
        "object_code": bytes(range(256)) * 3,
        "entry_symbol": "entry",
        "work_symbol": "work",
        "scratch_bytes": 4096,
        "work": Work(body=body, data_dependent=("a loop's bound is loaded",)),
        "resources": Resources(threads=128, registers_per_thread=64, shared_bytes=32768),
        "messages": ("index out of bounds\n", "π = "),
        "compile_seconds": {"tile": 0.25, "llvm": 1e-3},
    }
    return Program(**(values | changes))


def test_round_trip_keeps_everything():
    program = make_program()
    again = loads(dumps(program))
    assert again == program
    assert again.object_code == program.object_code
    assert again.work.body[0].location.caller == INNER
    assert list(again.work.steps()) == list(program.work.steps())


def test_equal_programs_give_equal_bytes():
    assert dumps(make_program()) == dumps(make_program())
    assert dumps(make_program()) != dumps(make_program(scratch_bytes=4097))


@settings(max_examples=50, deadline=None)
@given(name=st.text(max_size=20), code=st.binary(max_size=300), messages=st.lists(st.text(max_size=10), max_size=3))
def test_any_text_and_code_survive(name, code, messages):
    program = make_program(name=name, object_code=code, messages=tuple(messages))
    assert loads(dumps(program)) == program


def test_every_damaged_byte_is_noticed():
    data = dumps(make_program(object_code=b"x" * 40))
    for position in [*range(60), *range(60, len(data), 7)]:
        broken = bytearray(data)
        broken[position] ^= 0x20
        with pytest.raises(ProgramFormatError):
            loads(bytes(broken))


@pytest.mark.parametrize("keep", [0, 7, 30, 60, -1])
def test_truncated_bytes_are_refused(keep):
    with pytest.raises(ProgramFormatError):
        loads(dumps(make_program())[:keep])


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_a_pickle_is_not_read():
    with pytest.raises(ProgramFormatError, match="do not begin like one"):
        loads(pickle.dumps(Bomb()) + b" " * 100)
