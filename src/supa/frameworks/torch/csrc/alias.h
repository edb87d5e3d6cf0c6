// The same bytes as a host tensor and back: aliases of device tensors, results of host operators as device tensors.
// Not here: which operators run on the host (`host.h`).
#pragma once

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <c10/core/CPUAllocator.h>

#include "memory.h"
#include "state.h"

namespace supa_torch {

inline c10::Storage host_storage(const at::Tensor &tensor, c10::DeviceType type) {
  void *data = type == c10::DeviceType::CPU ? tensor.storage().mutable_data() : nullptr;
  return {c10::make_intrusive<c10::StorageImpl>(
      c10::StorageImpl::use_byte_size_t(), tensor.storage().nbytes(), c10::DataPtr(data, c10::Device(type)),
      type == c10::DeviceType::CPU ? c10::GetCPUAllocator() : c10::GetAllocator(type), true)};
}

// A host tensor (CPU, or Meta where memory is never touched) over the bytes of a device tensor, on `storage`.
inline at::Tensor alias_on(c10::Storage storage, const at::Tensor &tensor) {
  const c10::DispatchKey key =
      storage.device_type() == c10::DeviceType::CPU ? c10::DispatchKey::CPU : c10::DispatchKey::Meta;
  at::Tensor alias = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), tensor.dtype());
  c10::TensorImpl *impl = alias.unsafeGetTensorImpl();
  const c10::TensorImpl *own = tensor.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(own->sizes(), own->strides(), own->storage_offset());
  if (own->is_conj()) impl->_set_conj(true);
  if (own->is_neg()) impl->_set_neg(true);
  if (own->is_wrapped_number()) impl->set_wrapped_number(true);
  return alias;
}

inline at::Tensor host_alias(const at::Tensor &tensor) {
  return alias_on(host_storage(tensor, c10::DeviceType::CPU), tensor);
}

// A tensor as the host sees it: a device tensor's alias, a host tensor itself.
inline at::Tensor on_host(const at::Tensor &tensor) {
  return tensor.is_privateuseone() ? host_alias(tensor) : tensor;
}

inline void release_storage(void *context) {
  auto *storage = static_cast<c10::StorageImpl *>(context);
  c10::raw::intrusive_ptr::decref(storage);
}

// Device memory that holds a host result: the result's own where it lies on the device, else a copy of it.
inline c10::Storage device_storage(const c10::Storage &host, c10::DeviceIndex index) {
  const size_t bytes = host.nbytes();
  const c10::Device device(kDevice, index);
  c10::DataPtr data;
  void *bytes_at = host.device_type() == c10::DeviceType::CPU ? host.mutable_data() : nullptr;
  if (bytes_at != nullptr && holder_of(bytes_at) == index) {
    c10::StorageImpl *kept = host.unsafeGetStorageImpl();
    c10::raw::intrusive_ptr::incref(kept);
    data = c10::DataPtr(bytes_at, kept, &release_storage, device);
  } else {
    void *fresh = take_memory(index, bytes);
    data = c10::DataPtr(fresh, fresh, &give_memory, device);
    if (bytes_at != nullptr && bytes != 0) std::memcpy(fresh, bytes_at, bytes);
  }
  return {c10::make_intrusive<c10::StorageImpl>(c10::StorageImpl::use_byte_size_t(), bytes, std::move(data),
                                                &device_memory, true)};
}

inline at::Tensor device_tensor(c10::Storage storage, const at::Tensor &like) {
  at::Tensor made = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), like.dtype());
  c10::TensorImpl *impl = made.unsafeGetTensorImpl();
  const c10::TensorImpl *own = like.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(own->sizes(), own->strides(), own->storage_offset());
  if (own->is_conj()) impl->_set_conj(true);
  if (own->is_neg()) impl->_set_neg(true);
  return made;
}

}  // namespace supa_torch
