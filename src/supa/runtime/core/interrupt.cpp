// Python's own handler only leaves a note, which the interpreter reads once the launch has returned: so the launch must
// return soon. Ours stays installed and hands every signal on; whoever installs another one replaces it until the next
// long launch. A launch that does not stop (a block in a very long loop) ends with the process at the second signal.
#include "interrupt.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

namespace supa {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};

std::atomic<SupaCall *> foreground{nullptr};
struct sigaction before[2];
std::mutex installing;

// Only what is safe in a handler.
[[noreturn]] void end_process(int signal) {
  static const char words[] =
      "supa: a kernel does not stop at this signal, so the process ends without a report; does a loop in it end?\n";
  (void)!write(STDERR_FILENO, words, sizeof words - 1);
  _exit(128 + signal);
}

void install(int signal);

void handle(int signal, siginfo_t *info, void *context) {
  SupaCall *call = foreground.load();
  if (call != nullptr && !fail(call, SUPA_INTERRUPTED) && call->outcome->status == SUPA_INTERRUPTED) end_process(signal);
  const struct sigaction outer = before[signal == SIGTERM];
  if (outer.sa_flags & SA_SIGINFO)
    outer.sa_sigaction(signal, info, context);
  else
    outer.sa_handler(signal);
  if (call != nullptr) install(signal);  // LLVM's handler takes itself and ours away
}

bool is_main_thread() {
  static thread_local const bool is_main = getpid() == static_cast<pid_t>(syscall(SYS_gettid));
  return is_main;
}

// Nobody waits for a program that the signal ends, or that ignores it.
void install(int signal) {
  struct sigaction now;
  sigaction(signal, nullptr, &now);
  const bool is_plain = !(now.sa_flags & SA_SIGINFO);
  if (!is_plain && now.sa_sigaction == handle) return;
  if (is_plain && (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN)) return;
  before[signal == SIGTERM] = now;
  now.sa_sigaction = handle;
  now.sa_flags = (now.sa_flags & ~SA_RESETHAND) | SA_SIGINFO;
  sigaction(signal, &now, nullptr);
}

void install() {
  std::lock_guard<std::mutex> lock(installing);
  for (const int signal : kSignals) install(signal);
}

}  // namespace

Interruptible::Interruptible(SupaCall *call, bool is_long) : watching_(is_main_thread()) {
  if (!watching_) return;
  if (is_long) install();
  outer_ = foreground.load(std::memory_order_relaxed);
  foreground.store(call, std::memory_order_release);
}

Interruptible::~Interruptible() {
  if (watching_) foreground.store(outer_, std::memory_order_release);
}

}  // namespace supa
