// Python's own handler only leaves a note, which the interpreter reads once the launch has returned: so the launch must
// return soon. Ours stays installed and hands every signal on; whoever installs another one replaces it until the next
// long launch.
#include "interrupt.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

namespace supa {
namespace {

std::atomic<SupaCall *> foreground{nullptr};
struct sigaction before;
std::mutex installing;

void handle(int signal, siginfo_t *info, void *context) {
  if (SupaCall *call = foreground.load()) fail(call, SUPA_INTERRUPTED);
  if (before.sa_flags & SA_SIGINFO)
    before.sa_sigaction(signal, info, context);
  else
    before.sa_handler(signal);
}

bool is_main_thread() {
  static thread_local const bool is_main = getpid() == static_cast<pid_t>(syscall(SYS_gettid));
  return is_main;
}

// Nobody waits for a program that the signal ends, or that ignores it.
void install() {
  std::lock_guard<std::mutex> lock(installing);
  struct sigaction now;
  sigaction(SIGINT, nullptr, &now);
  const bool is_plain = !(now.sa_flags & SA_SIGINFO);
  if (!is_plain && now.sa_sigaction == handle) return;
  if (is_plain && (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN)) return;
  before = now;
  now.sa_sigaction = handle;
  now.sa_flags |= SA_SIGINFO;
  sigaction(SIGINT, &now, nullptr);
}

}  // namespace

Interruptible::Interruptible(SupaCall *call) : watching_(call != nullptr && is_main_thread()) {
  if (!watching_) return;
  install();
  outer_ = foreground.exchange(call);
}

Interruptible::~Interruptible() {
  if (watching_) foreground.store(outer_);
}

}  // namespace supa
