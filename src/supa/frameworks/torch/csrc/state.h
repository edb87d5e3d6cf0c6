// What all parts of the extension share: the devices, the calling thread's device and streams, Python's answers.
// Not here: memory, operators.
#pragma once

#include <atomic>
#include <cstdint>

#include <c10/core/Device.h>
#include <c10/core/Stream.h>
#include <c10/util/Exception.h>

#include "supa_core.h"

extern "C" {

// The streams and events of the simulated clock live in Python (`supa.runtime.stream`); these reach them. A stream or
// an event is a number there; 0 is the default stream, and no event.
typedef struct SupaTorchClock {
  int64_t (*new_stream)(int32_t device, int32_t priority);
  int64_t (*new_event)(int32_t device);
  void (*forget_event)(int64_t event);
  void (*record)(int32_t device, int64_t stream, int64_t event);
  void (*wait)(int32_t device, int64_t stream, int64_t event);
  int32_t (*event_passed)(int64_t event);
  void (*await_event)(int64_t event);
  double (*elapsed_ms)(int64_t start, int64_t end);  // NaN: one was never recorded
  int32_t (*stream_passed)(int32_t device, int64_t stream);
  void (*await_stream)(int32_t device, int64_t stream);
  void (*await_device)(int32_t device);
  void (*chosen)(int32_t device, int64_t stream);  // the calling thread's device and its stream have changed
  void (*peer)(int32_t from, int64_t from_stream, int32_t to, int64_t to_stream, int64_t bytes, int64_t host_ns);
  void (*profile)(int32_t begins);  // a recording of the profiler begins, or ends
} SupaTorchClock;

// What moving bytes costs on a device: fixed picoseconds, and picoseconds for each MiB.
typedef struct SupaTorchDevice {
  SupaRegion *region;
  uint64_t base;
  int64_t capacity_bytes;
  int64_t bus_latency_ps;
  int64_t bus_ps_per_mib;           // pinned
  int64_t bus_pageable_ps_per_mib;
  int64_t device_latency_ps;        // a copy or a fill inside the device
  int64_t device_ps_per_mib;        // of each byte read or written
  char name[64];
} SupaTorchDevice;
}

namespace supa_torch {

constexpr c10::DeviceType kDevice = c10::DeviceType::PrivateUse1;
constexpr int kMostDevices = 64;

struct State {
  SupaTorchDevice devices[kMostDevices];
  std::atomic<int32_t> count{0};
  SupaTorchClock clock{};           // all null before the start and after the end of Python
  std::atomic<bool> clock_runs{false};
  bool compute = true;              // false: mode `time`, memory is never touched
  std::atomic<bool> strict{false};  // operators without a device kernel are errors
  std::atomic<bool> forked{false};  // this process is a fork of one that used a device
};

inline State state;

struct Chosen {
  c10::DeviceIndex device = 0;
  int64_t streams[kMostDevices] = {};
};

inline thread_local Chosen chosen;

inline const SupaTorchDevice &device_of(int64_t index) {
  TORCH_CHECK(!state.forked, "Cannot re-initialize supa in forked subprocess. To use supa with multiprocessing, you must "
                             "use the 'spawn' start method");
  TORCH_CHECK(index >= 0 && index < state.count, "invalid device supa:", index, ": there ",
              state.count == 1 ? "is 1 device" : "are " + std::to_string(state.count) + " devices", " (supa:0",
              state.count > 1 ? " to supa:" + std::to_string(state.count - 1) : "", ")");
  return state.devices[index];
}

inline c10::DeviceIndex index_or_current(c10::Device device) {
  return device.index() < 0 ? chosen.device : device.index();
}

inline void tell_chosen(c10::DeviceIndex device) {
  if (state.clock_runs) state.clock.chosen(device, chosen.streams[device]);
}

inline void choose_device(c10::DeviceIndex index) {
  if (index == chosen.device) return;
  device_of(index);
  chosen.device = index;
  tell_chosen(index);
}

}  // namespace supa_torch
