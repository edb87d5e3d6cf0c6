// A launch from within a launch (a report callback that launches) finds the thread's memory taken and gets its own.
#include "scratch.h"

#include <cstdlib>

namespace supa {
namespace {

constexpr int64_t kAlignment = 64;

struct Kept {
  uint8_t *data = nullptr;
  int64_t bytes = 0;
  bool taken = false;
  ~Kept() { std::free(data); }
};

thread_local Kept kept;

uint8_t *obtain(int64_t bytes) {
  const int64_t size = bytes < kAlignment ? kAlignment : (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return static_cast<uint8_t *>(std::aligned_alloc(kAlignment, static_cast<size_t>(size)));
}

}  // namespace

Scratch::Scratch(int64_t bytes) : kept_(!kept.taken) {
  if (!kept_) {
    data = obtain(bytes);
    return;
  }
  if (kept.data == nullptr || kept.bytes < bytes) {
    std::free(kept.data);
    kept.data = obtain(bytes);
    kept.bytes = kept.data == nullptr ? 0 : bytes;
  }
  data = kept.data;
  kept.taken = true;
}

Scratch::~Scratch() {
  if (kept_)
    kept.taken = false;
  else
    std::free(data);
}

}  // namespace supa
