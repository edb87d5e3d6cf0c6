"""The plug-in through Triton's own front door: launches, arguments, modes, errors, hooks."""

import jit_kernels as kernels
import pytest
import torch
import triton
from triton.tools.tensor_descriptor import TensorDescriptor

from supa.base.errors import DeviceError, LaunchError, SupaError
from supa.jit.triton_backend import devices
from supa.runtime import Session, set_current_device
from supa.runtime.current import cards, open_cards, set_cards
from supa.runtime.prices import Prices


def add(n, **options):
    x, y, out = torch.randn(n), torch.randn(n), torch.empty(n)
    kernels.add_kernel[(triton.cdiv(n, 256),)](x, y, out, n, BLOCK=256, **options)
    return x + y, out


def test_triton_finds_the_plug_in(driver):
    assert type(driver).__name__ == "SupaDriver"
    target = driver.get_current_target()
    assert (target.backend, target.warp_size) == ("supa", 32)
    expected = torch.device("supa", 0) if hasattr(torch, "supa") else torch.device("cpu")
    assert driver.get_active_torch_device() == expected


@pytest.mark.parametrize(
    ("other_is_active", "asked", "active"),
    [(False, None, True), (True, None, False), (True, "supa", True), (False, "nvidia", True)],
)
def test_the_plug_in_steps_back_for_a_gpu_unless_asked_for(driver, monkeypatch, other_is_active, asked, active):
    class Other:
        class driver:  # noqa: N801
            is_active = staticmethod(lambda: other_is_active)

    backends = {"supa": triton.backends.backends["supa"], "nvidia": Other}
    monkeypatch.setattr(triton.backends, "backends", backends)
    if asked:
        monkeypatch.setenv("TRITON_DEFAULT_BACKEND", asked)
    else:
        monkeypatch.delenv("TRITON_DEFAULT_BACKEND", raising=False)
    assert type(driver).is_active() == active


@pytest.mark.parametrize("n", [1, 255, 256, 1000])
@pytest.mark.parametrize("mode", ["execute", "both"])
def test_a_launch_computes(on_device, mode, n):
    device = on_device(mode=mode)
    expected, found = add(n)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    [record] = device.session.records
    assert (record.name, record.launches) == ("add_kernel", 1)
    assert (record.device_ps > 0) == (mode == "both")


def test_time_mode_predicts_and_touches_nothing(on_device):
    device = on_device(mode="time")
    x, out = torch.ones(512), torch.full((512,), torch.nan)
    kernels.add_kernel[(2,)](x, x, out, 512, BLOCK=256)
    assert out.isnan().all()
    assert device.session.records[0].device_ps > 0
    assert device.synchronize() > 0


def test_several_machines_price_the_same_launches(on_device):
    from supa.arch import load

    device = on_device(session=Session(compare=[Prices(load("h100-sxm"))]))
    add(1000)
    [record] = device.session.records
    assert record.compared["h100-sxm"].device_ps > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.int32, torch.int64])
def test_scalars_of_the_tensors_kind(on_device, dtype):
    on_device(mode="execute")
    x = torch.arange(64).to(dtype)
    scale, shift = (3, -(2**31)) if dtype.is_floating_point is False else (0.5, -1.25)
    expected = x * scale + shift
    kernels.scale_kernel[(1,)](x, scale, shift, BLOCK=64)
    torch.testing.assert_close(x, expected)


def test_none_and_one_are_constants(on_device):
    on_device(mode="execute")
    x, bias, out = torch.randn(64), torch.randn(64), torch.empty(64)
    kernels.optional_kernel[(1,)](x, None, out, BLOCK=64)
    torch.testing.assert_close(out, x)
    kernels.optional_kernel[(1,)](x, bias, out, BLOCK=64)
    torch.testing.assert_close(out, x + bias)


def test_tuples_and_host_descriptors(on_device):
    on_device(mode="execute")
    x, out = torch.tensor([2.5]), torch.empty(1)
    kernels.pair_kernel[(1,)]((x, 4), out)
    assert out.item() == 6.5
    source, target = torch.randn(32, 16), torch.empty(32, 16)
    described = [TensorDescriptor.from_tensor(tensor, [16, 16]) for tensor in (source, target)]
    kernels.descriptor_kernel[(2,)](*described, ROWS=16, COLUMNS=16)
    torch.testing.assert_close(target, source * 2)


def test_wrong_arguments_get_tritons_own_messages(on_device):
    on_device(mode="execute")
    x = torch.ones(16)
    with pytest.raises(TypeError, match="missing 1 required"):
        kernels.add_kernel[(1,)](x, x, x, BLOCK=16)
    with pytest.raises(TypeError, match="failed to specialize argument of type: object"):
        kernels.add_kernel[(1,)](x, object(), x, 16, BLOCK=16)
    with pytest.raises(KeyError, match="unrecognised"):
        kernels.add_kernel[(1,)](x, x, x, 16, BLOCK=16, colour="red")


def test_an_unsupported_operation_names_the_users_line(on_device):
    on_device(mode="execute")
    x = torch.ones(1, dtype=torch.int32)
    with pytest.raises(SupaError, match=r"jit_kernels\.py:\d+") as caught:
        kernels.asm_kernel[(1,)](x)
    assert "vote.sync.any.pred" in str(caught.value)
    with pytest.raises(triton.CompilationError, match=r"libdevice\.fast_sinf takes fp32, found fp64") as refused:
        kernels.refused_kernel[(1,)](torch.ones(1, dtype=torch.float64))
    assert "libdevice.fast_sinf(tl.load(x_ptr))" in str(refused.value)


def test_prints_show_values_as_the_kernel_has_them(on_device, capsys):
    on_device(mode="execute")
    kernels.talking_kernel[(2,)](torch.tensor([1.5], dtype=torch.float16), torch.tensor([-1, 7], dtype=torch.int32))
    bits = ["idx (0) bits: 0xffffffff", "idx (1) bits: 0x00000007"]
    of_a_block = ["idx () value {x}: 1.500000", *bits, "idx () number: -1", "here"]
    expected = [f"pid ({block}, 0, 0) {text}" for block in range(2) for text in of_a_block]
    assert capsys.readouterr().out.splitlines() == expected


def test_a_failed_assert_names_block_text_and_line_and_the_process_goes_on(on_device, capsys):
    on_device(mode="execute")
    x, i = torch.tensor([-1.0]), torch.tensor([0, 0], dtype=torch.int32)
    with pytest.raises(LaunchError, match=r"block \(0, 0, 0\).*jit_kernels\.py:\d+:\d+: must be positive"):
        kernels.talking_kernel[(2,)](x, i, debug=True)
    expected, found = add(100)
    assert torch.equal(expected, found)


def test_memory_that_is_not_there_is_an_error_not_a_crash(on_device):
    on_device(mode="execute")
    x = torch.ones(64)
    with pytest.raises(LaunchError, match="null pointer"):
        kernels.add_kernel[(1,)](torch.ones(64, device="meta"), x, x, 64, BLOCK=64)


def test_options_of_nvidia_kernels_are_taken(on_device):
    on_device(mode="execute")
    expected, found = add(
        300, num_warps=8, num_stages=2, num_ctas=1, maxnreg=128, enable_fp_fusion=False, launch_pdl=False
    )
    torch.testing.assert_close(found, expected)


def test_hints_of_configurations_for_amd_are_taken(on_device):
    on_device(mode="execute")
    expected, found = add(300, waves_per_eu=2, matrix_instr_nonkdim=16, kpack=2, schedule_hint="attention")
    torch.testing.assert_close(found, expected)


def test_launch_hooks_see_the_launch(on_device):
    on_device(mode="execute")
    seen = []

    def enter(metadata):
        seen.append(metadata.get()["name"])

    triton.knobs.runtime.launch_enter_hook.add(enter)
    try:
        add(300)
    finally:
        triton.knobs.runtime.launch_enter_hook.remove(enter)
    assert seen == ["add_kernel"]


def test_two_devices_in_one_process_do_not_share_kernels(on_device, driver):
    first = on_device("bili100", mode="both")
    add(300)
    number = driver.get_current_device()
    second = on_device("h100-sxm", mode="both")
    add(300)
    assert driver.get_current_device() != number
    assert [device.session.records[0].launches for device in (first, second)] == [1, 1]
    assert first.session.records[0].device_ps != second.session.records[0].device_ps
    driver.set_current_device(number)
    assert driver.get_current_device() == number


def test_properties_are_the_devices(on_device, driver):
    device = on_device("a100-sxm-80", mode="execute")
    found = driver.utils.get_device_properties(driver.get_current_device())
    assert found["multiprocessor_count"] == 108
    assert found["warpSize"] == 32
    assert found["max_num_regs"] == 65536
    assert found["max_shared_mem"] == device.description.chip.lsc.shared_per_block_bytes


def test_cards_have_their_order_s_numbers_before_anything_is_launched(driver):
    before = cards()
    first, second = open_cards("bili100", "execute", count=2)
    try:
        set_cards((first, second))
        set_current_device(second)
        number = driver.get_current_device()
        assert devices.device(number) is second and devices.device(number - 1) is first
        assert driver.utils.get_device_properties(number - 1)["warpSize"] == 32
        with pytest.raises(DeviceError, match="no device has the number"):
            driver.utils.get_device_properties(number + 1)
    finally:
        set_cards(before)


def test_the_second_process_is_served_by_the_cache(on_device):
    on_device(mode="execute")
    seen = []
    listener, triton.knobs.compilation.listener = triton.knobs.compilation.listener, lambda **facts: seen.append(facts)
    try:
        for _ in range(2):
            kernels.optional_kernel.device_caches.clear()
            x, out = torch.randn(32), torch.empty(32)
            kernels.optional_kernel[(1,)](x, x, out, BLOCK=32)
            torch.testing.assert_close(out, x + x)
    finally:
        triton.knobs.compilation.listener = listener
    assert [facts["cache_hit"] for facts in seen] == [False, True] or seen[0]["cache_hit"]
    assert seen[-1]["metadata"]["compile_seconds"].keys()
