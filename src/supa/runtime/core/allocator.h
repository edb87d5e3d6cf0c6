// A best-fit allocator over one range of addresses, with caching of touched pages and scrubbing between owners.
// Not here: who maps the range.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "supa_core.h"

namespace supa {

class Region {
 public:
  Region(uint64_t base, uint64_t bytes);

  int allocate(uint64_t bytes, uint32_t owner, uint64_t *address);
  int release(uint64_t address);
  void release_cached();
  void statistics(SupaMemory *out);
  void reset_peak();
  bool locate(uint64_t address, uint64_t beyond, SupaPlace *out);  // false: not in it nor `beyond` bytes behind
  bool idle();                                    // no live allocation
  void scrub_all();                               // every page is given back

  uint64_t base() const { return base_; }
  std::mutex &mutex() { return mutex_; }

 private:
  struct Block {
    uint64_t bytes;
    uint64_t requested;  // 0: free
    uint32_t owner;
  };
  struct Dirt {
    uint64_t end;
    uint32_t owner;
  };
  using Blocks = std::map<uint64_t, Block>;

  void take(Blocks::iterator block, uint64_t bytes);
  void insert_free(uint64_t start, uint64_t bytes);
  void mark_dirty(uint64_t start, uint64_t end, uint32_t owner);
  void clean_for(uint64_t start, uint64_t end, uint32_t owner);
  void trim(uint64_t limit);

  const uint64_t base_, bytes_;
  std::mutex mutex_;
  Blocks blocks_;                                   // every block, free and live, by address; they tile the region
  std::set<std::pair<uint64_t, uint64_t>> free_;    // (bytes, address) of the free blocks
  std::map<uint64_t, Dirt> dirt_;                   // free bytes that hold someone's data, disjoint
  uint64_t allocated_ = 0, cached_ = 0, peak_ = 0, peak_ever_ = 0;
  int64_t live_ = 0, total_ = 0;
};

}  // namespace supa
