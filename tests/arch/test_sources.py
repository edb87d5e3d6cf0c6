"""Every figure of the catalogue has a source, and says honestly what nobody has published."""

import ast
from pathlib import Path

import pytest

import supa
from supa.arch import SOURCE_KINDS, catalogue, describe, kind_of, load, load_server


def _thing(name: str):
    return load_server(name) if kind_of(name) == "server" else load(name)


@pytest.mark.parametrize("name", catalogue())
def test_every_figure_is_described_with_a_source(name: str) -> None:
    lines = list(describe(_thing(name)))
    assert len({line.path for line in lines}) == len(lines) >= 150
    for line in lines:
        assert line.kind in SOURCE_KINDS and len(line.note) >= 3 and line.value and line.meaning, line


@pytest.mark.parametrize("name", ["br100", "br104"])
@pytest.mark.parametrize(
    "path",
    [
        "lsc.latency", "l2.latency", "l2.slice_bandwidth", "noc.spc_bandwidth", "die_to_die.latency", "tcore.fp16",
        "vector.special", "numerics.accumulator", "l2.line", "launch.latency", "clocks.boost", "energy.bf16",
    ],
)  # fmt: skip
def test_what_is_unknown_about_the_br_chips_is_marked_assumed(name: str, path: str) -> None:
    expected = {"derived"} if (name, path) == ("br104", "die_to_die.latency") else {"assumed"}
    assert {load(name).figures[path].kind} == expected


def test_inherited_figures_name_their_origin() -> None:
    figures = load("br104").figures
    assert figures["lsc.capacity"].inherited_from == "br100"
    assert figures["hbm.capacity"].inherited_from == ""
    module = load("bili104").figures
    assert module["lsc.capacity"].inherited_from == "br100"
    assert module["hbm.capacity"].inherited_from == "br104"
    assert module["board.power_cap"].inherited_from == ""


def test_no_chip_is_named_in_the_code_outside_arch() -> None:
    """Programs may default to a device by name only where a user's choice is read, never in the machine's code."""
    root = Path(supa.__file__).parent
    names = set(catalogue())
    for floor in ("timing", "compiler", "program", "ir"):
        for path in (root / floor).rglob("*.py"):
            texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
            assert not names & texts, path
