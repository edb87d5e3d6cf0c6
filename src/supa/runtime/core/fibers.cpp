// Each host thread owns the blocks that it began and resumes them in turn. It begins more only when a whole turn
// completed none: then as many as wait already, so that a grid that waits for its last block gets there in few turns.
// A launch that was stopped forgets its waiting blocks: kernel code owns nothing. Under the sanitizer a launch is stopped
// once every block that has begun does nothing but wait.
#include "fibers.h"

#include <sched.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "guard.h"
#include "pool.h"
#include "sanitizer.h"

namespace supa {
namespace {

constexpr size_t kStackBytes = 256 << 10, kGuardBytes = 4 << 10;
constexpr int64_t kAlignment = 64;
constexpr int32_t kSpins = 16;                   // waits of a block before another one gets its thread
constexpr int64_t kMostBlocks = 4096;            // that one thread keeps begun
constexpr int64_t kMostScratch = int64_t{4} << 30;  // bytes that these may hold
constexpr int64_t kLateNs = 1000000000;          // a thread that has ended no turn for so long is at work

struct Fiber {
  ucontext_t context;
  uint8_t *stack = nullptr;
  uint8_t *scratch = nullptr;
  int64_t block = 0;
  bool done = true;
  Seen seen{-1, 0, 0};  // what it waits for, under the sanitizer
};

struct Worker;

struct Grid {
  SupaCall *call;
  int64_t total;
  std::atomic<int64_t> next{0};
  // Under the sanitizer:
  std::atomic<int64_t> progress_ns{0};  // when something was last done
  std::atomic<bool> all_wait{false};
  std::mutex mutex;
  std::vector<Worker *> workers;
};

struct Worker {
  Grid *grid;
  ucontext_t context;
  std::vector<Fiber *> all, waiting, idle;  // all: to release them after a fault in the middle of a turn
  Fiber *current = nullptr;
  int32_t spins = 0;
  bool out_of_memory = false;
  std::atomic<int64_t> turned_ns{0};  // the end of the last turn in which all its blocks waited; 0: some did not
};

thread_local Worker *worker = nullptr;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Runs one block after another: whoever resumes a fiber that is done has set its next block.
void fiber_main() {
  for (;;) {
    Fiber *self = worker->current;
    SupaCall *call = worker->grid->call;
    call->kernel->entry(call->args, &call->launch, self->block, self->block + 1, self->scratch);
    self->done = true;
    swapcontext(&self->context, &worker->context);
  }
}

uint8_t *allocate(int64_t bytes) {
  const int64_t size = (std::max<int64_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  return static_cast<uint8_t *>(std::aligned_alloc(kAlignment, static_cast<size_t>(size)));
}

void release(Fiber *fiber) {
  if (fiber->stack != nullptr) munmap(fiber->stack, kStackBytes);
  std::free(fiber->scratch);
  delete fiber;
}

Fiber *make_fiber(int64_t scratch_bytes) {
  auto *fiber = new Fiber;
  void *stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  fiber->stack = stack == MAP_FAILED ? nullptr : static_cast<uint8_t *>(stack);
  fiber->scratch = allocate(scratch_bytes);
  if (fiber->stack == nullptr || fiber->scratch == nullptr) {
    release(fiber);
    return nullptr;
  }
  mprotect(fiber->stack, kGuardBytes, PROT_NONE);  // an overflow faults
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = fiber->stack;
  fiber->context.uc_stack.ss_size = kStackBytes;
  fiber->context.uc_link = nullptr;
  makecontext(&fiber->context, fiber_main, 0);
  return fiber;
}

int64_t most_blocks(int64_t scratch_bytes) {
  return std::clamp<int64_t>(kMostScratch / std::max<int64_t>(scratch_bytes, 1), 64, kMostBlocks);
}

// Begins the next block of the grid, if there is one and memory for it.
bool begin_block(Worker &own) {
  const int64_t scratch_bytes = own.grid->call->kernel->scratch_bytes;
  if (static_cast<int64_t>(own.waiting.size()) >= most_blocks(scratch_bytes)) return false;
  if (own.grid->next.load(std::memory_order_relaxed) >= own.grid->total) return false;
  if (own.idle.empty()) {
    Fiber *fiber = make_fiber(scratch_bytes);
    if (fiber == nullptr) {
      own.out_of_memory = own.waiting.empty();
      return false;
    }
    own.all.push_back(fiber);
    own.idle.push_back(fiber);
  }
  const int64_t block = own.grid->next.fetch_add(1, std::memory_order_relaxed);
  if (block >= own.grid->total) return false;
  Fiber *fiber = own.idle.back();
  own.idle.pop_back();
  fiber->block = block;
  fiber->done = false;
  own.waiting.push_back(fiber);
  return true;
}

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// After a turn under the sanitizer: stops the launch where all blocks of all threads have waited for too long.
void judge(Worker &own, SupaSanitizer *sanitizer, bool progress) {
  Grid &grid = *own.grid;
  const int64_t now = now_ns();
  own.turned_ns.store(progress ? 0 : now, std::memory_order_relaxed);
  if (progress || sanitizer->stored.exchange(false, std::memory_order_relaxed)) {
    grid.progress_ns.store(now, std::memory_order_relaxed);
    return;
  }
  if (now - grid.progress_ns.load(std::memory_order_relaxed) < sanitizer->wait_ns) return;
  std::lock_guard<std::mutex> lock(grid.mutex);
  for (const Worker *each : grid.workers)
    if (now - each->turned_ns.load(std::memory_order_relaxed) > kLateNs) return;
  grid.all_wait.store(true, std::memory_order_relaxed);
  fail(grid.call, SUPA_STOPPED);
}

void record_waiting(const Worker &own, SupaSanitizer *sanitizer) {
  for (const Fiber *fiber : own.waiting)
    if (fiber->seen.site >= 0)
      record(sanitizer, fiber->seen.site, SUPA_WAITS, fiber->block, -1, fiber->seen.address, fiber->seen.element);
}

// Gives every block that began a turn; whether one completed.
bool turn(Worker &own) {
  bool completed = false;
  size_t kept = 0;
  for (size_t index = 0; index < own.waiting.size(); ++index) {
    Fiber *fiber = own.waiting[index];
    if (!stopped(own.grid->call)) {
      own.current = fiber;
      own.spins = 0;
      swapcontext(&own.context, &fiber->context);
      own.current = nullptr;
    }
    if (fiber->done)
      own.idle.push_back(fiber);
    else
      own.waiting[kept++] = fiber;
    completed |= fiber->done;
  }
  own.waiting.resize(kept);
  return completed;
}

void work(void *context) {
  auto &own = *static_cast<Worker *>(context);
  SupaSanitizer *const sanitizer = own.grid->call->launch.sanitizer;
  while (!stopped(own.grid->call)) {
    size_t fresh = std::max<size_t>(1, own.waiting.size());
    const bool completed = !own.waiting.empty() && turn(own);
    bool began = false;
    while (!completed && fresh-- > 0 && begin_block(own)) began = true;
    if (own.waiting.empty() && !completed) break;
    if (sanitizer != nullptr) judge(own, sanitizer, completed || began);
    if (!completed && !began) sched_yield();
  }
  if (own.grid->all_wait) record_waiting(own, sanitizer);
}

void run_worker(void *context, int64_t, int64_t) {
  Worker own;
  own.grid = static_cast<Grid *>(context);
  Worker *const outer = worker;  // a launch from within a report
  worker = &own;
  {
    std::lock_guard<std::mutex> lock(own.grid->mutex);
    own.grid->workers.push_back(&own);
  }
  const Fault fault = guarded(work, &own);
  {
    std::lock_guard<std::mutex> lock(own.grid->mutex);
    auto &all = own.grid->workers;
    all.erase(std::find(all.begin(), all.end(), &own));
  }
  worker = outer;
  SupaCall *call = own.grid->call;
  if (fault.signal != 0 && fail(call, SUPA_FAULT)) {
    call->outcome->signal = fault.signal;
    call->outcome->fault_address = fault.address;
    call->outcome->fault_first = own.current->block;
    call->outcome->fault_last = own.current->block + 1;
  }
  if (own.out_of_memory) fail(call, SUPA_NO_HOST_MEMORY);
  for (Fiber *fiber : own.all) release(fiber);
}

}  // namespace

void step_aside(void *) {
  Worker *own = worker;
  if (own == nullptr || own->current == nullptr) return;
  if (++own->spins < kSpins && !stopped(own->grid->call)) return relax();
  own->current->seen = last_seen;
  swapcontext(&own->current->context, &own->context);
}

void run_resident(SupaCall *call, int64_t total) {
  Grid grid;
  grid.call = call;
  grid.total = total;
  grid.progress_ns = now_ns();
  Job job{};
  job.run = run_worker;
  job.context = &grid;
  job.end = std::min<int64_t>(thread_limit(), total);
  run_shared(job);
}

}  // namespace supa
