// A call may fail on several threads at once; one of them describes the failure.
#include "call.h"

#include <chrono>

#include "alone.h"
#include "fibers.h"
#include "guard.h"
#include "pool.h"

namespace supa {
namespace {

int64_t read_device(void *launch, int32_t what) {
  if (what == SUPA_READ_ALONE) {
    static_cast<SupaCall *>(launch)->kernel->asks_alone.store(true, std::memory_order_relaxed);
    return become_alone();
  }
  if (what == SUPA_READ_PROCESSOR) return processor();
  if (what == SUPA_READ_PROCESSORS) return processors();
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

}  // namespace

void begin(SupaCall *call) {
  arm();
  call->launch.stopped = 0;
  call->launch.yield_ = step_aside;
  call->launch.read = read_device;
  call->launch.order = nullptr;
  SupaOutcome *outcome = call->outcome;
  outcome->status = SUPA_OK;
  outcome->report_count = outcome->reports_dropped = 0;
  if (call->launch.report != nullptr) outcome->reports->list.clear();
}

bool fail(SupaCall *call, int32_t status) {
  int32_t expected = SUPA_OK;
  const bool first = __atomic_compare_exchange_n(&call->outcome->status, &expected, status, false, __ATOMIC_ACQ_REL,
                                                 __ATOMIC_ACQUIRE);
  __atomic_store_n(&call->launch.stopped, 1, __ATOMIC_RELAXED);
  return first;
}

}  // namespace supa

#ifndef SUPA_CORE_SOURCES
#define SUPA_CORE_SOURCES 0
#endif

extern "C" uint64_t supa_core_sources(void) { return SUPA_CORE_SOURCES; }
