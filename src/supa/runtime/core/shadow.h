// Who wrote and read each cell of some memory last, and what atomics ordered. Not here: what is wrong with it (sanitizer).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "supa_core.h"

namespace supa {

// Cells of one group of memory. An entry of an earlier launch is smaller than the present one's first number: nothing
// is ever cleared.
class Shadow {
 public:
  Shadow(uint64_t base, int64_t bytes, int64_t cell_bytes);
  ~Shadow();
  Shadow(const Shadow &) = delete;
  Shadow &operator=(const Shadow &) = delete;

  bool fits(const SupaGroup &group) const {
    return base == group.base && bytes == group.bytes && (int64_t{1} << shift) == group.cell_bytes;
  }

  const uint64_t base;
  const int64_t bytes;
  int shift;
  uint32_t *writers = nullptr;  // number << 1 | it was atomic
  uint32_t *readers = nullptr;  // number << 1 | there were others
  bool has_readers = true;      // in the launch that uses it
  bool single = false;          // one thread runs that launch's blocks now
  int64_t mapped_bytes;
  std::atomic_flag locks[64];
};

// Memory for `group` and `blocks` numbers, the first of which is `first`; kept for the next launch by `give_shadow`.
std::unique_ptr<Shadow> take_shadow(const SupaGroup &group);
void give_shadow(std::unique_ptr<Shadow> shadow);
uint32_t take_numbers(int64_t blocks);

// What each block has seen of others by acquiring what they released. Exact up to a number of blocks; with more, blocks
// that took part at all count as ordered: a race may be missed, none is made up.
class Order {
 public:
  explicit Order(int64_t blocks) : blocks_(blocks), exact_(blocks <= kMostExact) {}
  void release(int64_t block, uint64_t address);
  void acquire(int64_t block, uint64_t address);
  bool before(int64_t earlier, int64_t later);  // `earlier` -1: any other block

 private:
  static constexpr int64_t kMostExact = 16384;
  using Blocks = std::vector<uint64_t>;
  Blocks &seen_by(int64_t block);

  const int64_t blocks_;
  const bool exact_;
  std::mutex mutex_;
  std::unordered_map<uint64_t, Blocks> released_;
  std::unordered_map<int64_t, Blocks> seen_;
  std::unordered_map<int64_t, int> part_;  // 1: released, 2: acquired
};

}  // namespace supa
