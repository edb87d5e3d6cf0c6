// The private memory of a thread that runs blocks: grown on demand, kept, 64-byte aligned.
#pragma once

#include <cstdint>

namespace supa {

// The calling thread's scratch for as long as this lives; `data` is null where the host has no memory for it.
class Scratch {
 public:
  explicit Scratch(int64_t bytes);
  ~Scratch();
  Scratch(const Scratch &) = delete;
  Scratch &operator=(const Scratch &) = delete;

  uint8_t *data = nullptr;

 private:
  bool kept_;
};

}  // namespace supa
