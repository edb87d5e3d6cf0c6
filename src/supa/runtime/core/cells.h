// Enters blocks in the cells of a shadow, under the locks of its stripes, and tells who was there before. Not here:
// whether that is a race (sanitizer).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>

#include "shadow.h"

#if defined(__clang__)
#define SUPA_VECTORISED
#else
#define SUPA_VECTORISED __attribute__((optimize("O3")))  // GCC's level 2 may leave loops as they are
#endif

namespace supa {

constexpr int kStripeShift = 10;  // cells under one lock

inline void take(std::atomic_flag &flag) {
  for (int tries = 0; flag.test_and_set(std::memory_order_acquire); ++tries)
    if (tries % 64 == 63) std::this_thread::yield();  // its owner may have lost the core
}

// The lock of a cell's stripe; of a launch that one thread runs, none.
class Locked {
 public:
  Locked(Shadow &shadow, int64_t cell) : flag_(shadow.single ? nullptr : &shadow.locks[(cell >> kStripeShift) & 63]) {
    if (flag_ != nullptr) take(*flag_);
  }
  ~Locked() {
    if (flag_ != nullptr) flag_->clear(std::memory_order_release);
  }

 private:
  std::atomic_flag *const flag_;
};

// The locks of some stripes, a bit for each, taken in their order.
class LockedStripes {
 public:
  LockedStripes(Shadow &shadow, uint64_t stripes) : shadow_(shadow), stripes_(shadow.single ? 0 : stripes) {
    for (uint64_t left = stripes_; left != 0; left &= left - 1) take(shadow.locks[__builtin_ctzll(left)]);
  }
  ~LockedStripes() {
    for (uint64_t left = stripes_; left != 0; left &= left - 1)
      shadow_.locks[__builtin_ctzll(left)].clear(std::memory_order_release);
  }

 private:
  Shadow &shadow_;
  const uint64_t stripes_;
};

struct Conflict {
  int32_t problem = -1;
  int64_t other = -1;
};

// Cells [from, to), under their lock; false where some cell needs a closer look, and then nothing was changed.
// Fine are entries from before this launch, and this block's own; numbers are below 2^31 and stand above a flag.
template <bool kWrites>
inline __attribute__((always_inline)) bool touch_each(Shadow &shadow, int64_t from, int64_t to, uint32_t before,
                                                      uint32_t me, uint32_t atomic) {
  const bool has_readers = shadow.has_readers;
  const uint32_t *const writers = shadow.writers, *const readers = shadow.readers;
  uint32_t strange = 0;
  for (int64_t at = from; at < to; ++at) {
    const uint32_t wrote = writers[at] >> 1;
    strange |= static_cast<uint32_t>(wrote >= before) & static_cast<uint32_t>(wrote != me);
  }
  for (int64_t at = from; has_readers && at < to; ++at)
    strange |= static_cast<uint32_t>(readers[at] >> 1 >= before) & static_cast<uint32_t>(readers[at] != me << 1);
  if (strange != 0) return false;
  std::fill((kWrites ? shadow.writers : shadow.readers) + from, (kWrites ? shadow.writers : shadow.readers) + to,
            me << 1 | (kWrites ? atomic : 0));
  return true;
}

#if defined(__x86_64__)
template <bool kWrites>
SUPA_VECTORISED __attribute__((target("avx2"))) bool touch_wide(Shadow &shadow, int64_t from, int64_t to,
                                                                uint32_t before, uint32_t me, uint32_t atomic) {
  return touch_each<kWrites>(shadow, from, to, before, me, atomic);
}
inline const bool has_wide = __builtin_cpu_supports("avx2");
#endif

template <bool kWrites>
SUPA_VECTORISED bool touch_quickly(Shadow &shadow, int64_t from, int64_t to, uint32_t before, uint32_t me,
                                   uint32_t atomic) {
#if defined(__x86_64__)
  if (has_wide) return touch_wide<kWrites>(shadow, from, to, before, me, atomic);
#endif
  return touch_each<kWrites>(shadow, from, to, before, me, atomic);
}

// One cell, under its lock.
template <bool kWrites>
inline Conflict touch(Shadow &shadow, int64_t cell, uint32_t first, uint32_t me, uint32_t atomic) {
  Conflict found;
  uint32_t none = 0, &writer = shadow.writers[cell], &reader = shadow.has_readers ? shadow.readers[cell] : none;
  const uint32_t wrote = writer >> 1, read = reader >> 1;
  if (wrote >= first && wrote != me && !(atomic & writer & 1))
    found = {kWrites ? SUPA_WRITE_WRITE : SUPA_READ_AFTER_WRITE, static_cast<int64_t>(wrote - first)};
  if (kWrites) {
    if (found.problem < 0 && read >= first) {
      if (read != me) found = {SUPA_WRITE_AFTER_READ, static_cast<int64_t>(read - first)};
      else if (reader & 1) found = {SUPA_WRITE_AFTER_READ, -1};
    }
    writer = me << 1 | atomic;
  } else if (!atomic) {
    if (read < first) reader = me << 1;
    else if (read != me) reader |= 1;
  }
  return found;
}

}  // namespace supa
