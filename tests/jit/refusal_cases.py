"""One case for each place that refuses what a user wrote: its name and what provokes it. Not a test."""

from collections.abc import Callable
from types import SimpleNamespace

import refusal_kernels as kernels
import torch
from triton.experimental import gluon
from triton.tools.tensor_descriptor import TensorDescriptor

from supa.base.dtypes import I8, I16, I32
from supa.base.location import Location
from supa.compiler.native.build import build
from supa.compiler.native.elements import apply_cast
from supa.compiler.native.generate import Rounding, generate
from supa.compiler.native.host import detect
from supa.compiler.native.tiles import descriptor_of
from supa.compiler.ttir import read
from supa.ir import ops
from supa.ir.core import Block, Op
from supa.ir.types import Pointer, Tile
from supa.jit.sanitizer import settings
from supa.jit.triton_backend import devices, measuring, packing
from supa.jit.triton_backend.generic_form import generic_text
from supa.jit.triton_backend.launching import make_launcher
from supa.jit.triton_backend.options import KernelOptions

CASES: dict[str, Callable[[], object]] = {}
ENVIRONMENT: dict[str, dict[str, str]] = {}
"""Name -> what provokes the refusal; and which variables it takes."""


def case(name, **environment):
    def register(function):
        CASES[name] = function
        ENVIRONMENT[name] = environment
        return function

    return register


# ---- texts in TTIR -----------------------------------------------------------------------------------------------

HERE = 'loc("user.py":9:4)'
RETURN = '"tt.return"() : () -> ()'


def module(body, arguments="%n: i32", signature="i32", more=""):
    return f""""builtin.module"() ({{
  "tt.func"() <{{function_type = ({signature}) -> (), sym_name = "k", sym_visibility = "public"}}> ({{
  ^bb0({arguments}):
{body}
  }}) : () -> ()
{more}
}}) : () -> ()
"""


def ttir(name, body, *arguments, **more):
    CASES[name] = lambda: read(module(body, *arguments, **more))
    ENVIRONMENT[name] = {}


ttir("an operation without a rule", f'%a = "tt.teleport"(%n) : (i32) -> i32 {HERE}\n{RETURN}')
ttir(
    "a block pointer",
    f'%a = "tt.advance"(%n, %n) : (i32, i32) -> i32 {HERE}\n{RETURN}',
)
ttir("a value of another dialect's type", f'%a = "arith.extsi"(%n) : (i32) -> tuple<i32> {HERE}\n{RETURN}')
ttir(
    "an enumeration beyond Triton's",
    f'%a = "tt.atomic_rmw"(%n, %n) <{{atomic_rmw_op = 99 : i32}}> : (i32, i32) -> i32 {HERE}\n{RETURN}',
)
ttir(
    "a way of treating NaN beyond Triton's",
    f'%x = "arith.sitofp"(%n) : (i32) -> f32\n'
    f'%a = "tt.clampf"(%x, %x, %x) <{{propagateNan = 3 : i32}}> : (f32, f32, f32) -> f32 {HERE}\n{RETURN}',
)
ttir("a text that is no MLIR", "%a = ?")
ttir(
    "a jump backwards",
    f'"cf.br"()[^bb1] : () -> ()\n^bb1:\n"cf.br"()[^bb1] : () -> () {HERE}',
)
ttir(
    "a branch of many ways",
    f'"cf.switch"(%n)[^bb1] : (i32) -> () {HERE}\n^bb1:\n{RETURN}',
)
ttir("a function without a body", f'"tt.call"() <{{callee = @gone}}> : () -> () {HERE}\n{RETURN}')
ttir(
    "a function that calls itself",
    f'"tt.call"() <{{callee = @again}}> : () -> () {HERE}\n{RETURN}',
    more=f'"tt.func"() <{{function_type = () -> (), sym_name = "again", sym_visibility = "private"}}> ({{\n'
    f'"tt.call"() <{{callee = @again}}> : () -> () loc("user.py":12:4)\n{RETURN}\n}}) : () -> ()',
)
ttir(
    "no kernel",
    RETURN,
    more=f'"tt.func"() <{{function_type = () -> (), sym_name = "two", sym_visibility = "public"}}> ({{\n'
    f"{RETURN}\n}}) : () -> ()",
)
ttir(
    "an external function of another device",
    f'%x = "arith.sitofp"(%n) : (i32) -> f32\n'
    f'%a = "tt.extern_elementwise"(%x) <{{symbol = "__ocml_exp_f32"}}> : (f32) -> f32 {HERE}\n{RETURN}',
)
ttir(
    "an external function of another result",
    f'%x = "arith.sitofp"(%n) : (i32) -> f32\n'
    f'%a = "tt.extern_elementwise"(%x) <{{symbol = "__nv_expf"}}> : (f32) -> f64 {HERE}\n{RETURN}',
)
ttir(
    "assembly without a result",
    '"tt.elementwise_inline_asm"(%n) <{asm_string = "bar.sync 0;", constraints = "r", packed_element = 1 : i32}> '
    f": (i32) -> () {HERE}\n{RETURN}",
)
ttir(
    "assembly that gives a pointer",
    '%a = "tt.elementwise_inline_asm"(%n) <{asm_string = "mov.b64 $0, 0;", constraints = "=l,r"}> '
    f": (i32) -> !tt.ptr<i32> {HERE}\n{RETURN}",
)
ttir(
    "packs that do not fit a tile",
    f'%x = "tt.make_range"() <{{end = 16 : i32, start = 0 : i32}}> : () -> tensor<16xi32>\n'
    '%a = "tt.elementwise_inline_asm"(%x) <{asm_string = "mov.b32 $0, $1;", constraints = "=r,r", '
    f"packed_element = 32 : i32}}> : (tensor<16xi32>) -> tensor<16xi32> {HERE}\n{RETURN}",
)
SCALED = "tensor<32x32xi8>, tensor<32x32xi8>, tensor<32x32xf32>"
ttir(
    "a microscaling format that no machine has",
    f'%x = "arith.constant"() <{{value = dense<0> : tensor<32x32xi8>}}> : () -> tensor<32x32xi8>\n'
    f'%c = "arith.constant"() <{{value = dense<0.0> : tensor<32x32xf32>}}> : () -> tensor<32x32xf32>\n'
    f'%a = "tt.dot_scaled"(%x, %x, %c) <{{a_elem_type = 2 : i32, b_elem_type = 2 : i32, fastMath = false, '
    "lhs_k_pack = true, rhs_k_pack = true, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>}> "
    f": ({SCALED}) -> tensor<32x32xf32> {HERE}\n{RETURN}",
)


# ---- kernels -----------------------------------------------------------------------------------------------------


def words(count=16, dtype=torch.int32):
    return torch.zeros(count, dtype=dtype)


def assembly(name, text, pack=1):
    CASES[name] = lambda: kernels.assembly[(1,)](words(), text, pack)
    ENVIRONMENT[name] = {}


assembly("PTX that is no instruction", "mov.b32 $0, [;")
assembly("a PTX instruction that is not known", "cp.async.wait_all.b32 $0;")
assembly("a PTX instruction across threads", "shfl.sync.bfly.b32 $0, $1, 1, 31, 0xffffffff;")
assembly("a PTX branch without a label", "mov.b32 $0, $1; bra there;")
assembly(
    "a PTX branch into a loop",
    ".reg .pred p; setp.eq.u32 p, $1, 0; a: mov.b32 $0, $1; b: @p bra a; nanosleep 1; @p bra b;",
)
assembly("a PTX register that was not written", "mov.b32 $0, x;")
assembly("a PTX register of threads", "mov.u32 $0, %tid.x;")
assembly("a word as a PTX predicate", "selp.b32 $0, $1, $1, $1;")
assembly("a PTX result that is not written", "mov.b32 x, $1;")
case("an atomic PTX exchange under a predicate")(lambda: kernels.atomic_assembly[(1,)](words()))
case("a reduction whose function prints")(lambda: kernels.reducing_with_an_effect[(1,)](words()))
case("a libdevice function with an argument missing")(lambda: kernels.too_few_arguments[(1,)](torch.zeros(1)))
case("a libdevice function of another type")(lambda: kernels.wrong_type[(1,)](words(1)))
case("a number of warps that is no power of 2")(lambda: kernels.counting[(1,)](words(), num_warps=3))
case("a number of stages below 0")(lambda: kernels.counting[(1,)](words(), num_stages=-1))
case("a cluster of three")(lambda: kernels.counting[(1,)](words(), num_ctas=3))
case("bitcode of another device")(lambda: KernelOptions(extern_libs=(("ockl", "ockl.bc"),)))
case("an address that no tensor has")(lambda: kernels.counting[(1,)](torch.zeros(1, device="meta", dtype=torch.int32)))


def launcher(signature):
    return make_launcher(SimpleNamespace(signature=signature), None)


def launched(signature, *arguments):
    launcher(signature)(1, 1, 1, None, lambda *call: None, None, "metadata", None, None, *arguments)


case("an argument of a type that is not known")(lambda: launcher({"x": "nvTmaDesc"}))
case("an argument that is no number")(lambda: launched({"n": "i32"}, "seven"))
case("a tensor without memory")(lambda: packing._pointer(torch.zeros(1, device="meta")))


@case("a descriptor that rounds to TF32")
def _rounding_descriptor():
    tensor = torch.zeros(16, 16)
    described = TensorDescriptor(tensor, [16, 16], [16, 1], [16, 16], round_f32_to_tf32=True)
    kernels.copying_a_block[(1,)](described, TensorDescriptor.from_tensor(tensor, [16, 16]))


@gluon.jit
def in_gluon(x_ptr):
    pass


case("a Gluon kernel")(lambda: in_gluon[(1,)](words()))
case("a benchmark of an unknown kind")(lambda: measuring.do_bench(lambda: None, return_mode="mode"))
case("a quantile above 1")(lambda: measuring.tuning_time(lambda: None, quantiles=[2.0]))
case("a device's number that nobody gave")(lambda: devices.device(-1))
case("a target of another process")(lambda: devices.description("elsewhere"))
case("a checking mode that is not known", SUPA_SANITIZE="loud")(settings.kinds)
case("a waiting time below 0", SUPA_SANITIZE_WAIT="-1")(settings.wait_s)


# ---- defects of this compiler, which say so -----------------------------------------------------------------------


PLACE = Location("user.py", 9, 5)


class Unheard(Op):
    """An operation that only this file knows."""


def function(*operations, arguments=()):
    body = Block(arguments)
    for operation in operations:
        body.append(operation)
    body.append(ops.Return())
    return ops.Func((), (), {"sym_name": "k"}, [body])


def native(*operations, arguments=()):
    generate(function(*operations, arguments=arguments), detect(), Rounding())


SQUARE = Tile((16, 16), I16)


@case("a product of 16-bit integers")
def _product():
    operands = [ops.Constant((), (SQUARE,), {"value": 1}) for _ in range(2)]
    accumulator = ops.Constant((), (Tile((16, 16), I32),), {"value": 0})
    product = ops.Dot([op.result for op in (*operands, accumulator)], (accumulator.result.type,), {}, (), PLACE)
    native(*operands, accumulator, product)


case("an operation without native code")(lambda: native(Unheard()))
case("a tile as a kernel's argument")(lambda: native(arguments=(Tile((4,), I32),)))
case("a cast of pointers to numbers")(lambda: apply_cast(None, "sext", None, Pointer(I32), I8))
case("a descriptor without an origin")(lambda: descriptor_of(Unheard(), Block((I32,)).args[0]))
case("native code that LLVM does not take")(lambda: build("define void @f() { ret i32 0 }", detect()))


class Printed:
    """Stands for a module whose printer knows another form."""

    __module__ = __name__
    context = None

    def get_function(self, name):
        return SimpleNamespace(set_attr=lambda *pair: None)

    def get_entry_func_name(self):
        return "k"

    def __str__(self):
        return "module { }"


class builder:  # noqa: N801 (the name that the bindings have)
    def __init__(self, context):
        pass

    def get_string_attr(self, text):
        return text


case("a printer of another Triton")(lambda: generic_text(Printed()))
