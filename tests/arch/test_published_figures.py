"""The catalogue holds what is published, exactly. The figures here come from the public texts, not from the files."""

import pytest

from supa.arch import Device, catalogue, load, load_server

TERA = 10**12
GIGA = 10**9
GIB = 2**30 / 10**9


def test_catalogue() -> None:
    assert catalogue() == (
        "a100-pcie-40", "a100-pcie-80", "a100-sxm-40", "a100-sxm-80", "a800-sxm-80", "bili100", "bili104", "br100",
        "br104", "dgx-a100", "dgx-h100", "h100-pcie", "h100-sxm", "h20-sxm", "h200-sxm", "hearten",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "tensor_format", "teraflops"),
    [
        ("br100", "fp32", 256), ("br100", "tf32", 512), ("br100", "bf16", 1024), ("br100", "int8", 2048),
        ("br104", "fp32", 128), ("br104", "tf32", 256), ("br104", "bf16", 512), ("br104", "int8", 1024),
    ],
)  # fmt: skip
def test_printed_peaks_of_the_br_chips_are_exact(name: str, tensor_format: str, teraflops: int) -> None:
    assert load(name).peak_flops(tensor_format) == teraflops * TERA


@pytest.mark.parametrize(
    ("name", "tensor_format", "teraflops"),
    [
        ("a100-sxm-80", "fp64", 19.5), ("a100-sxm-80", "fp32", 19.5), ("a100-sxm-80", "tf32", 156),
        ("a100-sxm-80", "bf16", 312), ("a100-sxm-80", "fp16", 312), ("a100-sxm-40", "int8", 624),
        ("h100-sxm", "fp64", 66.9), ("h100-sxm", "fp32", 66.9), ("h100-sxm", "tf32", 494.7),
        ("h100-sxm", "bf16", 989.4), ("h100-sxm", "fp16", 989.4), ("h100-sxm", "fp8", 1978.9),
        ("h100-sxm", "int8", 1978.9),
    ],
)  # fmt: skip
def test_peaks_of_the_measured_chips_round_to_the_printed(name: str, tensor_format: str, teraflops: float) -> None:
    peak = load(name).peak_flops(tensor_format) / TERA
    assert peak == pytest.approx(teraflops, rel=5e-4)


@pytest.mark.parametrize("name", [name for name in catalogue() if name not in {"hearten", "dgx-a100", "dgx-h100"}])
def test_derived_peaks_agree_with_the_printed_table(name: str) -> None:
    device = load(name)
    printed = {key.removeprefix("printed."): key for key in device.figures if key.startswith("printed.")}
    assert set(printed) == {"fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "int8"}
    for tensor_format in printed:
        claimed = getattr(device.chip.printed, f"{tensor_format}_flops")
        if claimed:
            assert device.peak_flops(tensor_format) == pytest.approx(claimed, rel=1e-3), tensor_format


@pytest.mark.parametrize("name", ["br100", "bili100"])
def test_parts_of_a_br100(name: str) -> None:
    chip = load(name).chip
    assert (chip.die.count, chip.spc_count, chip.spc.eu_count, chip.eu_count) == (2, 32, 16, 512)
    assert (chip.eu.lane_count, chip.eu.tcore_count, chip.lane_count, chip.tcore_count) == (16, 1, 8192, 512)
    assert chip.cu.eu_choices == (4, 8, 16)
    assert chip.cu_count == 128
    assert chip.warp.size == 32
    assert chip.eu.registers_bytes == 40 * 1024
    assert chip.lsc.capacity_bytes == 64 * 1024
    assert chip.lsc.shared_per_block_bytes == 32 * 1024
    assert chip.cu.max_threads_per_block == 1024
    assert chip.l2.capacity_bytes == 256 * 2**20
    assert chip.die.area_mm2 * chip.die.count == 1074
    assert chip.die.transistor_count * chip.die.count == 77 * 10**9
    assert [chip.tcore.mac_per_clock(name) for name in ("fp32", "tf32", "bf16", "int8")] == [256, 512, 1024, 2048]
    assert chip.instances.choices == (1, 2, 4, 8)
    assert chip.tda.present and chip.near_memory.present and chip.noc.multicast
    assert chip.noc.topology == "mesh"


def test_memory_and_connections_of_a_br100() -> None:
    device = load("br100")
    chip = device.chip
    assert device.hbm_capacity_bytes == 64 * 2**30
    assert chip.hbm.bus_bits == 4096 and chip.hbm.stack_count == 4
    assert device.hbm_bandwidth_bytes_per_s == 4096 * 32 * GIGA // 80
    assert round(device.hbm_bandwidth_bytes_per_s / TERA, 2) == 1.64
    assert 2 * chip.die_to_die.bandwidth_bytes_per_s == 896 * GIGA
    assert 2 * chip.links.bandwidth_bytes_per_s == 512 * GIGA and chip.links.port_count == 8
    assert 2 * chip.host_bus.bandwidth_bytes_per_s == 128 * GIGA
    assert (chip.host_bus.generation, chip.host_bus.lane_count) == (5, 16)
    assert device.off_chip_bandwidth_bytes_per_s // GIGA == 2278
    assert load("br104").off_chip_bandwidth_bytes_per_s // GIGA == 1139
    assert chip.clocks.nominal_hz == GIGA
    assert device.vector_flops() == 16_384 * GIGA


def test_br104_is_half_of_a_br100_wherever_the_facts_say_so() -> None:
    whole, half = load("br100"), load("br104")
    for tensor_format in ("fp32", "tf32", "bf16", "int8"):
        assert 2 * half.peak_flops(tensor_format) == whole.peak_flops(tensor_format)
    for part in ("spc_count", "eu_count", "cu_count", "tcore_count", "lane_count"):
        assert 2 * getattr(half.chip, part) == getattr(whole.chip, part)
    assert 2 * half.chip.die.count == whole.chip.die.count
    assert 2 * half.chip.l2.capacity_bytes == whole.chip.l2.capacity_bytes
    for part in ("capacity_bytes", "bandwidth_bytes_per_s", "bus_bits", "stack_count", "channel_count"):
        assert 2 * getattr(half.chip.hbm, part) == getattr(whole.chip.hbm, part)
    assert 2 * half.vector_flops() == whole.vector_flops()
    assert 2 * half.chip.links.bandwidth_bytes_per_s == 192 * GIGA
    for table in ("spc", "cu", "eu", "warp", "tcore", "vector", "lsc", "host_bus", "numerics"):
        assert getattr(half.chip, table) == getattr(whole.chip, table), table


def test_modules_and_server() -> None:
    bili100, bili104, hearten = load("bili100"), load("bili104"), load_server("hearten")
    assert (bili100.power_cap_w, bili100.chip.board.form_factor, bili100.chip.name) == (550, "OAM", "br100")
    assert (bili104.power_cap_w, bili104.chip.name) == (300, "br104")
    assert bili104.chip.board.form_factor.startswith("PCIe")
    assert hearten.device == bili100
    assert (hearten.layout.device_count, hearten.layout.topology) == (8, "mesh")
    assert hearten.peak_flops("bf16") // 10**15 == 8
    assert hearten.hbm_capacity_bytes == 512 * 2**30
    assert hearten.devices_power_cap_w == 4400
    assert 2 * hearten.pair_bandwidth_bytes_per_s == 64 * GIGA


@pytest.mark.parametrize(
    ("name", "cus", "hbm_gb", "bandwidth_gb_s", "l2_mib", "links_gb_s", "watts", "clock_mhz"),
    [
        ("a100-sxm-40", 108, 40, 1555, 40, 600, 400, 1410),
        ("a100-sxm-80", 108, 80, 2039, 40, 600, 400, 1410),
        ("h100-sxm", 132, 80, 3352, 50, 900, 700, 1980),
    ],
)
def test_measured_chips(
    name: str, cus: int, hbm_gb: int, bandwidth_gb_s: int, l2_mib: int, links_gb_s: int, watts: int, clock_mhz: int
) -> None:
    device = load(name)
    chip = device.chip
    assert (chip.cu_count, sum(chip.cus_by_spc), len(chip.cus_by_spc)) == (cus, cus, 8)
    assert chip.tcore_count == 4 * cus
    assert device.hbm_capacity_bytes == hbm_gb * 2**30
    assert device.hbm_bandwidth_bytes_per_s == bandwidth_gb_s * GIGA
    assert chip.l2.capacity_bytes == l2_mib * 2**20 and chip.l2.partition_count == 2
    assert 2 * chip.links.bandwidth_bytes_per_s == links_gb_s * GIGA
    assert device.power_cap_w == watts
    assert chip.clocks.boost_hz == clock_mhz * 10**6
    assert (chip.registers_bytes_per_cu, chip.max_threads_per_cu) == (65536 * 4, 2048)


@pytest.mark.parametrize(
    ("name", "cus", "hbm_gb", "bandwidth_gb_s", "links_gb_s", "watts", "bf16_teraflops"),
    [
        ("a100-pcie-40", 108, 40 * GIB, 1555, 600, 250, 312), ("a100-pcie-80", 108, 80 * GIB, 1935, 600, 300, 312),
        ("a800-sxm-80", 108, 80 * GIB, 2039, 400, 400, 312), ("h100-pcie", 114, 80 * GIB, 2039, 600, 350, 756.5),
        ("h20-sxm", 78, 96, 4000, 900, 400, 148), ("h200-sxm", 132, 141, 4800, 900, 700, 989.4),
    ],
)  # fmt: skip
def test_chips_by_their_datasheets(
    name: str, cus: int, hbm_gb: float, bandwidth_gb_s: int, links_gb_s: int, watts: int, bf16_teraflops: float
) -> None:
    device = load(name)
    assert device.chip.cu_count == cus
    assert device.hbm_capacity_bytes == pytest.approx(hbm_gb * GIGA)
    assert device.hbm_bandwidth_bytes_per_s == bandwidth_gb_s * GIGA
    assert 2 * device.chip.links.bandwidth_bytes_per_s == links_gb_s * GIGA
    assert device.power_cap_w == watts
    assert device.peak_flops("bf16") / TERA == pytest.approx(bf16_teraflops, rel=1e-3)


@pytest.mark.parametrize(("name", "petaflops", "watts"), [("dgx-a100", 2.5, 6500), ("dgx-h100", 7.9, 10200)])
def test_servers_behind_switches(name: str, petaflops: float, watts: int) -> None:
    server = load_server(name)
    assert (server.layout.device_count, server.layout.topology) == (8, "switch")
    assert server.peak_flops("bf16") / 10**15 == pytest.approx(petaflops, rel=0.005)
    assert server.devices_power_cap_w + server.layout.power_besides_devices_w == watts


def test_shared_memory_of_the_measured_chips() -> None:
    sizes = {name: load(name).chip.lsc for name in ("a100-sxm-80", "h100-sxm")}
    kib = {name: (lsc.shared_capacity_bytes >> 10, lsc.shared_per_block_bytes >> 10) for name, lsc in sizes.items()}
    assert kib == {"a100-sxm-80": (164, 163), "h100-sxm": (228, 227)}


def _tf32(device: Device) -> tuple[int, int, str]:
    numerics = device.numerics
    return numerics.tf32_exponent_bits, numerics.tf32_mantissa_bits, numerics.tf32_rounding


def test_numerics() -> None:
    assert _tf32(load("bili100")) == (8, 15, "truncate")
    assert _tf32(load("a100-sxm-80")) == _tf32(load("h100-sxm")) == (8, 10, "nearest")
    assert load("br100").numerics.fp64 == "emulated" and load("h100-sxm").numerics.fp64 == "native"
    assert load("bili100").numerics.key() == load("br104").numerics.key() == "tf32e8m15t-bf16n-accfp32-sub11-fp64e"
    assert load("a100-sxm-40").numerics.key() == load("h100-sxm").numerics.key()
    assert load("a100-sxm-40").numerics.key() != load("bili100").numerics.key()
