// Bounded: a kernel that prints in a million blocks must not take the host's memory.
#include "reports.h"

#include <algorithm>

namespace supa {
namespace {

constexpr size_t kMaxEntries = 1 << 16;
constexpr size_t kMaxValues = 1 << 20;
constexpr int32_t kAssert = 0;

}  // namespace

void Reports::clear() {
  entries_.clear();
  values_.clear();
  dropped_ = 0;
}

void Reports::add(int32_t kind, int32_t message, int64_t block, int64_t count, const int64_t *values) {
  std::lock_guard<std::mutex> lock(mutex_);
  const bool full = entries_.size() >= kMaxEntries || values_.size() + static_cast<size_t>(count) > kMaxValues;
  if (full && kind != kAssert) {
    ++dropped_;
    return;
  }
  entries_.push_back({kind, message, block, full ? 0 : count, values_.size()});
  if (!full) values_.insert(values_.end(), values, values + count);
}

void Reports::order() {
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry &a, const Entry &b) { return a.block < b.block; });
}

int64_t Reports::count() { return static_cast<int64_t>(entries_.size()); }

int64_t Reports::dropped() { return dropped_; }

void Reports::get(int64_t index, SupaReport *out) {
  const Entry &entry = entries_[static_cast<size_t>(index)];
  *out = {entry.kind, entry.message, entry.block, entry.count, values_.data() + entry.offset};
}

}  // namespace supa
