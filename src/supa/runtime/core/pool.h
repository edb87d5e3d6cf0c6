// Host threads that share ranges of blocks. The caller always takes part. Not here: what a block is.
#pragma once

#include <atomic>
#include <cstdint>

namespace supa {

// Work of [0, end) in pieces. Lives on the caller's stack while `run_shared` runs.
struct Job {
  void (*run)(void *context, int64_t first, int64_t last);
  void *context;
  int64_t end;
  int64_t grain = 1;                             // smallest piece
  const int32_t *stop = nullptr;                 // pieces not yet begun are skipped once this is not zero
  std::atomic<int64_t> next{0};
  std::atomic<int32_t> helpers{0};               // pool threads inside
  int32_t share = 1;                             // threads that may work on it, the caller included
  Job *link = nullptr;

  bool stopped() const { return stop != nullptr && __atomic_load_n(stop, __ATOMIC_RELAXED) != 0; }
  bool exhausted() const { return next.load(std::memory_order_relaxed) >= end || stopped(); }
};

int32_t thread_limit();
void set_thread_limit(int32_t threads);

// Which of `processors()` host threads this one is: 0 for one that launches, the pool's from 1 on.
int32_t processor();
int32_t processors();

// Runs the job on the caller and on pool threads that are free; returns when every piece has finished.
void run_shared(Job &job);

}  // namespace supa
