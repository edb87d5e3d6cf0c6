// Runs the blocks of a launch. Small launches stay on the caller; how small is learnt from the kernel's earlier blocks
// and corrected within the launch. Not here: threads (pool), faults (guard).
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "alone.h"
#include "call.h"
#include "fibers.h"
#include "guard.h"
#include "interrupt.h"
#include "order.h"
#include "pool.h"
#include "reports.h"
#include "sanitizer.h"
#include "scratch.h"
#include "supa_core.h"

namespace {

constexpr double kSharedNs = 15e3;  // from this much work on, waking other threads pays
constexpr double kProbeNs = 2e3;    // work after which the estimate is checked
constexpr int64_t kProbeShare = 8;  // and at most this part of the blocks
constexpr double kGrainNs = 1e3;    // smallest piece of work a thread claims
constexpr double kAloneNs = 50e3;   // a launch that is alone gives way after about this long
constexpr double kLongNs = 5e6;     // a launch that takes longer makes sure that it can be interrupted

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// AMX tiles must be asked for before code uses them. Where there are none the system refuses, and nobody uses them.
void ask_for_tiles() {
#if defined(__x86_64__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  syscall(SYS_arch_prctl, kRequestPermission, kTileData);
#endif
}

struct Range {
  SupaCall *call;
  int64_t first, last;  // places in the launch's order
  uint8_t *scratch;
};

int64_t block_at(const SupaCall *call, int64_t place) {
  return call->launch.order != nullptr ? call->launch.order[place] : place;
}

void ignore(void *, int32_t, int32_t, int64_t, int64_t, const int64_t *) {}

void enter(void *context) {
  const auto *range = static_cast<Range *>(context);
  range->call->kernel->entry(range->call->args, &range->call->launch, range->first, range->last, range->scratch);
}

// Runs a range block by block, unseen, to name the block that faults. The launch has failed already, and what it wrote
// is lost either way.
bool replay(Range range, supa::Fault *fault, int64_t *block) {
  const int32_t *grid = range.call->launch.grid;
  struct Alone {
    Range range;
    SupaLaunch launch;
  } alone{range,
          {{grid[0], grid[1], grid[2]}, 0, ignore, nullptr, range.call->launch.sanitizer, range.call->launch.read, nullptr}};
  const auto body = [](void *context) {
    auto *one = static_cast<Alone *>(context);
    const Range &at = one->range;
    at.call->kernel->entry(at.call->args, &one->launch, at.first, at.last, at.scratch);
  };
  for (int64_t place = range.first; place < range.last; ++place) {
    *block = block_at(range.call, place);
    alone.range.first = *block;
    alone.range.last = *block + 1;
    *fault = supa::guarded(body, &alone);
    if (fault->signal != 0) return true;
  }
  return false;
}

void record_fault(const Range &range, supa::Fault fault) {
  if (!supa::fail(range.call, SUPA_FAULT)) return;
  SupaOutcome *outcome = range.call->outcome;
  outcome->fault_first = outcome->fault_last = block_at(range.call, range.first);
  for (int64_t place = range.first; place < range.last; ++place) {
    outcome->fault_first = std::min(outcome->fault_first, block_at(range.call, place));
    outcome->fault_last = std::max(outcome->fault_last, block_at(range.call, place) + 1);
  }
  supa::Fault again;
  int64_t block;
  if (range.last - range.first > 1 && replay(range, &again, &block)) {
    fault = again;
    outcome->fault_first = block;
    outcome->fault_last = block + 1;
  }
  outcome->signal = fault.signal;
  outcome->fault_address = fault.address;
}

void run_range(void *context, int64_t first, int64_t last) {
  auto *call = static_cast<SupaCall *>(context);
  const supa::Scratch scratch(call->kernel->scratch_bytes);
  if (scratch.data == nullptr) {
    supa::fail(call, SUPA_NO_HOST_MEMORY);
    return;
  }
  Range range{call, first, last, scratch.data};
  const supa::Fault fault = supa::guarded(enter, &range);
  if (fault.signal != 0) record_fault(range, fault);
}

// Runs a range on this thread alone.
void run_single(SupaCall *call, int64_t first, int64_t last) {
  const supa::CheckedSingly checked(call->launch.sanitizer);
  const double block_ns = call->kernel->block_ns.load(std::memory_order_relaxed);
  const bool in_pieces = call->kernel->asks_alone.load(std::memory_order_relaxed);
  const int64_t most = std::max<int64_t>(1, block_ns > 0 ? static_cast<int64_t>(kAloneNs / block_ns) : 1);
  const int64_t piece = in_pieces ? most : last - first;
  for (; first < last && !supa::stopped(call); first += piece) {
    const supa::Single single;
    run_range(call, first, std::min(last, first + piece));
  }
}

// Gives how many of the blocks the caller ran itself.
int64_t run_shared(SupaCall *call, int64_t first, int64_t last, double block_ns) {
  supa::Job job{};
  job.run = run_range;
  job.context = call;
  job.begin = first;
  job.end = last;
  job.grain = block_ns > 0 ? std::max<int64_t>(1, static_cast<int64_t>(kGrainNs / block_ns)) : 1;
  job.work_ns = block_ns * static_cast<double>(last - first);
  job.stop = &call->launch.stopped;
  return supa::run_shared(job);
}

// Returns the nanoseconds that one block took one thread.
double run_blocks(SupaCall *call, int64_t total, int64_t start_ns) {
  const int32_t threads = supa::thread_limit();
  double block_ns = call->kernel->block_ns.load(std::memory_order_relaxed);
  int64_t done = 0;
  if (call->kernel->waits && (total > 1 || call->launch.sanitizer != nullptr)) {
    supa::run_resident(call, total);
    return 0;
  }
  if (threads > 1 && total > 1) {
    if (block_ns == 0 || block_ns * static_cast<double>(total) <= kSharedNs) {
      // Never all of them: the same grid may hold far more work than last time (a persistent kernel's always does).
      const int64_t most = std::max<int64_t>(1, total / kProbeShare);
      done = block_ns == 0 ? 1 : std::clamp<int64_t>(static_cast<int64_t>(kProbeNs / block_ns), 1, most);
      run_range(call, 0, done);
      block_ns = std::max(1.0, static_cast<double>(now_ns() - start_ns)) / static_cast<double>(done);
    }
    const int64_t left = total - done;
    if (block_ns * static_cast<double>(left) > kSharedNs && !supa::stopped(call)) {
      const int64_t shared_ns = now_ns();
      const int64_t own = run_shared(call, done, total, block_ns);
      return static_cast<double>(now_ns() - shared_ns) / static_cast<double>(std::max<int64_t>(1, own));
    }
  }
  if (done < total && !supa::stopped(call)) run_single(call, done, total);
  return 0;
}

void count(SupaTally *tally, int64_t elapsed_ns) {
  if (tally == nullptr) return;
  __atomic_fetch_add(&tally->launches, 1, __ATOMIC_RELAXED);
  __atomic_fetch_add(&tally->host_ns, elapsed_ns, __ATOMIC_RELAXED);
}

int64_t finish(SupaCall *call, int64_t elapsed_ns) {
  SupaOutcome *outcome = call->outcome;
  if (call->launch.report != nullptr) {
    outcome->reports->list.order();
    outcome->report_count = outcome->reports->list.count();
    outcome->reports_dropped = outcome->reports->list.dropped();
  }
  if (outcome->status != SUPA_OK) return outcome->status;
  if (supa::stopped(call)) return outcome->status = SUPA_STOPPED;
  for (SupaTally *tally : call->tallies) count(tally, elapsed_ns);
  return elapsed_ns;
}

}  // namespace

extern "C" {

SupaKernel *supa_kernel_open(SupaEntry entry, SupaWork work, SupaOrder order, int64_t scratch_bytes, int32_t waits) {
  static const bool asked = (ask_for_tiles(), true);
  (void)asked;
  auto *kernel = new SupaKernel;
  kernel->entry = entry;
  kernel->work = work;
  kernel->order = order;
  kernel->scratch_bytes = scratch_bytes;
  kernel->waits = waits != 0;
  return kernel;
}

void supa_kernel_close(SupaKernel *kernel) { delete kernel; }

SupaOutcome *supa_outcome_open(void) {
  auto *outcome = new SupaOutcome{};
  outcome->reports = new SupaReports;
  return outcome;
}

void supa_outcome_close(SupaOutcome *outcome) {
  delete outcome->reports;
  delete outcome;
}

int64_t supa_launch(SupaCall *call) {
  const int64_t total = supa::total_blocks(call);
  const supa::Underway underway;
  supa::begin(call);
  const double expected_ns = call->kernel->block_ns.load(std::memory_order_relaxed) * static_cast<double>(total);
  const bool is_long = expected_ns == 0 || expected_ns > kLongNs || call->kernel->waits;
  const supa::Interruptible watched(call, is_long);
  const int64_t start = now_ns();
  call->launch.order = supa::order_of(call, total);
  double block_ns = total > 0 ? run_blocks(call, total, start) : 0;
  const int64_t elapsed = now_ns() - start;
  if (total > 0 && block_ns == 0) block_ns = static_cast<double>(elapsed) / static_cast<double>(total);
  if (total > 0) call->kernel->block_ns.store(std::max(block_ns, 0.01), std::memory_order_relaxed);
  return finish(call, elapsed);
}

void supa_record(void *launch, int32_t kind, int32_t message, int64_t block, int64_t count, const int64_t *values) {
  constexpr int32_t kAssert = 0;
  const supa::Unguarded lock_is_safe;
  auto *call = static_cast<SupaCall *>(launch);  // a call begins with its launch
  call->outcome->reports->list.add(kind, message, block, count, values);
  if (kind == kAssert) __atomic_store_n(&call->launch.stopped, 1, __ATOMIC_RELAXED);
}

void supa_report(const SupaOutcome *outcome, int64_t index, SupaReport *out) {
  outcome->reports->list.get(index, out);
}

int32_t supa_threads(void) { return supa::thread_limit(); }

void supa_set_threads(int32_t threads) { supa::set_thread_limit(threads); }

}  // extern "C"
