// The calls that Python is asked for on this thread. What runs inside one is part of its recipe. Not here: recipes.
#pragma once

#include <vector>

namespace supa_torch {

class Key;

struct Asked {
  const Key *key = nullptr;  // null: nothing can be taught
  bool declined = false;     // Python has no kernel for it
  bool tainted = false;      // something inside it ran on the host, or looked at a value
};

inline thread_local std::vector<Asked> asked;  // the innermost last; what is learnt belongs to that one

inline void taint() {
  if (!asked.empty()) asked.back().tainted = true;
}

// One call in `asked`; its taint is also that of the call around it.
class Asking {
 public:
  explicit Asking(const Key *key) { asked.push_back({key}); }
  ~Asking() {
    const bool tainted = asked.back().tainted;
    asked.pop_back();
    if (tainted) taint();
  }
  Asking(const Asking &) = delete;
  Asking &operator=(const Asking &) = delete;
  bool declined() const { return asked.back().declined; }
};

}  // namespace supa_torch
