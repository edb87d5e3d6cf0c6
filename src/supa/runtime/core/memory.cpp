// The C interface of device memory: arenas, and the list of regions by which any address is located.
#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "allocator.h"
#include "supa_core.h"

struct SupaRegion {
  supa::Region region;
};

namespace {

constexpr uint64_t kHugePage = 2 << 20;
constexpr uint64_t kFenceBytes = 1 << 20;  // behind an arena: running over its end faults, and is recognised

std::mutex list_mutex;

// Never destroyed: other threads may still free memory while the process ends.
std::vector<SupaRegion *> &regions() {
  static auto *list = new std::vector<SupaRegion *>;
  return *list;
}

// A child of fork has only the thread that called it: no lock may be held by another at that moment.
void lock_all() {
  list_mutex.lock();
  for (SupaRegion *each : regions()) each->region.mutex().lock();
}

void unlock_all() {
  for (SupaRegion *each : regions()) each->region.mutex().unlock();
  list_mutex.unlock();
}

}  // namespace

extern "C" {

uint64_t supa_arena_open(int64_t bytes) {
  static const int registered = pthread_atfork(lock_all, unlock_all, unlock_all);
  if (registered != 0 || bytes <= 0) return 0;
  const uint64_t size = static_cast<uint64_t>(bytes) + kHugePage + kFenceBytes + 4096;
  void *mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return 0;
  const uint64_t start = reinterpret_cast<uint64_t>(mapped);
  const uint64_t base = (start + kHugePage - 1) / kHugePage * kHugePage;
  if (base != start) munmap(mapped, base - start);
  const uint64_t end = (base + static_cast<uint64_t>(bytes) + 4095) / 4096 * 4096;
  mprotect(reinterpret_cast<void *>(end), kFenceBytes, PROT_NONE);
  munmap(reinterpret_cast<void *>(end + kFenceBytes), start + size - end - kFenceBytes);
  madvise(reinterpret_cast<void *>(base), static_cast<uint64_t>(bytes), MADV_HUGEPAGE);  // a hint: refusal is fine
  return base;
}

void supa_arena_close(uint64_t base, int64_t bytes) {
  munmap(reinterpret_cast<void *>(base), (static_cast<uint64_t>(bytes) + 4095) / 4096 * 4096 + kFenceBytes);
}

SupaRegion *supa_region_open(uint64_t base, int64_t bytes) {
  auto *region = new SupaRegion{{base, static_cast<uint64_t>(bytes)}};
  std::lock_guard<std::mutex> lock(list_mutex);
  regions().push_back(region);
  return region;
}

int supa_region_close(SupaRegion *region, int force) {
  {
    std::lock_guard<std::mutex> lock(list_mutex);
    if (!force && !region->region.idle()) return SUPA_IN_USE;
    auto &list = regions();
    list.erase(std::remove(list.begin(), list.end(), region), list.end());
  }
  region->region.scrub_all();
  delete region;
  return SUPA_OK;
}

int supa_allocate(SupaRegion *region, int64_t bytes, uint32_t owner, uint64_t *address) {
  return bytes < 0 ? SUPA_OUT_OF_MEMORY : region->region.allocate(static_cast<uint64_t>(bytes), owner, address);
}

int supa_free(SupaRegion *region, uint64_t address) { return region->region.release(address); }

void supa_release_cached(SupaRegion *region) { region->region.release_cached(); }

void supa_memory(SupaRegion *region, SupaMemory *out) { region->region.statistics(out); }

void supa_reset_peak(SupaRegion *region) { region->region.reset_peak(); }

void supa_locate(uint64_t address, SupaPlace *out) {
  *out = SupaPlace{};
  std::lock_guard<std::mutex> lock(list_mutex);
  for (uint64_t beyond : {uint64_t{0}, kFenceBytes}) {
    for (SupaRegion *each : regions()) {
      if (!each->region.locate(address, beyond, out)) continue;
      out->region = each;
      return;
    }
  }
}

}  // extern "C"
