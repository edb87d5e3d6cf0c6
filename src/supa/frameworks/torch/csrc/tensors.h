// Operators that every device brings itself: making tensors, views, copies, fills, single values. Not here: arithmetic.
#pragma once

#include <limits>

#include <ATen/native/Resize.h>
#include <ATen/native/TensorFactories.h>
#include <ATen/ops/_efficientzerotensor_native.h>
#include <ATen/ops/_local_scalar_dense_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_as_complex_native.h>
#include <ATen/ops/view_as_real_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/DeviceGuard.h>

#include "host.h"

namespace supa_torch {

using OptionalDevice = std::optional<c10::Device>;

inline c10::Device device_or_current(const OptionalDevice &device) {
  const c10::DeviceIndex index = device.has_value() ? index_or_current(*device) : chosen.device;
  device_of(index);
  return {kDevice, index};
}

inline at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout> layout,
                        OptionalDevice device, std::optional<bool> pin, std::optional<at::MemoryFormat> format) {
  TORCH_CHECK(at::layout_or_default(layout) == at::kStrided, "supa has strided tensors only, found layout ", *layout);
  TORCH_CHECK(!at::pinned_memory_or_default(pin), "Only dense CPU tensors can be pinned");
  const c10::DeviceGuard guard(device_or_current(device));
  return at::detail::empty_generic(size, &device_memory, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   at::dtype_or_default(dtype), format);
}

inline at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> dtype,
                                std::optional<at::Layout> layout, OptionalDevice device, std::optional<bool> pin) {
  TORCH_CHECK(at::layout_or_default(layout) == at::kStrided, "supa has strided tensors only, found layout ", *layout);
  TORCH_CHECK(!at::pinned_memory_or_default(pin), "Only dense CPU tensors can be pinned");
  const c10::DeviceGuard guard(device_or_current(device));
  return at::detail::empty_strided_generic(size, stride, &device_memory,
                                           c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), at::dtype_or_default(dtype));
}

inline at::Tensor zero_tensor(at::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                              OptionalDevice device, std::optional<bool>) {
  at::native::ZeroTensorAllocator allocator(device_or_current(device));
  const auto keys = c10::DispatchKeySet(c10::DispatchKey::PrivateUse1) | c10::DispatchKeySet(c10::DispatchKey::ZeroTensor);
  return at::detail::empty_generic(size, &allocator, keys, at::dtype_or_default(dtype), std::nullopt);
}

inline const at::Tensor &resize(const at::Tensor &self, at::IntArrayRef size, std::optional<at::MemoryFormat> format) {
  const c10::DeviceGuard guard(self.device());
  return at::native::resize_(self, size, format);
}

inline at::Tensor &set_empty(at::Tensor &self) {
  c10::Storage storage(c10::Storage::use_byte_size_t(), 0, c10::DataPtr(nullptr, self.device()), &device_memory, true);
  return self.set_(std::move(storage), 0, {0}, {});
}

inline at::Tensor &set_storage(at::Tensor &self, c10::Storage source, int64_t offset, at::IntArrayRef size,
                               at::IntArrayRef stride) {
  const c10::DeviceGuard guard(self.device());
  return at::native::set_storage_cpu_(self, std::move(source), offset, size, stride);
}

inline bool is_set_to(const at::Tensor &self, const at::Tensor &other) {
  return self.unsafeGetTensorImpl()->storage().unsafeGetStorageImpl() ==
             other.unsafeGetTensorImpl()->storage().unsafeGetStorageImpl() &&
         self.storage_offset() == other.storage_offset() && self.sizes() == other.sizes() &&
         self.strides() == other.strides();
}

// Bytes from `from` to `to`, either of which may be the device's.
inline void move_values(const at::Tensor &to, const at::Tensor &from, bool non_blocking) {
  if (!state.compute) return;
  const bool plain = to.scalar_type() == from.scalar_type() && to.sizes() == from.sizes() && to.is_contiguous() &&
                     from.is_contiguous() && to.is_conj() == from.is_conj() && to.is_neg() == from.is_neg();
  constexpr int64_t kAloneBytes = 1 << 18;  // beyond it, more than one thread helps
  if (plain && size_bytes(to) <= kAloneBytes) {
    std::memmove(to.mutable_data_ptr(), from.const_data_ptr(), static_cast<size_t>(size_bytes(to)));
    return;
  }
  at::AutoDispatchBelowADInplaceOrView below;
  on_host(to).copy_(on_host(from), non_blocking);
}

// Inside a call that Python is asked for, copies and fills are kernels too: part of its recipe. False: not this one.
inline bool as_kernel(const char *name, const char *overload, torch::jit::Stack stack) {
  if (asked.empty()) return false;
  const c10::OperatorHandle op = c10::Dispatcher::singleton().findSchemaOrThrow(name, overload);
  const Asking asking(nullptr);
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::PrivateUse2), &stack);
  if (!asking.declined()) return true;
  taint();
  return false;
}

inline at::Tensor &fill(at::Tensor &self, const at::Scalar &value) {
  static const int32_t name = names.number("fill");
  if (self.numel() == 0 || as_kernel("aten::fill_", "Scalar", {self, value})) return self;
  if (state.compute) {
    at::AutoDispatchBelowADInplaceOrView below;
    host_alias(self).fill_(value);
  }
  note_inside(self.device().index(), name, size_bytes(self));
  return self;
}

inline at::Tensor &arange(const at::Scalar &start, const at::Scalar &end, const at::Scalar &step, at::Tensor &out) {
  static const int32_t name = names.number("arange");
  const at::Tensor values = at::arange(start, end, step, at::TensorOptions(out.scalar_type()).device(at::kCPU));
  if (out.sizes() != values.sizes()) out.resize_(values.sizes());
  if (out.numel() == 0 || as_kernel("aten::arange", "start_out", {start, end, step, out})) return out;
  if (state.compute) host_alias(out).copy_(values);
  note_inside(out.device().index(), name, size_bytes(out));
  return out;
}

inline at::Tensor &zero(at::Tensor &self) { return fill(self, 0); }

// What the program reads in mode `time`, where nothing is computed: NaN for floating point, which decides nothing in
// silence; integers and conditions, on which programs branch, are refused.
inline double unknown_value(const at::Tensor &tensor) {
  const bool floating = at::isFloatingType(tensor.scalar_type()) || at::isComplexType(tensor.scalar_type());
  TORCH_CHECK_NOT_IMPLEMENTED(floating, "In mode time there are no values: the program asked for one of a tensor of ",
                              tensor.scalar_type(), " on ", tensor.device(),
                              " (item, a condition, printing, a copy to the host). Run it in mode both.");
  TORCH_WARN_ONCE("In mode time there are no values: what the program reads of a tensor on ", tensor.device(), " is nan.");
  return std::numeric_limits<double>::quiet_NaN();
}

inline at::Tensor copy_from(const at::Tensor &from, const at::Tensor &to, bool non_blocking) {
  static const int32_t inside = names.number("copy: inside the device");
  if (to.numel() == 0) return to;
  if (!asked.empty()) {
    if (from.device() == to.device()) {
      if (as_kernel("aten::_copy_from", "", {to.is_same(from) ? from.detach() : from, to, non_blocking})) return to;
    } else if (from.device().is_cpu() && from.numel() == 1) {  // a constant of the operator
      at::Tensor target = to;
      fill(target, from.item());
      return to;
    } else {
      taint();
    }
  }
  const int64_t start_ns = now_ns();
  if (!state.compute && !to.is_privateuseone()) {
    const double nothing = unknown_value(from);
    at::AutoDispatchBelowADInplaceOrView below;
    const_cast<at::Tensor &>(to).fill_(nothing);
  }
  move_values(to, from.sizes() == to.sizes() ? from : from.expand(to.sizes()), non_blocking);
  if (!from.is_privateuseone()) {
    const bool pinned = PinnedMemory::holds(from.const_data_ptr());
    note_transfer(to.device().index(), non_blocking && pinned ? kUpLater : kUp, size_bytes(from), pinned);
  } else if (!to.is_privateuseone()) {
    const bool pinned = PinnedMemory::holds(to.const_data_ptr());
    note_transfer(from.device().index(), non_blocking && pinned ? kDownLater : kDown, size_bytes(to), pinned);
  } else if (from.device() == to.device()) {
    note_inside(from.device().index(), inside, size_bytes(from) + size_bytes(to));
  } else {
    note_peer(from.device().index(), to.device().index(), size_bytes(to), now_ns() - start_ns);
  }
  return to;
}

inline at::Tensor copy_from_and_resize(const at::Tensor &from, const at::Tensor &to) {
  to.resize_(from.sizes());
  return copy_from(from, to, false);
}

inline at::Scalar single_value(const at::Tensor &self) {
  TORCH_CHECK(self.numel() > 0, "_local_scalar_dense: Empty tensor not supported");
  taint();
  note_transfer(self.device().index(), kDown, static_cast<int64_t>(self.element_size()), false);
  settle_if_long(self.device().index());
  if (!state.compute) return unknown_value(self);
  return at::native::_local_scalar_dense_cpu(host_alias(self));
}

inline at::Tensor view(const at::Tensor &self, at::IntArrayRef size) { return at::native::view(self, size); }

inline void record_stream(at::Tensor &, c10::Stream) {}  // a launch has run when its call returns

using Sizes = at::IntArrayRef;

inline at::Tensor convolution(const at::Tensor &input, const at::Tensor &weight, const std::optional<at::Tensor> &bias,
                              Sizes stride, Sizes padding, Sizes dilation, bool transposed, Sizes output_padding,
                              int64_t groups) {
  static const HostOperator facts{names.number("host: aten::convolution"), "aten::convolution"};
  refuse_strictly(facts);
  taint();
  HostCall call(facts);
  const at::Tensor in = call.take(input, false, false), filter = call.take(weight, false, false);
  const at::Tensor added = bias.has_value() ? call.take(*bias, false, false) : at::Tensor();
  call.check();
  at::Tensor out;
  const int64_t start = now_ns();
  {
    ResultsOnDevice results(state.compute ? call.index() : static_cast<c10::DeviceIndex>(-1));
    at::AutoDispatchBelowADInplaceOrView below;
    out = at::convolution(in, filter, added, stride, padding, dilation, transposed, output_padding, groups);
  }
  const int64_t took_ns = now_ns() - start;
  out = call.give(out);
  call.note(took_ns);
  return out;
}

inline std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor &grad, const at::Tensor &input, const at::Tensor &weight, Sizes stride, Sizes padding, Sizes dilation,
    bool transposed, Sizes output_padding, int64_t groups, std::array<bool, 3> mask) {
  static const HostOperator facts{names.number("host: aten::convolution_backward"), "aten::convolution_backward"};
  refuse_strictly(facts);
  taint();
  HostCall call(facts);
  const at::Tensor out = call.take(grad, false, false), in = call.take(input, false, false);
  const at::Tensor filter = call.take(weight, false, false);
  call.check();
  const int64_t channels = grad.size(1);
  std::tuple<at::Tensor, at::Tensor, at::Tensor> grads;
  const int64_t start = now_ns();
  {
    ResultsOnDevice results(state.compute ? call.index() : static_cast<c10::DeviceIndex>(-1));
    at::AutoDispatchBelowADInplaceOrView below;
    grads = at::convolution_backward(out, in, filter, at::IntArrayRef(channels), stride, padding, dilation, transposed,
                                     output_padding, groups, mask);
  }
  const int64_t took_ns = now_ns() - start;
  grads = {call.give(std::get<0>(grads)), call.give(std::get<1>(grads)), call.give(std::get<2>(grads))};
  call.note(took_ns);
  return grads;
}

// Whether `self.data = from` is possible: dense tensors of the host and of the device may become each other, so that
// `Module.to` moves parameters in their place, shared ones and those that an optimizer holds too.
inline bool may_become(const at::Tensor &self, const at::Tensor &from) {
  const auto is_dense = [](c10::DispatchKeySet keys) {
    constexpr c10::DispatchKeySet kDense(c10::DispatchKey::Dense);
    constexpr c10::DispatchKeySet kBackends({c10::BackendComponent::CPUBit, c10::BackendComponent::PrivateUse1Bit});
    return keys.has_any(kDense) && keys.has_any(kBackends);
  };
  const c10::DispatchKeySet own = self.key_set(), other = from.key_set();
  return own == other || (is_dense(own) && is_dense(other));
}

}  // namespace supa_torch
