"""Kernels from files of Triton's IR, as `triton.compile` takes them: TTIR, and TTGIR, whose layouts are passed over."""

import pytest
import torch
import triton

from supa.base.errors import CompileError

TTIR = """
module {
  tt.func public @shifted(%from: !tt.ptr<f32> {tt.divisibility = 16 : i32}, %to: !tt.ptr<f32>, %count: i32) {
    %zero = arith.constant 0 : i32
    %one = arith.constant 1 : index
    %first = arith.index_cast %zero : i32 to index
    %last = arith.index_cast %count : i32 to index
    scf.for %i = %first to %last step %one {
      %at = arith.index_cast %i : index to i64
      %source = tt.addptr %from, %at : !tt.ptr<f32>, i64
      %value = tt.load %source : !tt.ptr<f32>
      %target = tt.addptr %to, %at : !tt.ptr<f32>, i64
      tt.store %target, %value : !tt.ptr<f32>
    }
    tt.return
  }
}
"""
TTGIR = """
#rows = #ttg.blocked<{sizePerThread = [1, 4], threadsPerWarp = [4, 8], warpsPerCTA = [4, 1], order = [1, 0]}>
#columns = #ttg.blocked<{sizePerThread = [4, 1], threadsPerWarp = [8, 4], warpsPerCTA = [1, 4], order = [0, 1]}>
#left = #ttg.slice<{dim = 1, parent = #columns}>
module attributes {"ttg.num-ctas" = 1 : i32, "ttg.num-warps" = 4 : i32, "ttg.threads-per-warp" = 32 : i32} {
  tt.func public @sums(%from: !tt.ptr<f32>, %to: !tt.ptr<f32>) {
    %all = tt.make_range {end = 128 : i32, start = 0 : i32} : tensor<128xi32, #ttg.slice<{dim = 0, parent = #rows}>>
    %row = tt.expand_dims %all {axis = 0 : i32}
      : tensor<128xi32, #ttg.slice<{dim = 0, parent = #rows}>> -> tensor<1x128xi32, #rows>
    %at = tt.reshape %row allow_reorder : tensor<1x128xi32, #rows> -> tensor<1x128xi32, #rows>
    %start = tt.splat %from : !tt.ptr<f32> -> tensor<1x128x!tt.ptr<f32>, #rows>
    %source = tt.addptr %start, %at : tensor<1x128x!tt.ptr<f32>, #rows>, tensor<1x128xi32, #rows>
    %loaded = tt.load %source : tensor<1x128x!tt.ptr<f32>, #rows>
    %turned = ttg.convert_layout %loaded : tensor<1x128xf32, #rows> -> tensor<1x128xf32, #columns>
    %sum = "tt.reduce"(%turned) <{axis = 1 : i32}> ({
    ^bb0(%a: f32, %b: f32):
      %c = arith.addf %a, %b : f32
      tt.reduce.return %c : f32
    }) : (tensor<1x128xf32, #columns>) -> tensor<1xf32, #left>
    %target = tt.splat %to : !tt.ptr<f32> -> tensor<1x!tt.ptr<f32>, #left>
    tt.store %target, %sum : tensor<1x!tt.ptr<f32>, #left>
    tt.return
  }
}
"""
MEMORY = "!ttg.memdesc<1x128xf32, #memory, #ttg.shared_memory>"
SHARED = "#memory = #ttg.swizzled_shared<{vec = 1, perPhase = 1, maxPhase = 1, order = [1, 0]}>" + TTGIR.replace(
    "%turned = ttg.convert_layout %loaded : tensor<1x128xf32, #rows>",
    f"""%kept = ttg.local_alloc %loaded : (tensor<1x128xf32, #rows>) -> {MEMORY}
    %turned = ttg.local_load %kept : {MEMORY}""",
)


def compiled(folder, text, ending):
    path = folder / f"kernel.{ending}"
    path.write_text(text)
    return triton.compile(str(path))


def test_a_file_of_ttir(on_device, tmp_path):
    on_device(mode="execute")
    source, target = torch.randn(10), torch.zeros(10)
    kernel = compiled(tmp_path, TTIR, "ttir")
    kernel[(1, 1, 1)](source, target, 7)
    assert torch.equal(target[:7], source[:7]) and not target[7:].any()
    assert "supa" in kernel.asm


def test_layouts_of_a_file_of_ttgir_change_no_values(on_device, tmp_path):
    on_device(mode="execute")
    source, target = torch.randint(-50, 50, (128,)).float(), torch.zeros(1)
    compiled(tmp_path, TTGIR, "ttgir")[(1, 1, 1)](source, target)
    assert target.item() == source.sum().item()


def test_what_only_a_gpu_has_is_refused(on_device, tmp_path):
    on_device(mode="execute")
    with pytest.raises(CompileError, match=r"expected a type of TTIR, found: !ttg\.memdesc"):
        compiled(tmp_path, SHARED, "ttgir")
