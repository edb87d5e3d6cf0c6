// A launch on the main thread that ends early when the process is interrupted (Ctrl-C). Not here: faults (guard).
#pragma once

#include "call.h"

namespace supa {

// While one lives, SIGINT stops `call` before the handler runs that was there before; null: nothing.
class Interruptible {
 public:
  explicit Interruptible(SupaCall *call);
  ~Interruptible();
  Interruptible(const Interruptible &) = delete;
  Interruptible &operator=(const Interruptible &) = delete;

 private:
  SupaCall *outer_ = nullptr;
  bool watching_ = false;
};

}  // namespace supa
