#loc = loc("kernels.py":135:0)
#loc2 = loc("kernels.py":136:22)
#loc8 = loc("x"(#loc))
#loc9 = loc("n"(#loc))
#loc10 = loc("i"(#loc2))
"builtin.module"() ({
  "tt.func"() <{function_type = (!tt.ptr<f32>, i32) -> (), sym_name = "nothing", sym_visibility = "public"}> ({
  ^bb0(%x: !tt.ptr<f32> loc("x"(#loc)), %n: i32 loc("n"(#loc))):
    %0 = "arith.constant"() <{value = 1.000000e+00 : f32}> : () -> f32 loc(#loc1)
    %1 = "arith.constant"() <{value = 40 : i32}> : () -> i32 loc(#loc1)
    %2 = "arith.constant"() <{value = 0 : i32}> : () -> i32 loc(#loc2)
    %3 = "arith.constant"() <{value = 1 : i32}> : () -> i32 loc(#loc2)
    "scf.for"(%2, %n, %3) ({
    ^bb0(%i: i32 loc("i"(#loc2))):
      %4 = "arith.muli"(%i, %i) <{overflowFlags = #arith.overflow<none>}> : (i32, i32) -> i32 loc(#loc3)
      %5 = "arith.cmpi"(%4, %1) <{predicate = 0 : i64}> : (i32, i32) -> i1 loc(#loc4)
      "scf.if"(%5) ({
        "tt.store"(%x, %0) <{boundaryCheck = array<i32>, cache = 1 : i32, evict = 1 : i32}> : (!tt.ptr<f32>, f32) -> () loc(#loc6)
        "scf.yield"() : () -> () loc(#loc5)
      }, {
      }) : (i1) -> () loc(#loc5)
      "scf.yield"() : () -> () loc(#loc2)
    }) : (i32, i32, i32) -> () loc(#loc2)
    "tt.return"() : () -> () loc(#loc7)
  }) {noinline = false} : () -> () loc(#loc)
}) : () -> () loc(#loc)
#loc1 = loc(unknown)
#loc3 = loc("kernels.py":137:15)
#loc4 = loc("kernels.py":137:20)
#loc5 = loc("kernels.py":137:11)
#loc6 = loc("kernels.py":138:24)
#loc7 = loc("kernels.py":136:4)
