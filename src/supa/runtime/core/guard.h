// Turns a fault in kernel code into a value. Not here: naming the kernel, finding the allocation.
#pragma once

#include <cstdint>

namespace supa {

struct Fault {
  int signal = 0;  // 0: none
  uint64_t address = 0;
};

// Puts the handlers for SIGSEGV, SIGBUS and SIGFPE in place, or back in place where somebody replaced them.
// Signals that no guarded code raised go to the previous handlers.
void arm();

// Calls `body(context)`; a fault in it ends it. Code called so must hold no lock and own nothing.
Fault guarded(void (*body)(void *context), void *context);

// While one of these lives on a thread, faults are not taken for the kernel's own.
class Unguarded {
 public:
  Unguarded();
  ~Unguarded();

 private:
  void *suspended_;
};

}  // namespace supa
