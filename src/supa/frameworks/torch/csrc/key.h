// What an operator's arguments are, without their memory: two calls with equal keys run the same kernels with the same
// grids. Not here: what is run (`replay.h`).
#pragma once

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "state.h"

namespace supa_torch {

using Words = c10::SmallVector<uint64_t, 64>;

class Key {
 public:
  Words words;
  c10::SmallVector<const at::Tensor *, 8> tensors;  // the device's, in order, lists flattened
  c10::DeviceIndex index = -1;
  bool repeats = true;  // false: what it runs depends on more than this

  // With `open_scalars`, numbers given as Scalar to operators of fp32, fp16 or bf16 tensors count only by their kind: a
  // kernel takes them as arguments.
  Key(const c10::OperatorHandle &op, const torch::jit::Stack &stack, size_t count, bool open_scalars) {
    words.push_back(reinterpret_cast<uintptr_t>(&op.schema()));
    words.push_back(static_cast<uint64_t>(at::globalContext().float32MatmulPrecision()) << 1 |
                    at::globalContext().deterministicAlgorithms());
    const auto &arguments = op.schema().arguments();
    open_scalars = open_scalars && takes_fp32(stack, count);
    for (size_t one = 0; one < count; ++one) {
      const c10::IValue &value = stack[stack.size() - count + one];
      const bool open =
          open_scalars && (value.isTensor() || arguments[one].type()->kind() == c10::TypeKind::NumberType ||
                           arguments[one].type()->kind() == c10::TypeKind::FloatType);
      add(value, open);
    }
  }

  uint64_t hash() const {
    uint64_t value = 0x9e3779b97f4a7c15ull;
    for (const uint64_t word : words) value = (value ^ word) * 0xff51afd7ed558ccdull, value ^= value >> 32;
    return value;
  }

 private:
  static bool takes_fp32(const torch::jit::Stack &stack, size_t count) {
    bool some = false;
    for (size_t one = stack.size() - count; one < stack.size(); ++one) {
      if (!stack[one].isTensor() || !stack[one].toTensor().is_privateuseone()) continue;
      const at::ScalarType type = stack[one].toTensor().scalar_type();
      if (type == at::kDouble || at::isComplexType(type)) return false;
      some |= at::isFloatingType(type);
    }
    return some;
  }

  void add(const c10::IValue &value, bool open) {
    if (value.isTensor()) return add(value.toTensor(), open);
    if (value.isNone()) return words.push_back(1);
    if (value.isInt()) return pair(2, open ? 0 : static_cast<uint64_t>(value.toInt()));
    if (value.isDouble()) return pair(3, open ? 0 : bits(value.toDouble()));
    if (value.isBool()) return pair(4, value.toBool());
    if (value.isIntList()) return list(5, value.toIntVector());
    if (value.isDevice()) return pair(6, static_cast<uint64_t>(value.toDevice().type()) << 8 | (value.toDevice().index() & 0xff));
    if (value.isTensorList()) return tensors_of(value);
    if (value.isOptionalTensorList()) return optional_tensors_of(value);
    if (value.isBoolList()) {
      words.push_back(9);
      for (const bool one : value.toBoolList()) words.push_back(one);
      return;
    }
    if (value.isString()) return pair(10, std::hash<std::string>{}(value.toStringRef()));
    repeats = false;  // generators, complex numbers, symbols
  }

  void add(const at::Tensor &tensor, bool open) {
    if (!tensor.defined()) return words.push_back(11);
    const c10::TensorImpl *impl = tensor.unsafeGetTensorImpl();
    if (!tensor.is_privateuseone()) {  // a number that torch wrapped, or a host tensor of one value
      if (!open || !tensor.device().is_cpu() || impl->dim() != 0) repeats = false;
      return words.push_back(13 | static_cast<uint64_t>(tensor.scalar_type()) << 8 |
                             static_cast<uint64_t>(impl->is_wrapped_number()) << 16);
    }
    tensors.push_back(&tensor);
    if (index < 0) index = tensor.device().index();
    else if (index != tensor.device().index()) repeats = false;
    if (impl->is_conj() || impl->is_neg() || !impl->has_storage() || impl->key_set().has(c10::DispatchKey::ZeroTensor)) {
      repeats = false;
      return;
    }
    const int64_t offset = impl->storage_offset() * static_cast<int64_t>(impl->itemsize());
    const auto address = reinterpret_cast<uintptr_t>(impl->storage().data()) + static_cast<uintptr_t>(offset);
    words.push_back(12 | static_cast<uint64_t>(tensor.scalar_type()) << 8 | static_cast<uint64_t>(impl->dim()) << 16 |
                    static_cast<uint64_t>(address % 16) << 32 | static_cast<uint64_t>(index) << 40 |
                    static_cast<uint64_t>(impl->is_wrapped_number()) << 48);
    for (const int64_t size : impl->sizes()) words.push_back(static_cast<uint64_t>(size));
    for (const int64_t stride : impl->strides()) words.push_back(static_cast<uint64_t>(stride));
  }

  void tensors_of(const c10::IValue &value) {
    const auto &list = value.toListRef();
    pair(7, list.size());
    for (const c10::IValue &one : list) add(one.toTensor(), false);
  }

  void optional_tensors_of(const c10::IValue &value) {
    const auto &list = value.toListRef();
    pair(8, list.size());
    for (const c10::IValue &one : list) add(one, false);
  }

  void list(uint64_t kind, const std::vector<int64_t> &values) {
    pair(kind, values.size());
    for (const int64_t one : values) words.push_back(static_cast<uint64_t>(one));
  }

  void pair(uint64_t kind, uint64_t value) {
    words.push_back(kind);
    words.push_back(value);
  }

  static uint64_t bits(double value) {
    uint64_t found;
    std::memcpy(&found, &value, sizeof found);
    return found;
  }
};

}  // namespace supa_torch
