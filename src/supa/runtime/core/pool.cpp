// Jobs hang in a list under one mutex, which is held for a few instructions. A job is cut into a part for each thread,
// the same ones in every launch of a grid, so that a thread finds in its caches what it left there; whoever is done goes
// on with the parts of others. The caller never waits for a thread that has not come.
//
// Idle threads spin, then let others run between looks, then sleep on a condition variable. To wake a thread that sleeps
// costs the caller itself tens of microseconds on virtual machines: it is done where the work pays for it.
// After fork the child starts from an empty pool: the parent's threads do not exist there.
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

// An idle thread spins for the first, then looks for work in turns with whoever else can run for the second; longer, up to
// the others, where jobs keep coming at longer intervals.
constexpr std::chrono::nanoseconds kIdleSpin = std::chrono::microseconds(20), kMostSpin = std::chrono::microseconds(200);
constexpr std::chrono::nanoseconds kIdleYield = std::chrono::microseconds(200), kMostYield = std::chrono::milliseconds(2);
constexpr auto kFinishSpin = std::chrono::microseconds(50);
constexpr int64_t kPieces = 4;         // a claim takes this fraction of what is left of a part
constexpr double kFirstWakeNs = 15e3;  // what waking a thread is taken to cost before it was ever measured
constexpr double kWakesPerWork = 2;    // it pays from this many times its cost on: half the work is saved
constexpr double kWakesPerSequence = 6;  // or for launches in a row that together have as much
constexpr int32_t kMaxThreads = 4096;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

using Clock = std::chrono::steady_clock;

template <typename Condition>
bool spin_until(Condition reached, std::chrono::nanoseconds most) {
  const auto deadline = Clock::now() + most;
  do {
    for (int i = 0; i < 32; ++i) {
      if (reached()) return true;
      relax();
    }
  } while (Clock::now() < deadline);
  return reached();
}

template <typename Condition>
bool yield_until(Condition reached, std::chrono::nanoseconds most) {
  const auto deadline = Clock::now() + most;
  do {
    if (reached()) return true;
    sched_yield();
  } while (Clock::now() < deadline);
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

constexpr int64_t kMostUnits = 1ll << 31;

// Gives how much this thread did. What another thread leaves is taken from its end: the next launch of the grid finds the
// rest in that thread's caches, and the same end in these.
int64_t drain_part(Job &job, Part &part, bool is_own) {
  int64_t done = 0;
  uint64_t open = part.open.load(std::memory_order_relaxed);
  const int64_t least = std::max<int64_t>(1, job.grain / job.unit);
  while (!job.stopped()) {
    int64_t first = static_cast<int64_t>(open >> 32), end = static_cast<int64_t>(open & 0xffffffffu);
    if (first >= end) break;
    const int64_t piece = std::min(end - first, std::max(least, (end - first) / kPieces));
    const int64_t middle = is_own ? first + piece : end - piece;
    const uint64_t rest = static_cast<uint64_t>(is_own ? middle : first) << 32 | static_cast<uint64_t>(is_own ? end : middle);
    if (!part.open.compare_exchange_weak(open, rest, std::memory_order_relaxed)) continue;
    (is_own ? end : first) = middle;
    const int64_t from = job.begin + first * job.unit, to = std::min(job.end, job.begin + end * job.unit);
    job.run(job.context, from, to);
    done += to - from;
    open = part.open.load(std::memory_order_relaxed);
  }
  return done;
}

// Its own part first, then the others'. Gives how much this thread did.
int64_t drain(Job &job, int32_t number) {
  int64_t done = 0;
  const int32_t own = number % job.part_count;
  for (int32_t i = 0; i < job.part_count; ++i) done += drain_part(job, job.parts[(own + i) % job.part_count], i == 0);
  return done;
}

void cut(Job &job, Part *parts) {
  job.unit = (job.end - job.begin - 1) / kMostUnits + 1;
  const int64_t count = (job.end - job.begin + job.unit - 1) / job.unit;
  job.parts = parts;
  job.part_count = std::min(job.share, kMostParts);
  for (int32_t i = 0; i < job.part_count; ++i) {
    const int64_t first = count * i / job.part_count, end = count * (i + 1) / job.part_count;
    parts[i].open.store(static_cast<uint64_t>(first) << 32 | static_cast<uint64_t>(end), std::memory_order_relaxed);
  }
}

thread_local int32_t this_processor = 0;
std::atomic<int32_t> started{0};  // threads of the pool

class Pool {
 public:
  int64_t run(Job &job) {
    int32_t wake;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      grow(job.share - 1);
      const auto gap = Clock::now() - last_;
      if (gap < kMostYield) interval_.store(std::max<int64_t>(gap.count(), interval() * 7 / 8), std::memory_order_relaxed);
      job.link = jobs_;
      jobs_ = &job;
      epoch_.fetch_add(1, std::memory_order_release);
      wake = sleeping_ > 0 && pays(job, gap) ? std::min(sleeping_, job.share - 1) : 0;
    }
    if (wake > 0) arouse(wake);
    const int64_t done = drain(job, 0);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      unlink(job);
      last_ = Clock::now();
      if (job.helpers.load(std::memory_order_relaxed) == 0) return done;
    }
    const auto finished = [&job] { return job.helpers.load(std::memory_order_acquire) == 0; };
    if (spin_until(finished, kFinishSpin)) return done;  // the count is the last of the job that a helper touches
    std::unique_lock<std::mutex> lock(mutex_);
    ++waiting_;
    left_.wait(lock, finished);
    --waiting_;
    return done;
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

  // Whether a job is worth waking a thread for: by itself, or as one of many that follow each other.
  bool pays(const Job &job, Clock::duration gap) {
    if (job.work_ns <= 0) return true;
    const double cost_ns = wake_ns_.load(std::memory_order_relaxed);
    owed_ns_ = gap > kIdleYield ? job.work_ns : owed_ns_ + job.work_ns;
    if (job.work_ns < kWakesPerWork * cost_ns && owed_ns_ < kWakesPerSequence * cost_ns) {
      // What was dear on a busy host is tried again some time: nobody measures it while it is too dear.
      if (cost_ns > kFirstWakeNs) wake_ns_.store(cost_ns - (cost_ns - kFirstWakeNs) / 32, std::memory_order_relaxed);
      return false;
    }
    owed_ns_ = 0;
    return true;
  }

  void arouse(int32_t count) {
    const auto start = Clock::now();
    for (int32_t i = 0; i < count; ++i) arrived_.notify_one();
    const std::chrono::duration<double, std::nano> taken = Clock::now() - start;
    const double known = wake_ns_.load(std::memory_order_relaxed);
    // A caller that was interrupted meanwhile has not measured the waking.
    wake_ns_.store(known + (std::min(taken.count() / count, 4 * known) - known) / 8, std::memory_order_relaxed);
  }

  int64_t interval() const { return interval_.load(std::memory_order_relaxed); }

  template <typename Condition>
  bool wait_awake(Condition reached) const {
    const std::chrono::nanoseconds expected(2 * interval());
    return spin_until(reached, std::clamp(expected, kIdleSpin, kMostSpin)) ||
           yield_until(reached, std::clamp(expected, kIdleYield, kMostYield));
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
        drain(*job, number);
        lock.lock();
        if (job->helpers.fetch_sub(1, std::memory_order_release) == 1 && waiting_ > 0) left_.notify_all();
        continue;
      }
      const uint64_t seen = epoch_.load(std::memory_order_relaxed);
      const auto news = [this, seen] { return epoch_.load(std::memory_order_acquire) != seen; };
      lock.unlock();
      const bool found = wait_awake(news);
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
  Clock::time_point last_;   // when a job ended
  std::atomic<int64_t> interval_{0};  // nanoseconds from the end of a job to the next, about the longest of late
  double owed_ns_ = 0;       // work since then for which no thread was woken
  std::atomic<double> wake_ns_{kFirstWakeNs};
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

int64_t run_shared(Job &job) {
  Part parts[kMostParts];
  job.share = static_cast<int32_t>(std::clamp<int64_t>(job.end - job.begin, 1, thread_limit()));
  cut(job, parts);
  return job.share == 1 ? drain(job, 0) : the_pool().run(job);
}

}  // namespace supa
