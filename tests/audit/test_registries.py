"""Registries filled beside their definitions are complete: nothing that is declared lacks a rule on any floor."""

import pytest

from supa.compiler.native.mathlib.registry import ROUTINES
from supa.compiler.ttir.conversion import HINTS
from supa.compiler.ttir.conversion import RULES as TTIR_RULES
from supa.ir.core import OPERATIONS
from supa.ir.functions import CASTS, FUNCTIONS
from supa.ir.oracle.casts import CAST_RULES
from supa.ir.oracle.functions import FLOAT_RULES, INTEGER_RULES, STORED_RULES
from supa.ir.oracle.program import RULES as ORACLE_RULES
from supa.ir.rules.table import TYPE_RULES
from supa.tools.cli import STAGES, make_parser

TRITON_OPERATIONS = """
addptr advance assert atomic_cas atomic_rmw bitcast broadcast call cat clampf descriptor_load descriptor_store
descriptor_reduce descriptor_gather descriptor_scatter dot dot_scaled elementwise_inline_asm expand_dims
extern_elementwise fp_to_fp func gather get_num_programs get_program_id histogram int_to_ptr join load make_range
make_tensor_descriptor make_tensor_ptr map_elementwise mulhiui precise_divf precise_sqrt print ptr_to_int reduce
reshape return scan splat split store trans unsplat
"""
STRUCTURE = {"tt.func", "tt.return", "tt.call"}  # read by the structure of the text, not by a rule


@pytest.mark.parametrize("rules", [TYPE_RULES, ORACLE_RULES], ids=["types", "oracle"])
def test_every_operation_has_a_rule(rules):
    assert {op.__name__ for op in OPERATIONS.values() if op not in rules} == set()


def test_every_function_is_in_the_oracle():
    assert set(FUNCTIONS) - set(FLOAT_RULES) - set(INTEGER_RULES) - set(STORED_RULES) == set()


def test_every_cast_is_in_the_oracle():
    assert set(CAST_RULES) == set(CASTS)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_every_special_function_is_in_the_vector_library(dtype):
    special = {name for name, function in FUNCTIONS.items() if function.work in ("special", "special2")}
    written = {name for name, type_ in ROUTINES if type_ == dtype}
    assert special - written - {"sqrt", "rsqrt"} == set()  # these two are instructions


def test_every_operation_of_triton_is_read_or_refused_by_name():
    known = set(TTIR_RULES) | set(HINTS) | STRUCTURE
    assert {f"tt.{name}" for name in TRITON_OPERATIONS.split()} - known == set()


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_can_be_asked_for(stage):
    assert make_parser().parse_args(["dump", "--stage", stage, "x.py"]).stage == stage


def test_a_missing_rule_would_be_seen(monkeypatch):
    name = next(iter(CASTS))
    monkeypatch.delitem(CAST_RULES, name)
    with pytest.raises(AssertionError):
        test_every_cast_is_in_the_oracle()
