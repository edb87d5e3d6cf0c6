// Each host thread owns the blocks that it began and resumes them in turn. It begins more only when a whole turn
// completed none: then as many as wait already, so that a grid that waits for its last block gets there in few turns.
// A launch that was stopped forgets its waiting blocks: kernel code owns nothing.
#include "fibers.h"

#include <sched.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <vector>

#include "guard.h"
#include "pool.h"

namespace supa {
namespace {

constexpr size_t kStackBytes = 256 << 10, kGuardBytes = 4 << 10;
constexpr int64_t kAlignment = 64;
constexpr int32_t kSpins = 16;                   // waits of a block before another one gets its thread
constexpr int64_t kMostBlocks = 4096;            // that one thread keeps begun
constexpr int64_t kMostScratch = int64_t{4} << 30;  // bytes that these may hold

struct Fiber {
  ucontext_t context;
  uint8_t *stack = nullptr;
  uint8_t *scratch = nullptr;
  int64_t block = 0;
  bool done = true;
};

struct Grid {
  SupaCall *call;
  int64_t total;
  std::atomic<int64_t> next{0};
};

struct Worker {
  Grid *grid;
  ucontext_t context;
  std::vector<Fiber *> all, waiting, idle;  // all: to release them after a fault in the middle of a turn
  Fiber *current = nullptr;
  int32_t spins = 0;
  bool out_of_memory = false;
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
  while (!stopped(own.grid->call)) {
    size_t fresh = std::max<size_t>(1, own.waiting.size());
    if (!own.waiting.empty() && turn(own)) continue;
    bool began = false;
    while (fresh-- > 0 && begin_block(own)) began = true;
    if (own.waiting.empty()) return;
    if (!began) sched_yield();
  }
}

void run_worker(void *context, int64_t, int64_t) {
  Worker own;
  own.grid = static_cast<Grid *>(context);
  Worker *const outer = worker;  // a launch from within a report
  worker = &own;
  const Fault fault = guarded(work, &own);
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
  swapcontext(&own->current->context, &own->context);
}

void run_resident(SupaCall *call, int64_t total) {
  Grid grid{call, total};
  Job job{};
  job.run = run_worker;
  job.context = &grid;
  job.end = std::min<int64_t>(thread_limit(), total);
  run_shared(job);
}

}  // namespace supa
