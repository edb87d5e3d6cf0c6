// Which calls of scaled dot product attention take the device's own kernels; torch composes the others. Not here: the
// kernels.
#pragma once

#include <ATen/native/transformers/attention.h>
#include <ATen/native/transformers/sdp_utils_cpp.h>

#include "state.h"

namespace supa_torch {

// Whether a tensor is one of a function transform (`torch.func`): torch's operator of fused attention has no rule for `vmap`,
// and no second derivative or forward one.
inline bool is_transformed(const at::Tensor &tensor) {
  return tensor.key_set().has_any(c10::DispatchKeySet({c10::DispatchKey::FuncTorchBatched, c10::DispatchKey::FuncTorchGradWrapper}));
}

inline int64_t choose_attention(const at::Tensor &query, const at::Tensor &key, const at::Tensor &value,
                                const std::optional<at::Tensor> &mask, double, bool, std::optional<double>, bool) {
  constexpr int64_t kWidest = 256;
  const at::ScalarType type = query.scalar_type();
  const bool plain = query.dim() == 4 && key.dim() == 4 && value.dim() == 4 && query.numel() != 0 && key.numel() != 0 &&
                     (type == at::kFloat || type == at::kHalf || type == at::kBFloat16) && key.scalar_type() == type &&
                     value.scalar_type() == type && query.size(3) <= kWidest && key.sizes() == value.sizes() &&
                     query.size(3) == key.size(3) && query.size(0) == key.size(0) && query.size(1) % key.size(1) == 0 &&
                     query.device() == key.device() && key.device() == value.device();
  const bool masks = !mask.has_value() || (!mask->requires_grad() && mask->device() == query.device());
  const bool transformed = is_transformed(query) || is_transformed(key) || is_transformed(value) ||
                           (mask.has_value() && is_transformed(*mask));
  return static_cast<int64_t>(plain && masks && !transformed ? sdp::SDPBackend::overrideable : sdp::SDPBackend::math);
}

}  // namespace supa_torch
