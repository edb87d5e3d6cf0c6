// Jobs hang in a list under one mutex, which is held for a few instructions. Idle threads spin shortly, then sleep on a
// condition variable. After fork the child starts from an empty pool: the parent's threads do not exist there.
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <thread>

namespace supa {
namespace {

constexpr auto kIdleSpin = std::chrono::microseconds(20);
constexpr auto kFinishSpin = std::chrono::microseconds(50);
constexpr int64_t kPiecesPerThread = 4;  // a claim takes this part of a thread's share of what is left
constexpr int32_t kMaxThreads = 4096;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

template <typename Condition>
bool spin_until(Condition reached, std::chrono::nanoseconds most) {
  const auto deadline = std::chrono::steady_clock::now() + most;
  do {
    for (int i = 0; i < 32; ++i) {
      if (reached()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return reached();
}

// Processors' worth of time that a container grants, rounded up; 0: no limit.
int32_t granted_cores() {
  long long quota = 0, period = 0;
  std::FILE *file = std::fopen("/sys/fs/cgroup/cpu.max", "r");
  if (file == nullptr) return 0;
  const int count = std::fscanf(file, "%lld %lld", &quota, &period);  // "max 100000": no number
  std::fclose(file);
  return count == 2 && quota > 0 && period > 0 ? static_cast<int32_t>((quota + period - 1) / period) : 0;
}

int32_t host_cores() {
  cpu_set_t set;
  int32_t cores = static_cast<int32_t>(std::max(1u, std::thread::hardware_concurrency()));
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = std::max(1, CPU_COUNT(&set));
  const int32_t granted = granted_cores();
  return granted > 0 ? std::min(cores, granted) : cores;
}

// What other libraries of the process may use: whoever starts many processes limits each of them by it.
int32_t common_threads() {
  const char *text = std::getenv("OMP_NUM_THREADS");
  const long value = text == nullptr ? 0 : std::strtol(text, nullptr, 10);
  return value >= 1 ? static_cast<int32_t>(std::min<long>(value, host_cores())) : host_cores();
}

int32_t configured_threads() {
  const char *text = std::getenv("SUPA_NUM_THREADS");
  if (text == nullptr || *text == '\0') return common_threads();
  char *end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (*end == '\0' && value >= 1 && value <= kMaxThreads) return static_cast<int32_t>(value);
  std::fprintf(stderr, "supa: SUPA_NUM_THREADS: expected a number from 1 to %d, found '%s'; all cores are used\n",
               kMaxThreads, text);
  return host_cores();
}

void drain(Job &job) {
  int64_t first = job.next.load(std::memory_order_relaxed);
  while (first < job.end && !job.stopped()) {
    const int64_t left = job.end - first;
    const int64_t piece = std::min(left, std::max(job.grain, left / (kPiecesPerThread * job.share)));
    if (!job.next.compare_exchange_weak(first, first + piece, std::memory_order_relaxed)) continue;
    job.run(job.context, first, first + piece);
    first = job.next.load(std::memory_order_relaxed);
  }
}

thread_local int32_t this_processor = 0;
std::atomic<int32_t> started{0};  // threads of the pool

class Pool {
 public:
  void run(Job &job) {
    int32_t wake;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      grow(job.share - 1);
      job.link = jobs_;
      jobs_ = &job;
      epoch_.fetch_add(1, std::memory_order_release);
      wake = std::min(sleeping_, job.share - 1);
    }
    for (int32_t i = 0; i < wake; ++i) arrived_.notify_one();
    drain(job);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      unlink(job);
      if (job.helpers.load(std::memory_order_relaxed) == 0) return;
    }
    const auto finished = [&job] { return job.helpers.load(std::memory_order_acquire) == 0; };
    if (spin_until(finished, kFinishSpin)) return;  // the count is the last of the job that a helper touches
    std::unique_lock<std::mutex> lock(mutex_);
    ++waiting_;
    left_.wait(lock, finished);
    --waiting_;
  }

 private:
  // Starts threads until `count` exist. A host that refuses leaves the job to those there are: never fewer than one.
  void grow(int32_t count) {
    while (threads_ < count) {
      sigset_t all, before;
      sigfillset(&all);
      for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) sigdelset(&all, signal);
      pthread_sigmask(SIG_SETMASK, &all, &before);
      try {
        const int32_t number = threads_ + 1;
        std::thread([this, number] { serve(number); }).detach();
        started.store(threads_ = number, std::memory_order_relaxed);
      } catch (const std::system_error &) {
        count = threads_;
      }
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
  }

  void unlink(Job &job) {
    Job **at = &jobs_;
    while (*at != &job) at = &(*at)->link;
    *at = job.link;
  }

  Job *pick() {
    for (Job *job = jobs_; job != nullptr; job = job->link)
      if (!job->exhausted() && job->helpers.load(std::memory_order_relaxed) < job->share - 1) return job;
    return nullptr;
  }

  void serve(int32_t number) {
    this_processor = number;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      if (Job *job = pick()) {
        job->helpers.fetch_add(1, std::memory_order_relaxed);
        lock.unlock();
        drain(*job);
        lock.lock();
        if (job->helpers.fetch_sub(1, std::memory_order_release) == 1 && waiting_ > 0) left_.notify_all();
        continue;
      }
      const uint64_t seen = epoch_.load(std::memory_order_relaxed);
      const auto news = [this, seen] { return epoch_.load(std::memory_order_acquire) != seen; };
      lock.unlock();
      const bool found = spin_until(news, kIdleSpin);
      lock.lock();
      if (found) continue;
      ++sleeping_;
      arrived_.wait(lock, news);
      --sleeping_;
    }
  }

  std::mutex mutex_;
  std::condition_variable arrived_, left_;
  std::atomic<uint64_t> epoch_{0};  // jobs that ever arrived
  Job *jobs_ = nullptr;
  int32_t threads_ = 0, sleeping_ = 0, waiting_ = 0;
};

std::atomic<int32_t> limit{0};  // 0: not asked yet
std::atomic<Pool *> pool{nullptr};

void forget_pool() {
  pool.store(nullptr);
  started.store(0);
}

Pool &the_pool() {
  Pool *existing = pool.load(std::memory_order_acquire);
  if (existing != nullptr) return *existing;
  static const int registered = pthread_atfork(nullptr, nullptr, forget_pool);
  (void)registered;
  auto *created = new Pool;  // never destroyed: its threads run until the process ends
  if (pool.compare_exchange_strong(existing, created)) return *created;
  delete created;  // another thread was first; this one has no threads yet
  return *existing;
}

}  // namespace

int32_t thread_limit() {
  int32_t value = limit.load(std::memory_order_relaxed);
  if (value == 0) {
    value = configured_threads();
    limit.store(value, std::memory_order_relaxed);
  }
  return value;
}

void set_thread_limit(int32_t threads) {
  limit.store(std::clamp(threads, 1, kMaxThreads), std::memory_order_relaxed);
}

int32_t processor() { return this_processor; }

int32_t processors() { return std::max(thread_limit(), started.load(std::memory_order_relaxed) + 1); }

void run_shared(Job &job) {
  job.share = static_cast<int32_t>(std::min<int64_t>(thread_limit(), job.end - job.next.load()));
  if (job.share <= 1)
    drain(job);
  else
    the_pool().run(job);
}

}  // namespace supa
