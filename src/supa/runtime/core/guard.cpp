// The handler reads one thread-local pointer and the saved handlers and jumps: all that may be done in a handler.
// The pointer lives in the static thread-local block, so that reading it never allocates.
#include "guard.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include <mutex>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace supa {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE};
constexpr size_t kStackBytes = 64 << 10;  // a frame with AMX state takes about 11 KiB

struct Point {
  sigjmp_buf resume;
  volatile int signal = 0;
  volatile uint64_t address = 0;
};

__attribute__((tls_model("initial-exec"))) thread_local Point *volatile current = nullptr;
__attribute__((tls_model("initial-exec"))) thread_local volatile sig_atomic_t handing_over = 0;

struct sigaction previous[3];
std::mutex arming;

int index_of(int signal) { return signal == SIGSEGV ? 0 : signal == SIGBUS ? 1 : 2; }

void handle(int signal, siginfo_t *info, void *context) {
  Point *point = current;
  if (point != nullptr && info->si_code > 0) {  // raised by an instruction, not sent by a process
    point->signal = signal;
    point->address = reinterpret_cast<uint64_t>(info->si_addr);
    siglongjmp(point->resume, 1);
  }
  const struct sigaction &before = previous[index_of(signal)];
  const bool sent = info->si_code <= 0, ignored = before.sa_handler == SIG_IGN && !(before.sa_flags & SA_SIGINFO);
  if (ignored && sent) return;
  // A previous handler that was installed over ours hands the signal back to us: then nobody wants it.
  if (!ignored && before.sa_handler != SIG_DFL && !handing_over) {
    handing_over = 1;
    if (before.sa_flags & SA_SIGINFO)
      before.sa_sigaction(signal, info, context);
    else
      before.sa_handler(signal);
    handing_over = 0;
    return;
  }
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  sigaction(signal, &standard, nullptr);
  if (sent) raise(signal);  // else the instruction runs again and ends the process
}

// A stack of its own for handlers, so that a kernel's stack overflow can be handled too.
struct SignalStack {
  void *memory = nullptr;
  SignalStack() {
    stack_t now;
    if (sigaltstack(nullptr, &now) == 0 && !(now.ss_flags & SS_DISABLE)) return;
    void *mapped = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return;
    stack_t own = {};
    own.ss_sp = mapped;
    own.ss_size = kStackBytes;
    if (sigaltstack(&own, nullptr) == 0)
      memory = mapped;
    else
      munmap(mapped, kStackBytes);
  }
  ~SignalStack() {
    if (memory == nullptr) return;
    stack_t none = {};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
    munmap(memory, kStackBytes);
  }
};

bool ours(const struct sigaction &action) { return (action.sa_flags & SA_SIGINFO) && action.sa_sigaction == handle; }

void install(int signal) {
  struct sigaction now, wanted = {};
  sigaction(signal, nullptr, &now);
  if (ours(now)) return;
  previous[index_of(signal)] = now;
  wanted.sa_sigaction = handle;
  wanted.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;  // not deferred: siglongjmp leaves the mask alone
  sigaction(signal, &wanted, nullptr);
}

}  // namespace

void arm() {
  struct sigaction now;
  sigaction(SIGSEGV, nullptr, &now);
  if (ours(now)) return;
  std::lock_guard<std::mutex> lock(arming);
  for (int signal : kSignals) install(signal);
}

Fault guarded(void (*body)(void *context), void *context) {
  static thread_local SignalStack stack;
  Point point;
  Point *const outer = current;
#if defined(__x86_64__)
  const unsigned int rounding = _mm_getcsr();
#endif
  if (sigsetjmp(point.resume, 0) == 0) {
    current = &point;
    body(context);
  }
#if defined(__x86_64__)
  else {
    _mm_setcsr(rounding);
  }
#endif
  current = outer;
  return {point.signal, point.address};
}

Unguarded::Unguarded() : suspended_(current) { current = nullptr; }

Unguarded::~Unguarded() { current = static_cast<Point *>(suspended_); }

}  // namespace supa
