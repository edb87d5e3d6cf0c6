// Lets a torch that was built without CUDA answer requests for "cuda" devices with ours: for programs written for
// NVIDIA GPUs. Nothing here happens unless it is asked for. Not here: what Python shows such programs (`as_cuda.py`).
#pragma once

#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "device.h"

namespace supa_torch {

constexpr c10::DeviceType kCuda = c10::DeviceType::CUDA;

inline c10::Device ours(c10::Device device) {
  return device.type() == kCuda ? c10::Device(kDevice, device.index()) : device;
}

// The guard of "cuda": ours under another name. It keeps torch's own code from failing where it only wants to set the
// current device; streams and events of tensors are those of the tensors' device, which is ours.
class CudaGuard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return kCuda; }
  c10::Device exchangeDevice(c10::Device device) const override { return theirs(own_.exchangeDevice(ours(device))); }
  c10::Device getDevice() const override { return theirs(own_.getDevice()); }
  void setDevice(c10::Device device) const override { own_.setDevice(ours(device)); }
  void uncheckedSetDevice(c10::Device device) const noexcept override { own_.uncheckedSetDevice(ours(device)); }
  c10::DeviceIndex deviceCount() const noexcept override { return own_.deviceCount(); }
  c10::Stream getStream(c10::Device device) const override { return theirs(own_.getStream(ours(device))); }
  c10::Stream getDefaultStream(c10::Device device) const override { return theirs(own_.getDefaultStream(ours(device))); }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    return theirs(own_.exchangeStream(c10::Stream(c10::Stream::UNSAFE, ours(stream.device()), stream.id())));
  }
  void synchronizeDevice(const c10::DeviceIndex index) const override { own_.synchronizeDevice(index); }

 private:
  static c10::Device theirs(c10::Device device) { return {kCuda, device.index()}; }
  static c10::Stream theirs(c10::Stream stream) {
    return c10::Stream(c10::Stream::UNSAFE, theirs(stream.device()), stream.id());
  }
  Guard own_;
};

// Any operator asked for on a "cuda" device: the same with the device's name changed. Composite operators take their own
// way and end here with the memory that they need.
inline void run_for_cuda(const c10::OperatorHandle &op, torch::jit::Stack *stack) {
  const size_t count = op.schema().arguments().size();
  bool asked_for = false;
  for (size_t index = stack->size() - count; index < stack->size(); ++index) {
    c10::IValue &value = (*stack)[index];
    if (value.isDevice() && value.toDevice().type() == kCuda) {
      value = ours(value.toDevice());
      asked_for = true;
    }
  }
  TORCH_CHECK(asked_for, op.operator_name(), " was called for a tensor on cuda, and there is none: this torch has no CUDA");
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), stack);
}

// Returns whether "cuda" is ours from now on: not where torch has a CUDA of its own.
inline bool answer_for_cuda() {
  static bool answered = false;
  if (answered) return true;
  if (c10::impl::hasDeviceGuardImpl(kCuda)) return false;
  static CudaGuard guard;
  c10::impl::device_guard_impl_registry[static_cast<size_t>(kCuda)].store(&guard);
  static torch::Library library(torch::Library::IMPL, "_", c10::DispatchKey::CUDA, __FILE__, __LINE__);
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&run_for_cuda>());
  return answered = true;
}

}  // namespace supa_torch
