"""Wrong descriptions are refused with file, line and advice; the texts are held here."""

from pathlib import Path

import pytest

from supa.arch import load, load_server, with_overrides
from supa.base.errors import DescriptionError

HEAD = 'name = "mine"\nkind = "chip"\ninherit = "a100-sxm-80"\n'

REFUSED = {
    "unknown key": (
        HEAD + '[hbm]\nbandwith = ["2 TB/s", "published", "datasheet"]\n',
        "FILE:5: hbm.bandwith: unknown key 'bandwith': did you mean 'bandwidth'?",
    ),
    "unknown table": (
        HEAD + '\n[hmb]\nbandwidth = ["2 TB/s", "published", "datasheet"]\n',
        "FILE:5: hmb: unknown table 'hmb': did you mean 'hbm'?",
    ),
    "missing unit": (
        HEAD + '[hbm]\n# printed on the box\nbandwidth = [2000, "published", "datasheet"]\n',
        "FILE:6: hbm.bandwidth: missing unit: expected B/s, KB/s, MB/s, GB/s, TB/s, KiB/s, MiB/s, GiB/s or TiB/s"
        " after 2000",
    ),
    "wrong unit": (
        HEAD + '[clocks]\nboost = ["1410 W", "published", "datasheet"]\n',
        "FILE:5: clocks.boost: unknown unit 'W': expected Hz, kHz, MHz or GHz",
    ),
    "negative": (
        HEAD + '[l2]\ncapacity = ["-1 MiB", "published", "datasheet"]\n',
        "FILE:5: l2.capacity: expected more than zero, found -1 MiB",
    ),
    "zero": (
        HEAD + '[hbm]\nbandwidth = ["0 GB/s", "published", "datasheet"]\n',
        "FILE:5: hbm.bandwidth: expected more than zero, found 0 GB/s",
    ),
    "more than the whole": (
        HEAD + '[hbm]\npeak_efficiency = ["120 %", "published", "datasheet"]\n',
        "FILE:5: hbm.peak_efficiency: expected at most 1, found 120 %",
    ),
    "half a byte": (
        HEAD + '[lsc]\ncapacity = ["0.5 B", "published", "datasheet"]\n',
        "FILE:5: lsc.capacity: expected a whole number of B, found 0.5 B",
    ),
    "not finite": (
        HEAD + '[hbm]\npeak_efficiency = [inf, "published", "datasheet"]\n',
        "FILE:5: hbm.peak_efficiency: expected a plain number, found 'Infinity'",
    ),
    "unknown source": (
        HEAD + '[hbm]\nbandwidth = ["2 TB/s", "publishd", "datasheet"]\n',
        "FILE:5: hbm.bandwidth: unknown kind of source 'publishd': did you mean 'published'?",
    ),
    "no source": (
        HEAD + '[hbm]\nbandwidth = "2 TB/s"\n',
        'FILE:5: hbm.bandwidth: has no source: write ["2 TB/s", "published", "where it says so"], or give the file a'
        " head line source = [kind, note]",
    ),
    "no note": (
        HEAD + '[hbm]\nbandwidth = ["2 TB/s", "assumed", " "]\n',
        "FILE:5: hbm.bandwidth: 'assumed' needs a note: which text, derived from what, or why",
    ),
    "note missing": (
        HEAD + '[hbm]\nbandwidth = ["2 TB/s", "assumed"]\n',
        "FILE:5: hbm.bandwidth: expected [value, kind of source, note], found 2 entries",
    ),
    "table for a figure": (
        HEAD + 'source = ["assumed", "a trial"]\n[hbm]\nbandwidth = { value = 2 }\n',
        "FILE:6: hbm.bandwidth: expected a number, a text or a flag, found {'value': 2}",
    ),
    "no flag": (
        HEAD + '[tda]\npresent = ["yes", "published", "datasheet"]\n',
        "FILE:5: tda.present: expected true or false, found yes",
    ),
    "no choice": (
        HEAD + '[noc]\ntopology = ["torus", "published", "datasheet"]\n',
        "FILE:5: noc.topology: expected mesh or crossbar, found torus",
    ),
    "EUs not divisible": (
        HEAD + '[spc]\neu_count = [66, "published", "datasheet"]\n',
        "FILE:5: spc.eu_count: an SPC's 66 EUs can not be divided into CUs of 4",
    ),
    "CU of a size that is no choice": (
        HEAD + '[cu]\neu_count = [8, "published", "datasheet"]\n',
        "FILE:5: cu.eu_count: expected one of cu.eu_choices (4), found 8",
    ),
    "clocks out of order": (
        HEAD + '[clocks]\nnominal = ["2 GHz", "published", "datasheet"]\n',
        "FILE:5: clocks.nominal: expected clocks.min <= clocks.nominal <= clocks.boost",
    ),
    "no fp64 unit": (
        HEAD + '[vector]\nfp64 = ["0 op/clk", "published", "datasheet"]\n',
        "FILE:5: vector.fp64: native, but vector.fp64 is 0",
    ),
    "unknown ancestor": (
        HEAD.replace("a100-sxm-80", "a100-sxm-8"),
        "FILE:3: inherit: unknown hardware 'a100-sxm-8': did you mean 'a100-sxm-80'?; or give the path of a TOML file",
    ),
    "its own ancestor": (HEAD.replace("a100-sxm-80", "mine.toml"), "FILE:3: inherit: inherits from itself"),
    "ancestor of another kind": (
        HEAD.replace("a100-sxm-80", "bili100"),
        "FILE:3: inherit: 'bili100' is a module, expected a chip",
    ),
    "nothing inherited": (
        'name = "mine"\nkind = "chip"\n',
        "FILE:1: die.count: missing (dies in the package): state it, or inherit it from another chip",
    ),
    "unknown head": (HEAD + 'vendor = "me"\n', "FILE:4: vendor: unknown key 'vendor': known: NAMES"),
    "no kind": ('name = "mine"\n', "FILE:1: kind: expected one of chip, module, server, found ''"),
    "no name": ('\nkind = "chip"\n', "FILE:1: name: missing: a chip needs it"),
    "module without chip": ('name = "mine"\nkind = "module"\n', "FILE:1: chip: missing: a module needs it"),
    "broken TOML": (
        HEAD + "[hbm]\nbandwidth = = 2\n",
        "FILE:5: is not valid TOML: Invalid value (at line 5, column 13)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    text, expected = REFUSED[case]
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(DescriptionError) as caught:
        load(path)
    found = str(caught.value).replace(str(path), "FILE")
    assert found == expected.replace("NAMES", "name, kind, title, source, inherit")


def test_lines_are_found_among_strings_arrays_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        HEAD
        + '[cu]\neu_choices = [[\n  4, # the only\n  8\n], "assumed", """[hbm]\nbandwidth = 1 "quoted" """]\n'
        + "[ 'hbm' ]\n\"latency\" = ['''1 ns''', 'assumed', 'a # b [']\nbandwidth = [\"2 TB\", \"assumed\", \"x\"]\n"
    )
    with pytest.raises(DescriptionError, match=r"mine.toml:12: hbm.bandwidth: unknown unit 'TB'"):
        load(path)


def test_blame_falls_on_the_file_that_states_the_figure(tmp_path: Path) -> None:
    (tmp_path / "old.toml").write_text(HEAD + '[hbm]\nbandwidth = ["2", "published", "datasheet"]\n')
    (tmp_path / "new.toml").write_text('name = "new"\nkind = "chip"\ninherit = "old"\n')
    with pytest.raises(DescriptionError, match=r"old.toml:5: hbm.bandwidth: missing unit"):
        load(tmp_path / "new.toml")


def test_names_that_nobody_has() -> None:
    with pytest.raises(DescriptionError, match="unknown hardware 'bili10': did you mean 'bili1"):
        load("bili10")
    with pytest.raises(DescriptionError, match=r"no file nowhere/chip.toml"):
        load("nowhere/chip.toml")
    with pytest.raises(DescriptionError, match="is a server, expected a chip or a module"):
        load("hearten")
    with pytest.raises(DescriptionError, match="is a module, expected a server"):
        load_server("bili100")


def test_a_mesh_needs_enough_ports(tmp_path: Path) -> None:
    path = tmp_path / "rack.toml"
    path.write_text(
        'name = "rack"\nkind = "server"\nmodule = "bili100"\nsource = ["assumed", "a trial"]\n[server]\n'
        'device_count = 16\ntopology = "mesh"\nports_per_pair = 1\npower_besides_devices = "1 kW"\n'
    )
    with pytest.raises(DescriptionError) as caught:
        load_server(path)
    assert str(caught.value) == (
        f"{path}:8: server.ports_per_pair: a mesh of 16 needs 15 link ports of each bili100, it has 8"
    )


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"hbm.bandwith": "2 TB/s"}, "override of hbm.bandwith: unknown key 'bandwith': did you mean 'bandwidth'?"),
        ({"hmb.bandwidth": "2 TB/s"}, "override of hmb.bandwidth: unknown table 'hmb': did you mean 'hbm'?"),
        ({"l2.capacity": "256"}, "override of l2.capacity: missing unit: expected B, KB, MB, GB, TB, KiB, MiB, GiB"),
        ({"die.spc_count": "0"}, "override of die.spc_count: expected more than zero, found 0"),
        ({"die.spc_count": "many"}, "override of die.spc_count: expected a plain number, found 'many'"),
        (
            {"cu.eu_count": "5"},
            "override of cu.eu_count: cu.eu_count: an SPC's 16 EUs can not be divided",
        ),
        (
            {"clocks.boost": "90 MHz"},
            "override of clocks.boost: clocks.nominal: expected clocks.min <= clocks.nominal",
        ),
    ],
)
def test_refused_overrides(overrides: dict[str, str], expected: str) -> None:
    with pytest.raises(DescriptionError) as caught:
        with_overrides(load("bili100"), overrides)
    assert str(caught.value).startswith(expected)


IMPOSSIBLE = [
    ("lsc.shared_capacity", "200 KiB", "more than lsc.capacity, of which it is a part"),
    ("lsc.shared_per_block", "165 KiB", "more than the 167936 B that a CU has"),
    ("lsc.eu_count", "8", "a CU's 4 EUs can not be served by LSCs of 8"),
    ("l2.capacity", "100 KiB", "less than one set of every slice: 80 slices, 16 ways, lines of 128 B"),
    ("l2.partition_count", "3", "does not divide the 80 slices"),
    ("l2.sector", "48 B", "does not divide l2.line"),
    ("die.disabled_eu_count", "82", "82 EUs are no whole number of CUs of 4"),
    ("die.disabled_eu_count", "512", "leaves none of the die's 512 EUs"),
    ("cu.max_threads_per_block", "4096", "more than the 2048 threads that a CU holds"),
    ("eu.register_granule", "3 KiB", "does not divide eu.registers"),
    ("near_memory.present", "true", "must be more than zero when near_memory.present"),
    ("clocks.matrix", "2 GHz", "more than clocks.boost"),
    ("power.static", "400 W", "leaves nothing of the board's 400 W"),
    ("power.idle", "500 W", "more than the board's 400 W"),
    ("energy.bf16", "0 pJ/MAC", "the T-core computes bf16, so it must cost energy"),
    ("numerics.fp64", "emulated", "must be more than zero when fp64 is emulated"),
    ("numerics.tf32_mantissa", "24 bit", "more than fp32's 23 bits"),
    ("die.count", "2", "a chip of 2 dies needs one"),
]


@pytest.mark.parametrize(("path", "text", "what"), IMPOSSIBLE)
def test_figures_that_can_not_go_together(path: str, text: str, what: str) -> None:
    with pytest.raises(DescriptionError) as caught:
        with_overrides(load("a100-sxm-80"), {path: text})
    assert str(caught.value).startswith(f"override of {path}: ") and str(caught.value).endswith(what)
