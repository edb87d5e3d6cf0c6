// Device memory as torch's allocator, pinned host memory, and the host allocator that puts results of operators run on
// the host straight into device memory. Not here: the allocation itself (the driver core).
#pragma once

#include <cstdlib>
#include <map>
#include <mutex>

#include <ATen/core/CachingHostAllocator.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>

#include "state.h"

namespace supa_torch {

inline std::string describe_bytes(int64_t bytes) {
  char text[64];
  const double size = static_cast<double>(bytes);
  if (bytes >= 1 << 30) snprintf(text, sizeof text, "%.2f GiB", size / (1 << 30));
  else if (bytes >= 1 << 20) snprintf(text, sizeof text, "%.2f MiB", size / (1 << 20));
  else if (bytes >= 1 << 10) snprintf(text, sizeof text, "%.2f KiB", size / (1 << 10));
  else snprintf(text, sizeof text, "%lld bytes", static_cast<long long>(bytes));
  return text;
}

struct Counters {
  std::atomic<int64_t> allocations{0}, frees{0}, out_of_memory{0}, requested{0}, freed_bytes{0}, allocated_bytes{0};
  std::atomic<int64_t> reserved_peak{0};
  std::atomic<int64_t> most_bytes{-1};  // the program's own limit, if any
};

inline Counters counters[kMostDevices];

// Whether this process has ever allocated on a device.
inline bool used_memory() {
  for (int32_t index = 0; index < state.count; ++index) {
    if (counters[index].allocations != 0 || counters[index].frees != 0) return true;
  }
  return false;
}

[[noreturn]] inline void refuse_memory(c10::DeviceIndex index, int64_t bytes) {
  const SupaTorchDevice &device = device_of(index);
  SupaMemory use;
  supa_memory(device.region, &use);
  counters[index].out_of_memory++;
  const int64_t free_bytes = use.capacity_bytes - use.allocated_bytes;
  TORCH_CHECK_WITH(
      OutOfMemoryError, false, "SUPA out of memory. Tried to allocate ", describe_bytes(bytes), ". supa:",
      static_cast<int>(index), " (", device.name, ") has a total capacity of ", describe_bytes(use.capacity_bytes),
      counters[index].most_bytes < 0 ? "" : " (" + describe_bytes(counters[index].most_bytes) + " allowed)",
      " of which ", describe_bytes(free_bytes), " is free; ", describe_bytes(use.allocated_bytes), " is allocated by ",
      use.live_count, " tensors, and the largest free piece has ", describe_bytes(use.largest_free_bytes),
      ". Free tensors, use smaller batches, or choose a device with more memory (SUPA_DEVICE).");
}

// The device in whose memory an address lies, or -1.
inline c10::DeviceIndex holder_of(const void *data) {
  const auto address = reinterpret_cast<uint64_t>(data);
  for (int32_t index = 0; index < state.count; ++index) {
    const SupaTorchDevice &device = state.devices[index];
    if (address - device.base < static_cast<uint64_t>(device.capacity_bytes)) {
      return static_cast<c10::DeviceIndex>(index);
    }
  }
  return -1;
}

// Whether an allocation stays below the part of the memory that the program allowed itself.
inline bool within_share(c10::DeviceIndex index, int64_t bytes) {
  const int64_t most = counters[index].most_bytes;
  if (most < 0) return true;
  SupaMemory use;
  supa_memory(device_of(index).region, &use);
  return use.allocated_bytes + bytes <= most;
}

inline void *take_memory(c10::DeviceIndex index, size_t bytes) {
  if (bytes == 0) return nullptr;
  const SupaTorchDevice &device = device_of(index);
  uint64_t address = 0;
  if (bytes > static_cast<size_t>(device.capacity_bytes) || !within_share(index, static_cast<int64_t>(bytes)) ||
      supa_allocate(device.region, static_cast<int64_t>(bytes), 1, &address) != SUPA_OK) {
    refuse_memory(index, static_cast<int64_t>(bytes));
  }
  counters[index].allocations.fetch_add(1, std::memory_order_relaxed);
  return reinterpret_cast<void *>(address);
}

inline void give_memory(void *data) {
  const c10::DeviceIndex index = data == nullptr ? -1 : holder_of(data);
  if (index < 0) return;
  supa_free(state.devices[index].region, reinterpret_cast<uint64_t>(data));
  counters[index].frees.fetch_add(1, std::memory_order_relaxed);
}

class DeviceMemory final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void *data = take_memory(chosen.device, bytes);
    return {data, data, &give_memory, c10::Device(kDevice, chosen.device)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_memory; }
  void copy_data(void *to, const void *from, size_t bytes) const override {
    if (state.compute) default_copy_data(to, from, bytes);
  }
  bool initialized() override { return state.count > 0; }
  void emptyCache(c10::MempoolId_t) override {
    for (int32_t index = 0; index < state.count; ++index) supa_release_cached(state.devices[index].region);
  }
  void recordStream(const c10::DataPtr &, c10::Stream) override {}  // a launch has run when its call returns
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex index) override {
    SupaMemory use;
    supa_memory(device_of(index).region, &use);
    c10::CachingDeviceAllocator::DeviceStats found;
    const int64_t reserved = use.allocated_bytes + use.cached_bytes;
    int64_t peak = counters[index].reserved_peak;
    while (reserved > peak && !counters[index].reserved_peak.compare_exchange_weak(peak, reserved)) {
    }
    auto set = [](c10::CachingAllocator::StatArray &stat, int64_t current, int64_t most) {
      stat[0].current = current;
      stat[0].peak = std::max(current, most);
      stat[0].allocated = current;
    };
    set(found.allocated_bytes, use.allocated_bytes, use.peak_bytes);
    set(found.active_bytes, use.allocated_bytes, use.peak_bytes);
    set(found.requested_bytes, use.allocated_bytes, use.peak_bytes);
    set(found.reserved_bytes, reserved, std::max<int64_t>(counters[index].reserved_peak, use.peak_bytes));
    set(found.allocation, use.live_count, use.live_count);
    set(found.active, use.live_count, use.live_count);
    found.allocation[0].allocated = counters[index].allocations;
    found.allocation[0].freed = counters[index].frees;
    found.num_device_alloc = counters[index].allocations;
    found.num_device_free = counters[index].frees;
    found.num_ooms = counters[index].out_of_memory;
    return found;
  }
  void resetAccumulatedStats(c10::DeviceIndex index) override {
    device_of(index);
    counters[index].allocations = counters[index].frees = counters[index].out_of_memory = 0;
  }
  void resetPeakStats(c10::DeviceIndex index) override {
    supa_reset_peak(device_of(index).region);
    counters[index].reserved_peak = 0;
  }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex index) override {
    SupaMemory use;
    supa_memory(device_of(index).region, &use);
    return {static_cast<size_t>(use.capacity_bytes - use.allocated_bytes), static_cast<size_t>(use.capacity_bytes)};
  }
};

inline DeviceMemory device_memory;

// While one of these lives, what this thread allocates for host tensors lies in a device's memory.
class ResultsOnDevice {
 public:
  explicit ResultsOnDevice(c10::DeviceIndex index) : before_(current) { current = index; }
  ~ResultsOnDevice() { current = before_; }
  ResultsOnDevice(const ResultsOnDevice &) = delete;
  ResultsOnDevice &operator=(const ResultsOnDevice &) = delete;
  static inline thread_local c10::DeviceIndex current = -1;

 private:
  c10::DeviceIndex before_;
};

// The process's host allocator, with `ResultsOnDevice` built in. Memory of both kinds may be given back through either
// of its deleters: libraries allocate raw and free raw.
class HostMemory final : public c10::Allocator {
 public:
  explicit HostMemory(c10::Allocator *stock) : stock_(stock), stock_delete_(stock->raw_deleter()) { self_ = this; }
  c10::DataPtr allocate(size_t bytes) override {
    const c10::DeviceIndex index = ResultsOnDevice::current;
    if (index < 0 || bytes == 0) return stock_->allocate(bytes);
    void *data = take_memory(index, bytes);
    return {data, data, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void *to, const void *from, size_t bytes) const override { default_copy_data(to, from, bytes); }
  static void give_back(void *data) {
    if (data == nullptr) return;
    if (holder_of(data) >= 0) give_memory(data);
    else self_->stock_delete_(data);
  }

 private:
  c10::Allocator *stock_;
  c10::DeleterFnPtr stock_delete_;
  static inline HostMemory *self_ = nullptr;
};

// Page-locked host memory: on this machine ordinary memory that is remembered, so that its transfers cost less.
class PinnedMemory final : public at::HostAllocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void *data = nullptr;
    TORCH_CHECK(posix_memalign(&data, 4096, std::max<size_t>(bytes, 1)) == 0, "the host has no memory for ",
                describe_bytes(static_cast<int64_t>(bytes)), " of pinned memory");
    std::lock_guard<std::mutex> lock(mutex());
    live()[reinterpret_cast<uint64_t>(data)] = std::max<size_t>(bytes, 1);
    return {data, data, &forget, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &forget; }
  void copy_data(void *to, const void *from, size_t bytes) const override { default_copy_data(to, from, bytes); }
  bool record_event(void *, void *, c10::Stream) override { return true; }
  void empty_cache() override {}
  at::HostStats get_stats() override { return {}; }
  void reset_accumulated_stats() override {}
  void reset_peak_stats() override {}

  static bool holds(const void *data) {
    std::lock_guard<std::mutex> lock(mutex());
    auto next = live().upper_bound(reinterpret_cast<uint64_t>(data));
    if (next == live().begin()) return false;
    --next;
    return reinterpret_cast<uint64_t>(data) - next->first < next->second;
  }

 private:
  static void forget(void *data) {
    {
      std::lock_guard<std::mutex> lock(mutex());
      live().erase(reinterpret_cast<uint64_t>(data));
    }
    std::free(data);
  }
  static std::mutex &mutex() {
    static std::mutex one;
    return one;
  }
  static std::map<uint64_t, size_t> &live() {
    static auto *all = new std::map<uint64_t, size_t>;  // tensors may outlive static storage
    return *all;
  }
};

inline PinnedMemory pinned_memory;

}  // namespace supa_torch
