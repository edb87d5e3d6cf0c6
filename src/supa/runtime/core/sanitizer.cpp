// Asked by kernels with checks before every access. The common case, lanes side by side inside the memory they belong
// to, takes one comparison of bounds and one pass over their cells. What must not be done is not done: such a lane is
// taken out of the access. Not here: words.
#include "sanitizer.h"

#include <algorithm>
#include <new>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "cells.h"
#include "guard.h"

namespace {

constexpr uint32_t kMark = 0xFFF9FDE7;  // NaN as every float of 16 bits or more but bf16's lower half; no likely integer
constexpr uint64_t kMark64 = uint64_t{kMark} << 32 | kMark;
constexpr uint64_t kNullPage = 1 << 16;
constexpr uint8_t kReached = 1, kActive = 2;

using supa::Conflict;
using supa::kStripeShift;
using supa::Locked;
using supa::LockedStripes;
using supa::Site;
using supa::touch;
using supa::touch_quickly;

// Where the pointer of the access that is checked next came from, where no argument says it; 0: not known.
__attribute__((tls_model("initial-exec"))) thread_local uint64_t origin = 0;

struct Access {
  SupaSanitizer *own;
  const Site &site;
  int32_t number;  // of the site
  int64_t block;
  uint64_t base;
  const uint64_t *addresses;
  int32_t element, step;
  const int32_t *elements;

  uint64_t address(int lane) const {
    return addresses != nullptr ? addresses[lane] : base + static_cast<uint64_t>(lane) * static_cast<uint64_t>(site.facts.bytes);
  }
  int64_t element_of(int lane) const {
    return elements != nullptr ? elements[lane] : int64_t{element} + int64_t{lane} * step;
  }
};

void record(const Access &access, int lane, int32_t problem, const SupaExtent *extent, int64_t other = -1) {
  const int64_t index = extent == nullptr ? -1 : extent - access.own->extents.data();
  supa::record(access.own, access.number, problem, access.block, other, access.address(lane), access.element_of(lane),
               index);
}

// ---- races ----

bool races(const Access &access, int64_t other) {
  if (!access.own->ordered) return true;
  const supa::Unguarded lock_is_safe;
  return !access.own->order.before(other, access.block);
}

template <bool kWrites>
void track(const Access &access, const SupaExtent &extent, int lane, uint64_t address, int64_t bytes, uint32_t atomic) {
  supa::Shadow &shadow = *access.own->shadows[static_cast<size_t>(extent.group)];
  if (shadow.writers == nullptr) return;
  const uint32_t first = access.own->first_number, me = first + static_cast<uint32_t>(access.block);
  int64_t cell = static_cast<int64_t>(address - shadow.base) >> shadow.shift;
  const int64_t end = cell + std::max<int64_t>(1, bytes >> shadow.shift);
  while (cell < end) {
    const int64_t stop = std::min(end, ((cell >> kStripeShift) + 1) << kStripeShift);
    int64_t bad_cell = -1;
    Conflict worst;
    {
      const Locked lock(shadow, cell);
      const bool quick = (kWrites || !atomic) && touch_quickly<kWrites>(shadow, cell, stop, first, me, atomic);
      for (int64_t at = cell; !quick && at < stop; ++at) {
        const Conflict found = touch<kWrites>(shadow, at, first, me, atomic);
        if (__builtin_expect(found.problem >= 0 && bad_cell < 0, 0)) bad_cell = at, worst = found;
      }
    }
    if (__builtin_expect(bad_cell >= 0, 0) && races(access, worst.other)) {
      const uint64_t where = shadow.base + (static_cast<uint64_t>(bad_cell) << shadow.shift);
      const int further = static_cast<int>((where - address) / static_cast<uint64_t>(access.site.facts.bytes));
      record(access, lane + further, worst.problem, &extent, worst.other);
    }
    cell = stop;
  }
}

uint32_t atomic_flag(const SupaSite &site) {
  return site.kind == SUPA_LOAD ? (site.flags & SUPA_VOLATILE) != 0 : site.kind == SUPA_ATOMIC;
}

// Lanes anywhere in one extent. A lock waits for all that is on its way to memory: first all locks, then all cells.
template <bool kWrites>
void track_scattered(const Access &access, const SupaExtent &extent, uint64_t lanes) {
  supa::Shadow &shadow = *access.own->shadows[static_cast<size_t>(extent.group)];
  if (shadow.writers == nullptr) return;
  const uint32_t first = access.own->first_number, me = first + static_cast<uint32_t>(access.block);
  const uint32_t atomic = atomic_flag(access.site.facts);
  const int64_t count = std::max<int64_t>(1, access.site.facts.bytes >> shadow.shift);
  int64_t cells[64];
  uint64_t stripes = 0, wrong = 0;
  for (uint64_t left = lanes; left != 0; left &= left - 1) {
    const int lane = __builtin_ctzll(left);
    const int64_t cell = cells[lane] = static_cast<int64_t>(access.address(lane) - shadow.base) >> shadow.shift;
    stripes |= uint64_t{1} << ((cell >> kStripeShift) & 63) | uint64_t{1} << (((cell + count - 1) >> kStripeShift) & 63);
  }
  alignas(Conflict) unsigned char room[64 * sizeof(Conflict)];  // filled where something is wrong
  auto *const worst = reinterpret_cast<Conflict *>(room);
  {
    const LockedStripes locked(shadow, stripes);
    for (uint64_t left = lanes; left != 0; left &= left - 1) {
      const int lane = __builtin_ctzll(left);
      for (int64_t cell = cells[lane]; cell < cells[lane] + count; ++cell) {
        const Conflict found = touch<kWrites>(shadow, cell, first, me, atomic);
        if (__builtin_expect(found.problem < 0 || wrong >> lane & 1, 1)) continue;
        new (worst + lane) Conflict(found);
        wrong |= uint64_t{1} << lane;
      }
    }
  }
  for (uint64_t left = wrong; left != 0; left &= left - 1) {
    const int lane = __builtin_ctzll(left);
    if (races(access, worst[lane].other)) record(access, lane, worst[lane].problem, &extent, worst[lane].other);
  }
}

// All cells of a stretch; false where some need a closer look, which may follow: what was entered stays right.
template <bool kWrites>
bool track_quickly(const Access &access, const SupaExtent &extent, uint64_t address, int64_t bytes) {
  supa::Shadow &shadow = *access.own->shadows[static_cast<size_t>(extent.group)];
  if (shadow.writers == nullptr) return true;
  const uint32_t first = access.own->first_number, me = first + static_cast<uint32_t>(access.block);
  int64_t cell = static_cast<int64_t>(address - shadow.base) >> shadow.shift;
  for (const int64_t end = cell + (bytes >> shadow.shift); cell < end;) {
    const int64_t stop = std::min(end, ((cell >> kStripeShift) + 1) << kStripeShift);
    const Locked lock(shadow, cell);
    if (!touch_quickly<kWrites>(shadow, cell, stop, first, me, 0)) return false;
    cell = stop;
  }
  return true;
}

void track(const Access &access, const SupaExtent &extent, int lane, uint64_t address, int64_t bytes) {
  const SupaSite &site = access.site.facts;
  if (site.kind == SUPA_LOAD)
    track<false>(access, extent, lane, address, bytes, atomic_flag(site));
  else
    track<true>(access, extent, lane, address, bytes, atomic_flag(site));
}

// ---- memory never written ----

uint8_t mark_byte(uint64_t address) { return static_cast<uint8_t>(kMark >> (8 * (address & 3))); }

bool holds_mark(uint64_t address) { return *reinterpret_cast<const uint8_t *>(address) == mark_byte(address); }

bool is_written(const SupaExtent &extent, uint64_t address) {
  const uint64_t offset = address - extent.written_base;
  return extent.written[offset / 8] >> (offset % 8) & 1;
}

// A part of a word tells little by itself: it counts where kernels wrote all of the word that does not hold the mark.
bool part_unwritten(const SupaExtent &extent, uint64_t address, int32_t bytes) {
  if (extent.written == nullptr) return false;
  const uint64_t word = address & ~uint64_t{3}, end = extent.base + static_cast<uint64_t>(extent.bytes);
  for (uint64_t at = std::max(word, extent.base); at < std::min(word + 4, end); ++at) {
    const bool written = is_written(extent, at), marked = holds_mark(at);
    const bool own = at >= address && at < address + static_cast<uint64_t>(bytes);
    if (own ? written || !marked : !written && !marked) return false;
  }
  return true;
}

bool inside(const SupaExtent &extent, uint64_t address, int64_t bytes) {
  const uint64_t offset = address - extent.base;
  return offset < static_cast<uint64_t>(extent.bytes) && static_cast<uint64_t>(extent.bytes) - offset >= static_cast<uint64_t>(bytes);
}

bool unwritten(const SupaExtent &extent, uint64_t address, int32_t bytes) {
  const auto *word = reinterpret_cast<const uint32_t *>(address & ~uint64_t{3});
  if (inside(extent, address & ~uint64_t{3}, 4) && *word == kMark && (bytes < 8 || word[1] == kMark)) return true;
  return bytes < 4 && part_unwritten(extent, address, bytes);
}

// Whether some part of `bytes` of the words around [from, to) holds what it would hold if it was never written.
bool may_be_unwritten(uint64_t from, uint64_t to, int32_t bytes) {
  uint64_t at = bytes < 4 ? from & ~uint64_t{3} : (from + 3) & ~uint64_t{3};
#if defined(__x86_64__)
  const __m128i mark = _mm_set1_epi32(static_cast<int>(kMark));
  __m128i any = _mm_setzero_si128();
  for (; at + 16 <= to; at += 16) {
    const __m128i found = _mm_loadu_si128(reinterpret_cast<const __m128i *>(at));
    any = _mm_or_si128(any, bytes == 1   ? _mm_cmpeq_epi8(found, mark)
                            : bytes == 2 ? _mm_cmpeq_epi16(found, mark)
                                         : _mm_cmpeq_epi32(found, mark));
  }
  if (_mm_movemask_epi8(any) != 0) return true;
#endif
  for (; at < to && (bytes < 4 || at + 4 <= to); at += 4) {
    const uint32_t same = *reinterpret_cast<const uint32_t *>(at) ^ kMark;
    if (same == 0 || (bytes == 2 && ((same & 0xFFFF) == 0 || same >> 16 == 0))) return true;
    if (bytes == 1 && ((same - 0x01010101u) & ~same & 0x80808080u) != 0) return true;
  }
  return false;
}

void note_written(const SupaExtent &extent, uint64_t address, int64_t bytes) {
  uint64_t bit = address - extent.written_base;
  for (const uint64_t end = bit + static_cast<uint64_t>(bytes); bit < end;) {
    const uint64_t count = std::min<uint64_t>(8 - bit % 8, end - bit);
    const auto mask = static_cast<uint8_t>(((1u << count) - 1) << (bit % 8));
    uint8_t &entry = extent.written[bit / 8];
    if ((__atomic_load_n(&entry, __ATOMIC_RELAXED) & mask) != mask) __atomic_fetch_or(&entry, mask, __ATOMIC_RELAXED);
    bit += count;
  }
}

// ---- bounds ----

bool holds(const SupaExtent &extent, uint64_t address) {
  return address - extent.base < static_cast<uint64_t>(extent.bytes);
}

// Of the memory that no site names: whose address the program took.
const SupaExtent *taken_at(const SupaSanitizer *own, uint64_t address) {
  const auto begin = own->extents.begin() + own->named;
  auto next = std::upper_bound(begin, own->extents.end(), address,
                               [](uint64_t at, const SupaExtent &extent) { return at < extent.base; });
  return next != begin && holds(*--next, address) ? &*next : nullptr;
}

const SupaExtent *argument_at(const SupaSanitizer *own, uint64_t address) {
  const auto end = own->extents.begin() + own->named;
  const auto found = std::find_if(own->extents.begin(), end, [&](const SupaExtent &one) { return holds(one, address); });
  return found == end ? nullptr : &*found;
}

// Memory that nobody told of: a device's must be allocated, and in one piece with `origin`; the host's is not known.
int32_t unknown_memory(const SupaSanitizer *own, uint64_t address, int64_t bytes) {
  if (address < kNullPage) return SUPA_OUTSIDE;
  // Nothing is freed while a launch runs: the allocation found last is good until the next launch's numbers.
  static thread_local SupaPlace last{};
  static thread_local uint32_t found_in = 0;
  const uint64_t from = origin != 0 ? origin : address;
  const auto holds = [](const SupaPlace &place, uint64_t at, int64_t count) {
    return place.inside && at >= place.start && count <= place.bytes &&
           at - place.start <= static_cast<uint64_t>(place.bytes - count);
  };
  if (found_in == own->first_number && holds(last, from, 1)) return holds(last, address, bytes) ? -1 : SUPA_OUTSIDE;
  const supa::Unguarded lock_is_safe;
  SupaPlace place;
  supa_locate(from, &place);
  if (place.region == nullptr) return -1;
  if (!holds(place, from, 1)) return SUPA_FREED;
  last = place;
  found_in = own->first_number;
  return holds(place, address, bytes) ? -1 : SUPA_OUTSIDE;
}

// What is wrong with an access of [address, address + bytes), -1: nothing; and the memory it is in, null: nobody told.
__attribute__((noinline)) int32_t find_memory(const SupaSanitizer *own, uint64_t address, int64_t bytes,
                                              const SupaExtent **extent) {
  *extent = taken_at(own, origin != 0 ? origin : address);
  if (*extent != nullptr) return -1;
  const int32_t problem = unknown_memory(own, address, bytes);
  if (problem < 0) *extent = argument_at(own, address);
  return problem;
}

__attribute__((always_inline)) inline int32_t locate(const Access &access, uint64_t address, int64_t bytes,
                                                     const SupaExtent **extent) {
  const int32_t named = access.site.facts.extent;
  if (named >= 0) {
    *extent = &access.own->extents[static_cast<size_t>(named)];
  } else {
    const int32_t problem = find_memory(access.own, address, bytes, extent);
    if (problem >= 0 || *extent == nullptr) return problem;
  }
  return (*extent)->freed ? SUPA_FREED : inside(**extent, address, bytes) ? -1 : SUPA_OUTSIDE;
}

bool good_lane(const Access &access, int lane) {
  const SupaSite &site = access.site.facts;
  const uint64_t address = access.address(lane);
  const SupaExtent *extent;
  if (const int32_t problem = locate(access, address, site.bytes, &extent); problem >= 0) {
    record(access, lane, problem, extent);
    return false;
  }
  if (address & static_cast<uint64_t>(site.bytes - 1)) {
    record(access, lane, SUPA_MISALIGNED, extent);
    return false;
  }
  if (extent == nullptr) return true;
  if (site.kind != SUPA_STORE && unwritten(*extent, address, site.bytes)) record(access, lane, SUPA_UNWRITTEN, extent);
  if (site.kind != SUPA_LOAD && extent->written != nullptr) note_written(*extent, address, site.bytes);
  if (extent->group >= 0 && site.extent < 0) track(access, *extent, lane, address, site.bytes);
  return true;
}

// Scattered lanes: what they reach comes from memory at the same time, not one after the other.
void fetch(const Access &access, const SupaExtent &extent, uint64_t lanes) {
  const supa::Shadow *const shadow =
      extent.group >= 0 ? access.own->shadows[static_cast<size_t>(extent.group)].get() : nullptr;
  const bool has_cells = shadow != nullptr && shadow->writers != nullptr;
  for (uint64_t left = lanes; left != 0; left &= left - 1) {
    const uint64_t address = access.address(__builtin_ctzll(left));
    if (!holds(extent, address)) continue;
    // What a lock finds still on its way to memory it waits for: also the kernel's own stores.
    __builtin_prefetch(reinterpret_cast<const void *>(address), 1);
    if (!has_cells) continue;
    const uint64_t cell = (address - shadow->base) >> shadow->shift;
    __builtin_prefetch(shadow->writers + cell, 1);
    if (shadow->has_readers) __builtin_prefetch(shadow->readers + cell, 1);
  }
}

// Scattered lanes that need no closer look: all in the memory that the site names, aligned, written before they are read.
bool all_sound(const Access &access, const SupaExtent &extent, uint64_t lanes) {
  const SupaSite &site = access.site.facts;
  if (extent.freed || extent.bytes < site.bytes) return false;
  const uint64_t rest = static_cast<uint64_t>(site.bytes - 1), last = static_cast<uint64_t>(extent.bytes - site.bytes);
  bool odd = false;
  for (uint64_t left = lanes; left != 0; left &= left - 1) {
    const uint64_t address = access.address(__builtin_ctzll(left));
    odd |= address - extent.base > last || (address & rest) != 0;
  }
  for (uint64_t left = site.kind != SUPA_STORE && !odd ? lanes : 0; left != 0; left &= left - 1)
    odd |= unwritten(extent, access.address(__builtin_ctzll(left)), site.bytes);
  if (odd) return false;
  for (uint64_t left = site.kind != SUPA_LOAD && extent.written != nullptr ? lanes : 0; left != 0; left &= left - 1)
    note_written(extent, access.address(__builtin_ctzll(left)), site.bytes);
  return true;
}

uint64_t good_lanes(const Access &access, uint64_t lanes) {
  uint64_t good = lanes;
  for (uint64_t left = lanes; left != 0; left &= left - 1) {
    const int lane = __builtin_ctzll(left);
    if (!good_lane(access, lane)) good &= ~(uint64_t{1} << lane);
  }
  return good;
}

// Loads of a site that found nothing wrong: from now on native code looks at alignment and bounds, and whether it read
// the mark, itself.
void open_window(SupaSanitizer *own, const SupaSite &site, int32_t number) {
  if (site.kind != SUPA_LOAD || site.flags != 0) return;
  const SupaExtent &extent = own->extents[static_cast<size_t>(site.extent)];
  supa::Window &window = own->windows[number];
  if (extent.group >= 0 || window.to != 0) return;
  __atomic_store_n(&window.from, extent.base, __ATOMIC_RELAXED);
  __atomic_store_n(&window.to, extent.base + static_cast<uint64_t>(extent.bytes), __ATOMIC_RELEASE);
}

__attribute__((noinline)) uint64_t each_lane(const Access &access, uint64_t lanes) {
  const int32_t named = access.site.facts.extent;
  if (named < 0) return good_lanes(access, lanes);
  const SupaExtent &extent = access.own->extents[static_cast<size_t>(named)];
  fetch(access, extent, lanes);
  const bool sound = all_sound(access, extent, lanes);
  const uint64_t good = sound ? lanes : good_lanes(access, lanes);
  if (sound) open_window(access.own, access.site.facts, access.number);
  if (extent.group >= 0 && access.site.facts.kind == SUPA_LOAD) track_scattered<false>(access, extent, good);
  if (extent.group >= 0 && access.site.facts.kind != SUPA_LOAD) track_scattered<true>(access, extent, good);
  return good;
}

// The memory of [from, from + bytes) if all of it lies there, aligned, and holds nothing but what was written; else null.
__attribute__((always_inline)) inline const SupaExtent *sound(const Access &access, uint64_t from, int64_t bytes) {
  const SupaSite &site = access.site.facts;
  const SupaExtent *extent;
  if (locate(access, from, bytes, &extent) >= 0 || extent == nullptr) return nullptr;
  if (from & static_cast<uint64_t>(site.bytes - 1)) return nullptr;
  const int32_t part = extent->written != nullptr ? site.bytes : 4;
  if (site.kind != SUPA_STORE && may_be_unwritten(from, from + static_cast<uint64_t>(bytes), part)) return nullptr;
  return extent;
}

// Lanes side by side, all inside their memory and aligned; false where someone must look closer.
__attribute__((always_inline)) inline bool together(const Access &access, uint64_t lanes) {
  const SupaSite &site = access.site.facts;
  const int first = __builtin_ctzll(lanes), count = 64 - __builtin_clzll(lanes) - first;
  const uint64_t run = lanes >> first;
  if ((run & (run + 1)) != 0) return false;  // with holes
  const uint64_t from = access.address(first);
  const int64_t bytes = int64_t{count} * site.bytes;
  const SupaExtent *extent = sound(access, from, bytes);
  if (extent == nullptr) return false;
  if (site.kind != SUPA_LOAD && extent->written != nullptr) note_written(*extent, from, bytes);
  if (extent->group >= 0) track(access, *extent, first, from, bytes);
  return true;
}

}  // namespace

namespace supa {

__attribute__((tls_model("initial-exec"))) thread_local Seen last_seen{-1, 0, 0};

void record(SupaSanitizer *own, int32_t site, int32_t problem, int64_t block, int64_t other, uint64_t address,
            int64_t element, int64_t extent) {
  const Unguarded lock_is_safe;
  std::lock_guard<std::mutex> lock(own->mutex);
  const auto [place, fresh] = own->findings.try_emplace({site, problem});
  SupaFinding &finding = place->second;
  const int64_t count = finding.count + 1;
  if (fresh || std::pair(block, element) < std::pair(finding.block, finding.element))
    finding = {site, problem, block, other, address, element, 0, extent};
  finding.count = count;
}

}  // namespace supa

extern "C" {

uint64_t supa_check(void *sanitizer, int32_t number, int64_t block, uint64_t base, const uint64_t *addresses,
                    uint64_t lanes, int32_t element, int32_t step, const int32_t *elements) {
  auto *own = static_cast<SupaSanitizer *>(sanitizer);
  Site &site = own->sites[static_cast<size_t>(number)];
  if (lanes == 0) {
    if (site.facts.flags & SUPA_ACQUIRES && base != 0) {  // an atomic operation was performed
      const supa::Unguarded lock_is_safe;
      own->order.acquire(block, base);
    } else if (!(site.reached & kReached)) {
      __atomic_fetch_or(&site.reached, kReached, __ATOMIC_RELAXED);
    }
    return 0;
  }
  if (site.reached != (kReached | kActive)) __atomic_fetch_or(&site.reached, kReached | kActive, __ATOMIC_RELAXED);
  const Access access{own, site, number, block, base, addresses, element, step, elements};
  if (site.facts.flags & (SUPA_RELEASES | SUPA_VOLATILE) && addresses == nullptr) {
    const supa::Unguarded lock_is_safe;
    if (site.facts.flags & SUPA_RELEASES) own->order.release(block, base);
    if (site.facts.flags & SUPA_VOLATILE) own->order.acquire(block, base);
  }
  if (lanes == 1) supa::last_seen = {number, access.address(0), access.element_of(0)};  // what loops wait for is a scalar
  if (site.facts.kind == SUPA_STORE && !own->stored.load(std::memory_order_relaxed))
    own->stored.store(true, std::memory_order_relaxed);
  if (__builtin_expect(addresses == nullptr && together(access, lanes), 1)) {
    if (site.facts.extent < 0)
      origin = 0;
    else
      open_window(own, site.facts, number);
    return lanes;
  }
  const uint64_t good = each_lane(access, lanes);
  origin = 0;
  return good;
}

int32_t supa_row(void *sanitizer, int32_t number, int64_t block, uint64_t base, int64_t bytes) {
  auto *own = static_cast<SupaSanitizer *>(sanitizer);
  Site &site = own->sites[static_cast<size_t>(number)];
  const Access access{own, site, number, block, base, nullptr, 0, 0, nullptr};
  const SupaExtent *extent = sound(access, base, bytes);
  if (extent == nullptr) return 0;
  const bool loads = site.facts.kind == SUPA_LOAD;
  if (extent->group >= 0 && !(loads ? track_quickly<false>(access, *extent, base, bytes)
                                    : track_quickly<true>(access, *extent, base, bytes)))
    return 0;
  if (!loads && extent->written != nullptr) note_written(*extent, base, bytes);
  if (site.reached != (kReached | kActive)) __atomic_fetch_or(&site.reached, kReached | kActive, __ATOMIC_RELAXED);
  if (!loads && !own->stored.load(std::memory_order_relaxed)) own->stored.store(true, std::memory_order_relaxed);
  if (site.facts.extent >= 0) open_window(own, site.facts, number);
  return 1;
}

void supa_origin(void *, uint64_t address) { origin = address; }

void supa_note(void *sanitizer, int32_t site, int64_t block, uint64_t lanes, int32_t element, int32_t step,
               const int32_t *elements) {
  const int lane = __builtin_ctzll(lanes);
  supa::record(static_cast<SupaSanitizer *>(sanitizer), site, SUPA_WRONG_VALUE, block, -1, 0,
         elements != nullptr ? elements[lane] : int64_t{element} + int64_t{lane} * step);
}

SupaSanitizer *supa_sanitizer_open(const SupaSite *sites, int32_t site_count, const SupaExtent *extents,
                                   int32_t extent_count, int32_t named_count, const SupaGroup *groups,
                                   int32_t group_count, int64_t blocks, int64_t wait_ns) {
  auto *own = new SupaSanitizer(blocks);
  for (int32_t index = 0; index < site_count; ++index) {
    own->sites.push_back({sites[index], 0});
    own->ordered |= (sites[index].flags & (SUPA_ACQUIRES | SUPA_RELEASES)) != 0;
  }
  own->window_list.resize(static_cast<size_t>(site_count));
  own->windows = own->window_list.data();
  own->extents.assign(extents, extents + extent_count);
  own->named = named_count;
  own->wait_ns = wait_ns;
  own->first_number = supa::take_numbers(blocks);
  for (int32_t index = 0; index < group_count; ++index) {
    own->shadows.push_back(supa::take_shadow(groups[index]));
    own->shadows.back()->has_readers = std::any_of(sites, sites + site_count, [&](const SupaSite &site) {
      return site.kind == SUPA_LOAD && (site.extent < 0 || extents[site.extent].group == index);
    });
  }
  return own;
}

void supa_sanitizer_close(SupaSanitizer *sanitizer) {
  for (auto &shadow : sanitizer->shadows) supa::give_shadow(std::move(shadow));
  delete sanitizer;
}

int64_t supa_sanitizer_result(SupaSanitizer *sanitizer, uint8_t *reached) {
  for (size_t index = 0; index < sanitizer->sites.size(); ++index) reached[index] = sanitizer->sites[index].reached;
  return static_cast<int64_t>(sanitizer->findings.size());
}

void supa_sanitizer_finding(SupaSanitizer *sanitizer, int64_t index, SupaFinding *out) {
  auto place = sanitizer->findings.begin();
  std::advance(place, index);
  *out = place->second;
}

void supa_mark_unwritten(uint64_t address, int64_t bytes) {
  auto *at = reinterpret_cast<uint8_t *>(address);
  auto *words = reinterpret_cast<uint64_t *>(at);
  const int64_t whole = (address & 7) == 0 ? bytes / 8 : 0;
  std::fill(words, words + whole, kMark64);
  for (int64_t index = whole * 8; index < bytes; ++index)
    at[index] = mark_byte(address + static_cast<uint64_t>(index));
}

}  // extern "C"
