// What launches and work streams share: the kernel and the life of one call.
#pragma once

#include <atomic>
#include <cstdint>

#include "reports.h"
#include "supa_core.h"

struct SupaKernel {
  SupaEntry entry;
  SupaWork work;
  SupaOrder order;  // null: blocks begin in the order of their numbers
  int64_t scratch_bytes;
  bool waits;
  std::atomic<double> block_ns{0};     // of one thread, from the latest launch; 0: not known
  std::atomic<bool> asks_alone{false};  // whether its blocks ever asked to be alone
};

struct SupaReports {
  supa::Reports list;
};

namespace supa {

inline int64_t total_blocks(const SupaCall *call) {
  return static_cast<int64_t>(call->launch.grid[0]) * call->launch.grid[1] * call->launch.grid[2];
}

inline bool stopped(const SupaCall *call) { return __atomic_load_n(&call->launch.stopped, __ATOMIC_RELAXED) != 0; }

// Makes the outcome fresh.
void begin(SupaCall *call);

// Stops the call with a status; false where it had failed before: the first failure counts.
bool fail(SupaCall *call, int32_t status);

}  // namespace supa
