"""The functions, in LLVM's text, through which code with checks reaches the sanitizer; bounds are looked at in them.

Each takes the launch, and does nothing where that has no sanitizer. `window` is the memory that loads of a site may
read without asking, `open` whether all lanes of an access lie in it, `look` asks only where they do not, `fresh`
after a load that read the mark of memory never written. Not here: who calls them (`checks`), what they ask (`runtime`).
"""

from __future__ import annotations

CHECK = """define internal i64 @supa.check(ptr %launch, i32 %site, i64 %block, i64 %base, ptr %addresses, i64 %lanes,
    i32 %first, i32 %step, ptr %elements) nounwind {
  %at = getelementptr i8, ptr %launch, i64 32
  %sanitizer = load ptr, ptr %at
  %none = icmp eq ptr %sanitizer, null
  br i1 %none, label %skip, label %go
go:
  %check = load ptr, ptr %sanitizer
  %good = call i64 %check(ptr %sanitizer, i32 %site, i64 %block, i64 %base, ptr %addresses, i64 %lanes, i32 %first,
    i32 %step, ptr %elements)
  ret i64 %good
skip:
  ret i64 %lanes
}
"""

_WINDOW = """define internal [2 x i64] @supa.window(ptr %launch, i32 %site) alwaysinline nounwind {
  %at = getelementptr i8, ptr %launch, i64 32
  %sanitizer = load ptr, ptr %at
  %none = icmp eq ptr %sanitizer, null
  br i1 %none, label %closed, label %go
go:
  %windows.at = getelementptr i8, ptr %sanitizer, i64 32
  %windows = load ptr, ptr %windows.at
  %index = sext i32 %site to i64
  %window = getelementptr [2 x i64], ptr %windows, i64 %index
  %to.at = getelementptr i8, ptr %window, i64 8
  %to = load atomic i64, ptr %to.at acquire, align 8
  %from = load i64, ptr %window
  %half = insertvalue [2 x i64] poison, i64 %from, 0
  %both = insertvalue [2 x i64] %half, i64 %to, 1
  ret [2 x i64] %both
closed:
  ret [2 x i64] zeroinitializer
}
"""

_OPEN = """define internal i1 @supa.open(ptr %launch, i32 %site, i64 %base, i64 %size, i64 %lanes)
    alwaysinline nounwind {
  %window = call [2 x i64] @supa.window(ptr %launch, i32 %site)
  %from = extractvalue [2 x i64] %window, 0
  %to = extractvalue [2 x i64] %window, 1
  %skipped = call i64 @llvm.cttz.i64(i64 %lanes, i1 false)
  %unused = call i64 @llvm.ctlz.i64(i64 %lanes, i1 false)
  %count = sub i64 64, %unused
  %before = mul i64 %skipped, %size
  %until = mul i64 %count, %size
  %first = add i64 %base, %before
  %end = add i64 %base, %until
  %low = icmp uge i64 %first, %from
  %high = icmp ule i64 %end, %to
  %rest = sub i64 %size, 1
  %over = and i64 %base, %rest
  %aligned = icmp eq i64 %over, 0
  %some = icmp ne i64 %lanes, 0
  %in = and i1 %low, %high
  %fits = and i1 %in, %aligned
  %open = and i1 %fits, %some
  ret i1 %open
}
"""

_LOOK = """define internal i64 @supa.look(ptr %launch, i32 %site, i64 %block, i64 %base, i64 %size, i64 %lanes,
    i32 %first, i32 %step, ptr %elements) alwaysinline nounwind {
  %open = call i1 @supa.open(ptr %launch, i32 %site, i64 %base, i64 %size, i64 %lanes)
  br i1 %open, label %good, label %ask
ask:
  %found = call i64 @supa.check(ptr %launch, i32 %site, i64 %block, i64 %base, ptr null, i64 %lanes, i32 %first,
    i32 %step, ptr %elements)
  ret i64 %found
good:
  ret i64 %lanes
}
"""

_ROWED = """define internal i64 @supa.rowed(ptr %launch, i32 %site, i64 %block, i64 %base, i64 %size, i64 %lanes,
    i32 %first, i32 %step, ptr %elements, i1 %row) alwaysinline nounwind {
  br i1 %row, label %good, label %ask
ask:
  %found = call i64 @supa.look(ptr %launch, i32 %site, i64 %block, i64 %base, i64 %size, i64 %lanes, i32 %first,
    i32 %step, ptr %elements)
  ret i64 %found
good:
  ret i64 %lanes
}
"""

_FRESH = """define internal void @supa.fresh(ptr %launch, i32 %site, i64 %block, i64 %base, i64 %size, i64 %lanes,
    i32 %first, i32 %step, ptr %elements, i64 %marked) alwaysinline nounwind {
  %suspect = and i64 %marked, %lanes
  %clean = icmp eq i64 %suspect, 0
  br i1 %clean, label %done, label %look
look:
  %open = call i1 @supa.open(ptr %launch, i32 %site, i64 %base, i64 %size, i64 %lanes)
  br i1 %open, label %ask, label %done
ask:
  call i64 @supa.check(ptr %launch, i32 %site, i64 %block, i64 %base, ptr null, i64 %lanes, i32 %first, i32 %step,
    ptr %elements)
  br label %done
done:
  ret void
}
"""

ORIGIN = """define internal void @supa.origin(ptr %launch, i64 %address) nounwind {
  %at = getelementptr i8, ptr %launch, i64 32
  %sanitizer = load ptr, ptr %at
  %none = icmp eq ptr %sanitizer, null
  br i1 %none, label %done, label %go
go:
  %telling = getelementptr i8, ptr %sanitizer, i64 16
  %tell = load ptr, ptr %telling
  call void %tell(ptr %sanitizer, i64 %address)
  br label %done
done:
  ret void
}
"""

NOTE = """define internal void @supa.note(ptr %launch, i32 %site, i64 %block, i64 %lanes, i32 %first, i32 %step,
    ptr %elements) nounwind {
  %well = icmp eq i64 %lanes, 0
  br i1 %well, label %done, label %look
look:
  %at = getelementptr i8, ptr %launch, i64 32
  %sanitizer = load ptr, ptr %at
  %none = icmp eq ptr %sanitizer, null
  br i1 %none, label %done, label %go
go:
  %noting = getelementptr i8, ptr %sanitizer, i64 8
  %note = load ptr, ptr %noting
  call void %note(ptr %sanitizer, i32 %site, i64 %block, i64 %lanes, i32 %first, i32 %step, ptr %elements)
  br label %done
done:
  ret void
}
"""

NEIGHBOURS = {
    "@supa.check": CHECK, "@supa.window": _WINDOW, "@supa.open": _OPEN, "@supa.look": _LOOK, "@supa.rowed": _ROWED,
    "@supa.fresh": _FRESH,
}  # fmt: skip
"""What calls of lanes side by side need, by name."""

_SCATTERED_OPEN = """define internal i1 @supa.open.{count}(ptr %launch, i32 %site, <{count} x i64> %addresses,
    i64 %size, i64 %lanes) alwaysinline nounwind {{
  %window = call [2 x i64] @supa.window(ptr %launch, i32 %site)
  %from = extractvalue [2 x i64] %window, 0
  %to = extractvalue [2 x i64] %window, 1
  %rest = sub i64 %size, 1
  %over = and i64 %to, %rest
  %end = sub i64 %to, %over
  %bytes = sub i64 %end, %from
  %from.one = insertelement <{count} x i64> poison, i64 %from, i64 0
  %from.all = shufflevector <{count} x i64> %from.one, <{count} x i64> poison, <{count} x i32> zeroinitializer
  %bytes.one = insertelement <{count} x i64> poison, i64 %bytes, i64 0
  %bytes.all = shufflevector <{count} x i64> %bytes.one, <{count} x i64> poison, <{count} x i32> zeroinitializer
  %rest.one = insertelement <{count} x i64> poison, i64 %rest, i64 0
  %rest.all = shufflevector <{count} x i64> %rest.one, <{count} x i64> poison, <{count} x i32> zeroinitializer
  %offsets = sub <{count} x i64> %addresses, %from.all
  %in = icmp ult <{count} x i64> %offsets, %bytes.all
  %crooked = and <{count} x i64> %addresses, %rest.all
  %straight = icmp eq <{count} x i64> %crooked, zeroinitializer
  %fits = and <{count} x i1> %in, %straight
  %word = bitcast <{count} x i1> %fits to i{count}
  %bits = {widen}
  %held = and i64 %bits, %lanes
  %all = icmp eq i64 %held, %lanes
  %some = icmp ne i64 %lanes, 0
  %open = and i1 %all, %some
  ret i1 %open
}}
"""

_SCATTERED_LOOK = """define internal i64 @supa.look.{count}(ptr %launch, i32 %site, i64 %block,
    <{count} x i64> %addresses, ptr %room, i64 %size, i64 %lanes, i32 %first, i32 %step, ptr %elements)
    alwaysinline nounwind {{
  %open = call i1 @supa.open.{count}(ptr %launch, i32 %site, <{count} x i64> %addresses, i64 %size, i64 %lanes)
  br i1 %open, label %good, label %ask
ask:
  store <{count} x i64> %addresses, ptr %room
  %found = call i64 @supa.check(ptr %launch, i32 %site, i64 %block, i64 0, ptr %room, i64 %lanes, i32 %first,
    i32 %step, ptr %elements)
  ret i64 %found
good:
  ret i64 %lanes
}}
"""

_SCATTERED_FRESH = """define internal void @supa.fresh.{count}(ptr %launch, i32 %site, i64 %block,
    <{count} x i64> %addresses, ptr %room, i64 %size, i64 %lanes, i32 %first, i32 %step, ptr %elements, i64 %marked)
    alwaysinline nounwind {{
  %suspect = and i64 %marked, %lanes
  %clean = icmp eq i64 %suspect, 0
  br i1 %clean, label %done, label %look
look:
  %open = call i1 @supa.open.{count}(ptr %launch, i32 %site, <{count} x i64> %addresses, i64 %size, i64 %lanes)
  br i1 %open, label %ask, label %done
ask:
  store <{count} x i64> %addresses, ptr %room
  call i64 @supa.check(ptr %launch, i32 %site, i64 %block, i64 0, ptr %room, i64 %lanes, i32 %first, i32 %step,
    ptr %elements)
  br label %done
done:
  ret void
}}
"""


def scattered(count: int) -> dict[str, str]:
    """What calls of `count` lanes anywhere need, by name; they also take room for the lanes' addresses."""
    widen = f"zext i{count} %word to i64" if count < 64 else "add i64 %word, 0"
    texts = {"@supa.open": _SCATTERED_OPEN, "@supa.look": _SCATTERED_LOOK, "@supa.fresh": _SCATTERED_FRESH}
    made = {f"{name}.{count}": text.format(count=count, widen=widen) for name, text in texts.items()}
    return {"@supa.check": CHECK, "@supa.window": _WINDOW, **made}
