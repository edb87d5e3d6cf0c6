// What the host did that costs device time, in order, until Python puts it on the clock (`traffic.py`): transfers over
// the host bus, copies and fills inside the device, operators run on the host. Not here: the clock, prices in words.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "state.h"

extern "C" {
typedef struct SupaTorchEntry {
  int64_t stream;
  int32_t kind;
  int32_t name;       // index of its name: see supa_torch_name
  int64_t count;      // how many in a row
  int64_t down_bytes; // from the device to the host
  int64_t up_bytes;   // from the host to the device; for work inside the device, bytes read and written
  int64_t down_ps, up_ps;
  int64_t host_ns;
  int64_t asked_by;   // the operator that a profiler knows it by, or 0
} SupaTorchEntry;
}

namespace supa_torch {

enum Kind : int32_t {
  kHostOperator = 0,  // down, computed on the host, up again: the host waits for the way down
  kDown = 1,          // the host waits
  kDownLater = 2,     // it does not
  kUp = 3,
  kUpLater = 4,
  kInside = 5,        // by the device itself
  kKernel = 6,        // a launch; its name is the launch's number
};

// The operators that a profiler has marked on this thread, the innermost last.
inline thread_local std::vector<int64_t> correlations;

inline int64_t correlation() { return correlations.empty() ? 0 : correlations.back(); }

class Ledger {
 public:
  void add(SupaTorchEntry entry) {
    entry.asked_by = correlation();
    std::lock_guard<std::mutex> lock(mutex_);
    if (!entries_.empty()) {
      SupaTorchEntry &last = entries_.back();
      if (last.stream == entry.stream && last.kind == entry.kind && last.name == entry.name &&
          last.asked_by == entry.asked_by) {
        last.count += entry.count;
        last.down_bytes += entry.down_bytes;
        last.up_bytes += entry.up_bytes;
        last.down_ps += entry.down_ps;
        last.up_ps += entry.up_ps;
        last.host_ns += entry.host_ns;
        return;
      }
    }
    entries_.push_back(entry);
    size_.store(entries_.size(), std::memory_order_relaxed);
  }

  int64_t size() const { return static_cast<int64_t>(size_.load(std::memory_order_relaxed)); }

  int64_t take(SupaTorchEntry *out, int64_t capacity) {
    std::lock_guard<std::mutex> lock(mutex_);
    const int64_t count = std::min<int64_t>(capacity, static_cast<int64_t>(entries_.size()));
    std::copy_n(entries_.begin(), count, out);
    entries_.erase(entries_.begin(), entries_.begin() + count);
    size_.store(entries_.size(), std::memory_order_relaxed);
    return count;
  }

 private:
  std::mutex mutex_;
  std::atomic<size_t> size_{0};
  std::vector<SupaTorchEntry> entries_;
};

inline Ledger ledgers[kMostDevices];

class Names {
 public:
  int32_t number(const std::string &name) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto [place, fresh] = numbers_.try_emplace(name, static_cast<int32_t>(names_.size()));
    if (fresh) names_.push_back(&place->first);
    return place->second;
  }

  const char *name(int32_t number) {
    std::lock_guard<std::mutex> lock(mutex_);
    return names_.at(static_cast<size_t>(number))->c_str();
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, int32_t> numbers_;  // its keys do not move
  std::vector<const std::string *> names_;
};

inline Names names;

// A program that never asks for the time must not fill the host's memory: Python settles a long ledger in between.
// Call it with no lock held: it takes the interpreter's.
inline void settle_if_long(c10::DeviceIndex index) {
  constexpr int64_t kLong = 1 << 14;
  if (ledgers[index].size() > kLong && state.clock_runs) state.clock.stream_passed(index, 0);
}

inline int64_t scaled_ps(int64_t bytes, int64_t ps_per_mib) {
  return static_cast<int64_t>(static_cast<__int128>(bytes) * ps_per_mib >> 20);
}

inline int64_t bus_ps(const SupaTorchDevice &device, int64_t bytes, bool pinned) {
  if (bytes == 0) return 0;
  return device.bus_latency_ps + scaled_ps(bytes, pinned ? device.bus_ps_per_mib : device.bus_pageable_ps_per_mib);
}

inline void note_transfer(c10::DeviceIndex index, Kind kind, int64_t bytes, bool pinned) {
  static const int32_t down = names.number("copy: device to host"), up = names.number("copy: host to device");
  const bool is_down = kind == kDown || kind == kDownLater;
  const int64_t time_ps = bus_ps(device_of(index), bytes, pinned);
  ledgers[index].add({chosen.streams[index], kind, is_down ? down : up, 1, is_down ? bytes : 0, is_down ? 0 : bytes,
                      is_down ? time_ps : 0, is_down ? 0 : time_ps, 0});
}

inline void note_inside(c10::DeviceIndex index, int32_t name, int64_t bytes) {
  const SupaTorchDevice &device = device_of(index);
  const int64_t time_ps = device.device_latency_ps + scaled_ps(bytes, device.device_ps_per_mib);
  ledgers[index].add({chosen.streams[index], kInside, name, 1, 0, bytes, 0, time_ps, 0});
}

// Between two devices: both streams take part, so Python puts it on the clock at once.
inline void note_peer(c10::DeviceIndex from, c10::DeviceIndex to, int64_t bytes, int64_t host_ns) {
  if (state.clock_runs) state.clock.peer(from, chosen.streams[from], to, chosen.streams[to], bytes, host_ns);
}

inline void note_host_operator(c10::DeviceIndex index, int32_t name, int64_t down, int64_t up, int64_t host_ns) {
  const SupaTorchDevice &device = device_of(index);
  ledgers[index].add({chosen.streams[index], kHostOperator, name, 1, down, up, bus_ps(device, down, false),
                      bus_ps(device, up, false), host_ns});
}

}  // namespace supa_torch
