// A launch on the main thread that ends early when the process is asked to end (Ctrl-C, SIGTERM). Not here: faults (guard).
#pragma once

#include "call.h"

namespace supa {

// While one lives, SIGINT and SIGTERM stop `call` before the handler runs that was there before. Only what is expected to
// be long looks whether ours is still installed: any launch may turn out longer than the last one of its kernel.
class Interruptible {
 public:
  Interruptible(SupaCall *call, bool is_long);
  ~Interruptible();
  Interruptible(const Interruptible &) = delete;
  Interruptible &operator=(const Interruptible &) = delete;

 private:
  SupaCall *outer_ = nullptr;
  bool watching_ = false;
};

}  // namespace supa
