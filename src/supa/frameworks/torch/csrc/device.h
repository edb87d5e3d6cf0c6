// Torch's view of the devices: guard, streams and events, hooks. Not here: memory, operators.
#pragma once

#include <cmath>

#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "generator.h"
#include "ledger.h"
#include "memory.h"
#include "state.h"

namespace supa_torch {

class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  static constexpr c10::DeviceType static_type = kDevice;
  Guard() = default;
  explicit Guard(c10::DeviceType) {}

  c10::DeviceType type() const override { return kDevice; }
  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device before(kDevice, chosen.device);
    setDevice(device);
    return before;
  }
  c10::Device getDevice() const override { return {kDevice, chosen.device}; }
  void setDevice(c10::Device device) const override {
    if (device.index() >= 0) choose_device(device.index());
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.index() >= 0 && device.index() < state.count) choose_device(device.index());
  }
  c10::DeviceIndex deviceCount() const noexcept override { return static_cast<c10::DeviceIndex>(state.count.load()); }
  c10::DeviceCapability getDeviceCapability(c10::Device) const override { return {}; }

  c10::Stream getStream(c10::Device device) const override { return stream(index_or_current(device), true); }
  c10::Stream getDefaultStream(c10::Device device) const override { return stream(index_or_current(device), false); }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool) const override { return getNewStream(device, 0); }
  c10::Stream getNewStream(c10::Device device, int priority) const override {
    const c10::DeviceIndex index = index_or_current(device);
    device_of(index);
    const int64_t number = running().new_stream(index, priority);
    return c10::Stream(c10::Stream::UNSAFE, c10::Device(kDevice, index), number);
  }
  c10::Stream exchangeStream(c10::Stream next) const override {
    const c10::DeviceIndex index = next.device_index();
    device_of(index);
    const c10::Stream before = stream(index, true);
    if (chosen.streams[index] != next.id()) {
      chosen.streams[index] = next.id();
      tell_chosen(index);
    }
    return before;
  }
  void *getStreamNativeHandle(const c10::Stream stream) const override {
    return reinterpret_cast<void *>(static_cast<uintptr_t>(stream.id()));
  }
  bool queryStream(const c10::Stream &stream) const override {
    return running().stream_passed(stream.device_index(), stream.id()) != 0;
  }
  void synchronizeStream(const c10::Stream &stream) const override {
    running().await_stream(stream.device_index(), stream.id());
  }
  void synchronizeDevice(const c10::DeviceIndex index) const override {
    const c10::DeviceIndex asked = index < 0 ? chosen.device : index;
    device_of(asked);
    running().await_device(asked);
  }
  void recordDataPtrOnStream(const c10::DataPtr &, const c10::Stream &) const override {}

  void record(void **event, const c10::Stream &stream, const c10::DeviceIndex index, const c10::EventFlag) const override {
    TORCH_CHECK(index == -1 || index == stream.device_index(), "an event of supa:", static_cast<int>(index),
                " can not be recorded on a stream of supa:", static_cast<int>(stream.device_index()));
    if (*event == nullptr) *event = pointer(running().new_event(stream.device_index()));
    running().record(stream.device_index(), stream.id(), number(*event));
  }
  void block(void *event, const c10::Stream &stream) const override {
    if (event != nullptr) running().wait(stream.device_index(), stream.id(), number(event));
  }
  bool queryEvent(void *event) const override { return event == nullptr || running().event_passed(number(event)) != 0; }
  void synchronizeEvent(void *event) const override {
    if (event != nullptr) running().await_event(number(event));
  }
  void destroyEvent(void *event, const c10::DeviceIndex) const noexcept override {
    if (event != nullptr && state.clock_runs) state.clock.forget_event(number(event));
  }
  double elapsedTime(void *start, void *end, const c10::DeviceIndex) const override {
    TORCH_CHECK(start != nullptr && end != nullptr, "Both events must be recorded before calculating elapsed time.");
    const double milliseconds = running().elapsed_ms(number(start), number(end));
    TORCH_CHECK(!std::isnan(milliseconds), "elapsed time needs two recorded events of one device");
    return milliseconds;
  }

 private:
  static const SupaTorchClock &running() {
    TORCH_CHECK(state.clock_runs, "supa's clock does not run: Python has ended");
    return state.clock;
  }
  static c10::Stream stream(c10::DeviceIndex index, bool current) {
    device_of(index);
    return c10::Stream(c10::Stream::UNSAFE, c10::Device(kDevice, index), current ? chosen.streams[index] : 0);
  }
  static void *pointer(int64_t event) { return reinterpret_cast<void *>(static_cast<uintptr_t>(event)); }
  static int64_t number(void *event) { return static_cast<int64_t>(reinterpret_cast<uintptr_t>(event)); }
};

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return state.count > 0; }
  bool hasPrimaryContext(c10::DeviceIndex index) const override { return index < state.count; }
  c10::DeviceIndex deviceCount() const override { return static_cast<c10::DeviceIndex>(state.count.load()); }
  void setCurrentDevice(c10::DeviceIndex index) const override { choose_device(index); }
  c10::DeviceIndex getCurrentDevice() const override { return chosen.device; }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex index) const override {
    const c10::DeviceIndex before = chosen.device;
    if (index >= 0) choose_device(index);
    return before;
  }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex index) const override { return exchangeDevice(index); }
  const at::Generator &getDefaultGenerator(c10::DeviceIndex index) const override {
    return default_generator(index < 0 ? chosen.device : index);
  }
  at::Generator getNewGenerator(c10::DeviceIndex index) const override {
    return at::make_generator<Philox>(index < 0 ? chosen.device : index);
  }
  at::Device getDeviceFromPtr(void *data) const override {
    const c10::DeviceIndex index = holder_of(data);
    TORCH_CHECK(index >= 0, "the pointer ", data, " lies in no memory of supa");
    return {kDevice, index};
  }
  bool isPinnedPtr(const void *data) const override { return PinnedMemory::holds(data); }
  at::Allocator *getPinnedMemoryAllocator() const override { return &pinned_memory; }
  void resizePrivateUse1Bytes(const c10::Storage &storage, size_t bytes) const override {
    c10::impl::VirtualGuardImpl guard(kDevice);
    const c10::Device before = guard.exchangeDevice(storage.device());
    c10::DataPtr fresh = device_memory.allocate(bytes);
    guard.uncheckedSetDevice(before);
    const size_t kept = std::min(bytes, storage.nbytes());
    if (kept != 0 && state.compute) std::memcpy(fresh.get(), storage.data(), kept);
    storage.unsafeGetStorageImpl()->set_data_ptr_noswap(std::move(fresh));
    storage.unsafeGetStorageImpl()->set_nbytes(bytes);
  }
};

}  // namespace supa_torch
