// Host threads that share ranges of blocks. The caller always takes part. Not here: what a block is.
#pragma once

#include <atomic>
#include <cstdint>

namespace supa {

constexpr int32_t kMostParts = 64;

// A thread's own part of a job: what nobody has claimed yet, first << 32 | end in units of the job. Its thread claims from
// the front; others, once theirs are done, from the back.
struct alignas(64) Part {
  std::atomic<uint64_t> open;
};

// Work of [begin, end) in pieces. Lives on the caller's stack while `run_shared` runs.
struct Job {
  void (*run)(void *context, int64_t first, int64_t last);
  void *context;
  int64_t begin = 0;
  int64_t end;
  int64_t grain = 1;                             // smallest piece
  double work_ns = 0;                            // what it would take one thread; 0: unknown
  const int32_t *stop = nullptr;                 // pieces not yet begun are skipped once this is not zero
  std::atomic<int32_t> helpers{0};               // pool threads inside
  int32_t share = 1;                             // threads that may work on it, the caller included
  int32_t part_count = 1;
  int64_t unit = 1;                              // of the parts, so that their positions fit 32 bits
  Part *parts = nullptr;
  Job *link = nullptr;

  bool stopped() const { return stop != nullptr && __atomic_load_n(stop, __ATOMIC_RELAXED) != 0; }
  bool exhausted() const {
    for (int32_t i = 0; i < part_count; ++i) {
      const uint64_t open = parts[i].open.load(std::memory_order_relaxed);
      if (open >> 32 < (open & 0xffffffffu)) return stopped();
    }
    return true;
  }
};

int32_t thread_limit();
void set_thread_limit(int32_t threads);

// Which of `processors()` host threads this one is: 0 for one that launches, the pool's from 1 on.
int32_t processor();
int32_t processors();

// Runs the job on the caller and on pool threads that are free; returns when every piece has finished. Gives how much of
// it the caller did itself.
int64_t run_shared(Job &job);

}  // namespace supa
