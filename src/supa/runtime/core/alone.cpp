// One number: the launches under way, and a bit while one of them is alone. Whoever is alone gives way soon: launches run in
// pieces while they may be.
#include "alone.h"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace supa {
namespace {

constexpr int64_t kAlone = 1ll << 62;

struct Gate {
  std::atomic<int64_t> underway{0};
  std::atomic<int32_t> waiting{0};
  std::mutex mutex;
  std::condition_variable open;
};

std::atomic<Gate *> gate{nullptr};

thread_local int32_t depth = 0;       // launches of this thread that are under way
thread_local bool is_single = false;  // see `Single`
thread_local bool is_alone = false;

Gate &the_gate() {
  Gate *existing = gate.load(std::memory_order_acquire);
  if (existing != nullptr) return *existing;
  // A child has none of its parent's other threads, whose launches would never end there.
  static const int registered = pthread_atfork(nullptr, nullptr, [] { gate.store(nullptr); });
  (void)registered;
  auto *created = new Gate;  // never destroyed: launches may be under way as the process ends
  if (gate.compare_exchange_strong(existing, created)) return *created;
  delete created;
  return *existing;
}

}  // namespace

Underway::Underway() : is_outermost_(depth++ == 0) {
  if (!is_outermost_) return;
  Gate &own = the_gate();
  int64_t count = own.underway.load();
  while (true) {
    if ((count & kAlone) == 0) {
      if (own.underway.compare_exchange_weak(count, count + 1)) return;
      continue;
    }
    own.waiting.fetch_add(1);
    {
      std::unique_lock<std::mutex> lock(own.mutex);
      own.open.wait(lock, [&] { return (own.underway.load() & kAlone) == 0; });
    }
    own.waiting.fetch_sub(1);
    count = own.underway.load();
  }
}

Underway::~Underway() {
  --depth;
  if (is_outermost_) the_gate().underway.fetch_sub(1);
}

Single::Single() : outer_(is_single) { is_single = depth == 1; }

Single::~Single() {
  is_single = outer_;
  if (!is_alone || depth != 1) return;
  is_alone = false;
  Gate &own = the_gate();
  own.underway.fetch_and(~kAlone);
  if (own.waiting.load() == 0) return;
  std::lock_guard<std::mutex> lock(own.mutex);
  own.open.notify_all();
}

bool become_alone() {
  if (is_alone) return is_single;
  Gate &own = the_gate();
  int64_t only = 1;
  if (!is_single || own.waiting.load() > 0) return false;
  is_alone = own.underway.compare_exchange_strong(only, 1 | kAlone);
  return is_alone;
}

}  // namespace supa
