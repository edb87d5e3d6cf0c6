// Blocks tile the region; a free block never has a free neighbour. Pages that a freed block touched stay with the
// host process (`dirt_`) while live and cached bytes together stay near the peak of live ones, so that a program that
// frees and allocates in a loop never faults pages in again, and host memory never exceeds the device's own use by much.
#include "allocator.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace supa {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kLargeBytes = 256 << 10;       // scrubbing gives pages back from here on, below it writes zeros
constexpr uint64_t kCacheFloorBytes = 64 << 20;   // caching is never limited below this

uint64_t round_up(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

// Makes [start, end) read as zero.
void scrub(uint64_t start, uint64_t end) {
  const uint64_t first = round_up(start, kPage), last = end / kPage * kPage;
  if (end - start < kLargeBytes || first >= last ||
      madvise(reinterpret_cast<void *>(first), last - first, MADV_DONTNEED) != 0) {
    std::memset(reinterpret_cast<void *>(start), 0, end - start);
    return;
  }
  std::memset(reinterpret_cast<void *>(start), 0, first - start);
  std::memset(reinterpret_cast<void *>(last), 0, end - last);
}

}  // namespace

Region::Region(uint64_t base, uint64_t bytes) : base_(base), bytes_(bytes) { insert_free(base, bytes); }

int Region::allocate(uint64_t bytes, uint32_t owner, uint64_t *address) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (bytes > bytes_) return SUPA_OUT_OF_MEMORY;
  const uint64_t requested = std::max<uint64_t>(bytes, 1);
  const uint64_t size = round_up(requested, SUPA_ALIGNMENT);
  const auto fit = free_.lower_bound({size, 0});
  if (fit == free_.end()) return SUPA_OUT_OF_MEMORY;
  const uint64_t start = fit->second;
  const auto block = blocks_.find(start);
  take(block, size);
  block->second.requested = requested;
  block->second.owner = owner;
  clean_for(start, start + size, owner);
  allocated_ += size;
  peak_ = std::max(peak_, allocated_);
  peak_ever_ = std::max(peak_ever_, allocated_);
  ++live_;
  ++total_;
  trim(std::max(peak_ever_ + peak_ever_ / 20, kCacheFloorBytes));
  *address = start;
  return SUPA_OK;
}

int Region::release(uint64_t address) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto block = blocks_.find(address);
  if (block == blocks_.end() || block->second.requested == 0) return SUPA_NOT_ALLOCATED;
  uint64_t start = address, bytes = block->second.bytes;
  allocated_ -= bytes;
  --live_;
  mark_dirty(start, start + bytes, block->second.owner);
  auto next = blocks_.erase(block);
  if (next != blocks_.end() && next->second.requested == 0) {
    bytes += next->second.bytes;
    free_.erase({next->second.bytes, next->first});
    next = blocks_.erase(next);
  }
  if (next != blocks_.begin()) {
    const auto before = std::prev(next);
    if (before->second.requested == 0) {
      start = before->first;
      bytes += before->second.bytes;
      free_.erase({before->second.bytes, before->first});
      blocks_.erase(before);
    }
  }
  insert_free(start, bytes);
  return SUPA_OK;
}

// Cuts the first `bytes` off a free block; the rest stays free.
void Region::take(Blocks::iterator block, uint64_t bytes) {
  const uint64_t rest = block->second.bytes - bytes;
  free_.erase({block->second.bytes, block->first});
  block->second.bytes = bytes;
  if (rest != 0) insert_free(block->first + bytes, rest);
}

void Region::insert_free(uint64_t start, uint64_t bytes) {
  blocks_[start] = Block{bytes, 0, 0};
  free_.insert({bytes, start});
}

void Region::mark_dirty(uint64_t start, uint64_t end, uint32_t owner) {
  cached_ += end - start;
  auto next = dirt_.lower_bound(start);
  if (next != dirt_.end() && next->first == end && next->second.owner == owner) {
    end = next->second.end;
    next = dirt_.erase(next);
  }
  if (next != dirt_.begin()) {
    const auto before = std::prev(next);
    if (before->second.end == start && before->second.owner == owner) {
      before->second.end = end;
      return;
    }
  }
  dirt_[start] = Dirt{end, owner};
}

// Takes [start, end) out of the dirt; what others than `owner` left there becomes zero.
void Region::clean_for(uint64_t start, uint64_t end, uint32_t owner) {
  auto at = dirt_.lower_bound(start);
  if (at != dirt_.begin() && std::prev(at)->second.end > start) --at;
  while (at != dirt_.end() && at->first < end) {
    const uint64_t from = at->first, to = at->second.end;
    const uint32_t whose = at->second.owner;
    const uint64_t first = std::max(from, start), last = std::min(to, end);
    if (whose != owner) scrub(first, last);
    cached_ -= last - first;
    at = dirt_.erase(at);
    if (from < start) dirt_[from] = Dirt{start, whose};
    if (to > end) at = dirt_.insert({end, Dirt{to, whose}}).first;
  }
}

// Gives cached pages back, the largest ranges first, until live and cached bytes fit into `limit`.
void Region::trim(uint64_t limit) {
  if (allocated_ + cached_ <= limit) return;
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const auto &[start, dirt] : dirt_) ranges.push_back({dirt.end - start, start});
  std::sort(ranges.rbegin(), ranges.rend());
  for (const auto &[bytes, start] : ranges) {
    if (allocated_ + cached_ <= limit) return;
    scrub(start, start + bytes);
    cached_ -= bytes;
    dirt_.erase(start);
  }
}

void Region::release_cached() {
  std::lock_guard<std::mutex> lock(mutex_);
  trim(0);
}

void Region::statistics(SupaMemory *out) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto signed_of = [](uint64_t value) { return static_cast<int64_t>(value); };
  out->capacity_bytes = signed_of(bytes_);
  out->allocated_bytes = signed_of(allocated_);
  out->cached_bytes = signed_of(cached_);
  out->peak_bytes = signed_of(peak_);
  out->largest_free_bytes = free_.empty() ? 0 : signed_of(free_.rbegin()->first);
  out->live_count = live_;
  out->total_count = total_;
}

void Region::reset_peak() {
  std::lock_guard<std::mutex> lock(mutex_);
  peak_ = allocated_;
}

bool Region::locate(uint64_t address, uint64_t beyond, SupaPlace *out) {
  if (address < base_ || address - base_ >= bytes_ + beyond) return false;
  std::lock_guard<std::mutex> lock(mutex_);
  out->region_base = base_;
  auto block = blocks_.upper_bound(address);
  while (block != blocks_.begin()) {
    --block;
    if (block->second.requested == 0) continue;
    out->start = block->first;
    out->bytes = static_cast<int64_t>(block->second.requested);
    out->inside = address < block->first + block->second.requested ? 1 : 0;
    break;
  }
  return true;
}

bool Region::idle() {
  std::lock_guard<std::mutex> lock(mutex_);
  return live_ == 0;
}

void Region::scrub_all() {
  std::lock_guard<std::mutex> lock(mutex_);
  scrub(base_, base_ + bytes_);
}

}  // namespace supa
