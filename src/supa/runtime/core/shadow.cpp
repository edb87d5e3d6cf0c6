// Shadows are kept between launches: most programs launch on the same tensors again and again.
#include "shadow.h"

#include <sys/mman.h>

#include <algorithm>

namespace supa {
namespace {

constexpr int64_t kMostKept = int64_t{2} << 30;  // bytes of shadows that no launch uses
constexpr int64_t kHugePage = 2 << 20;
constexpr uint32_t kLastNumber = 0x7FFFFFF0;

std::mutex kept_mutex;
uint32_t next_number = 1;

std::vector<std::unique_ptr<Shadow>> &kept() {
  static auto *list = new std::vector<std::unique_ptr<Shadow>>;
  return *list;
}

int log2_of(int64_t value) {
  int shift = 0;
  while ((int64_t{1} << shift) < value) ++shift;
  return shift;
}

}  // namespace

Shadow::Shadow(uint64_t base, int64_t bytes, int64_t cell_bytes) : base(base), bytes(bytes), shift(log2_of(cell_bytes)) {
  const int64_t cells = (bytes >> shift) + 2;
  mapped_bytes = cells * 8;
  void *memory = mmap(nullptr, static_cast<size_t>(mapped_bytes), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory != MAP_FAILED) {
    if (mapped_bytes >= kHugePage) madvise(memory, static_cast<size_t>(mapped_bytes), MADV_HUGEPAGE);  // a hint
    writers = static_cast<uint32_t *>(memory);
    readers = writers + cells;
  }
  for (auto &lock : locks) lock.clear();
}

Shadow::~Shadow() {
  if (writers != nullptr) munmap(writers, static_cast<size_t>(mapped_bytes));
}

std::unique_ptr<Shadow> take_shadow(const SupaGroup &group) {
  {
    std::lock_guard<std::mutex> lock(kept_mutex);
    for (auto &each : kept()) {
      if (!each->fits(group)) continue;
      std::unique_ptr<Shadow> found = std::move(each);
      kept().erase(kept().begin() + (&each - kept().data()));
      return found;
    }
  }
  return std::make_unique<Shadow>(group.base, group.bytes, group.cell_bytes);
}

void give_shadow(std::unique_ptr<Shadow> shadow) {
  std::lock_guard<std::mutex> lock(kept_mutex);
  kept().push_back(std::move(shadow));
  int64_t total = 0;
  for (auto &each : kept()) total += each->mapped_bytes;
  while (total > kMostKept) {
    total -= kept().front()->mapped_bytes;
    kept().erase(kept().begin());
  }
}

uint32_t take_numbers(int64_t blocks) {
  std::lock_guard<std::mutex> lock(kept_mutex);
  if (blocks >= static_cast<int64_t>(kLastNumber - next_number)) {
    kept().clear();  // fresh shadows are zero: older than every number
    next_number = 1;
  }
  const uint32_t first = next_number;
  next_number += static_cast<uint32_t>(std::min<int64_t>(blocks, kLastNumber - 1));
  return first;
}

Order::Blocks &Order::seen_by(int64_t block) {
  Blocks &seen = seen_[block];
  if (seen.empty()) {
    seen.resize(static_cast<size_t>(blocks_ + 63) / 64);
    seen[static_cast<size_t>(block) / 64] |= uint64_t{1} << (block % 64);
  }
  return seen;
}

void Order::release(int64_t block, uint64_t address) {
  std::lock_guard<std::mutex> lock(mutex_);
  part_[block] |= 1;
  if (!exact_) return;
  const Blocks &seen = seen_by(block);
  Blocks &released = released_[address];
  released.resize(seen.size());
  for (size_t index = 0; index < seen.size(); ++index) released[index] |= seen[index];
}

void Order::acquire(int64_t block, uint64_t address) {
  std::lock_guard<std::mutex> lock(mutex_);
  part_[block] |= 2;
  if (!exact_) return;
  const auto released = released_.find(address);
  if (released == released_.end()) return;
  Blocks &seen = seen_by(block);
  for (size_t index = 0; index < seen.size(); ++index) seen[index] |= released->second[index];
}

bool Order::before(int64_t earlier, int64_t later) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!(part_[later] & 2)) return false;
  if (earlier < 0) return true;
  if (!exact_) return (part_[earlier] & 1) != 0;
  return seen_by(later)[static_cast<size_t>(earlier) / 64] >> (earlier % 64) & 1;
}

}  // namespace supa
