"""What `supa chips` and `supa show` print."""

import unicodedata
from pathlib import Path

import pytest

from supa.arch import catalogue, load
from supa.base.errors import DescriptionError
from supa.tools.chips import chips_table, show


def _columns(text: str) -> int:
    return max(
        sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line) for line in text.split("\n")
    )


def test_table_lists_the_catalogue() -> None:
    lines = chips_table().split("\n")
    assert lines[0].startswith("name ") and lines[0].endswith("L2  power cap  carries")
    assert sorted(line.split()[0] for line in lines[1:]) == list(catalogue())
    rows = {line.split()[0]: " ".join(line.split()) for line in lines}
    assert rows["bili100"] == "bili100 module 128 1024 TFLOPS 256 TFLOPS 64 GiB 1.638 TB/s 256 MiB 550 W br100"
    assert rows["h100-sxm"] == "h100-sxm chip 132 989.4 TFLOPS 66.91 TFLOPS 80 GiB 3.352 TB/s 50 MiB 700 W"
    assert rows["hearten"].startswith("hearten server 1024 8192 TFLOPS 2048 TFLOPS 512 GiB")
    assert _columns(chips_table()) <= 120


@pytest.mark.parametrize("name", catalogue())
def test_show_fits_and_is_complete(name: str) -> None:
    text = show(name)
    assert _columns(text) <= 120
    assert text.startswith(f"{name}: ")
    if name not in {"dgx-a100", "dgx-h100", "hearten"}:
        keys = {line.split()[0] for line in text.split("\n") if line.startswith("  ") and not line.startswith("   ")}
        assert {path.split(".")[1] for path in load(name).figures} <= keys


def test_show_gives_units_sources_and_origins() -> None:
    lines = [" ".join(line.split()) for line in show("bili104").split("\n")]
    assert "peak bf16 512 TFLOPS derived 2 x T-cores x tcore.bf16 x clocks.matrix" in lines
    assert "capacity 32 GiB published techpowerup 298098; tomshardware: 32 GB" in lines
    assert "registers 40 KiB published hardwareluxx 59314 [br100]" in lines
    assert "latency 145 ns assumed HBM2E's beyond an L2 miss, as on an A100 [br100]" in lines


def test_show_of_a_users_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nkind = "chip"\ninherit = "br104"\n')
    assert show(str(path)).startswith("mine: BR104\n")
    with pytest.raises(DescriptionError, match="unknown hardware"):
        show("nothing")
