// Registers the device with torch, and what Python needs to drive it. The parts are the headers beside this file.
//
// Built by `build.py` against torch's C++ library and the driver core, loaded with torch.ops.load_library; knows no
// Python.h. Python reaches it by the C functions at the end.
#include <iterator>
#include <set>
#include <sstream>

#include <torch/library.h>

#include "autocast.h"
#include "device.h"
#include "host.h"
#include "tensors.h"

namespace supa_torch {
namespace {

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)
REGISTER_ALLOCATOR(c10::DeviceType::PrivateUse1, &device_memory)
REGISTER_HOST_ALLOCATOR(at::kPrivateUse1, &pinned_memory)

void on_host_boxed(const c10::OperatorHandle &op, torch::jit::Stack *stack) { run_on_host(op, stack); }

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&on_host_boxed>()); }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", TORCH_FN(empty));
  m.impl("empty_strided", TORCH_FN(empty_strided));
  m.impl("_efficientzerotensor", TORCH_FN(zero_tensor));
  m.impl("as_strided", TORCH_FN(at::native::as_strided_tensorimpl));
  m.impl("view", TORCH_FN(view));
  m.impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
  m.impl("unfold", TORCH_FN(at::native::unfold));
  m.impl("view_as_real", TORCH_FN(at::native::view_as_real));
  m.impl("view_as_complex", TORCH_FN(at::native::view_as_complex));
  m.impl("resize_", TORCH_FN(resize));
  m.impl("set_", TORCH_FN(set_empty));
  m.impl("set_.source_Storage", TORCH_FN(static_cast<at::Tensor &(*)(at::Tensor &, at::Storage)>(at::native::set_)));
  m.impl("set_.source_Storage_storage_offset", TORCH_FN(set_storage));
  m.impl("set_.source_Tensor", TORCH_FN(at::native::set_tensor_));
  m.impl("is_set_to", TORCH_FN(is_set_to));
  m.impl("_copy_from", TORCH_FN(copy_from));
  m.impl("_copy_from_and_resize", TORCH_FN(copy_from_and_resize));
  m.impl("_local_scalar_dense", TORCH_FN(single_value));
  m.impl("fill_.Scalar", TORCH_FN(fill));
  m.impl("zero_", TORCH_FN(zero));
  m.impl("record_stream", TORCH_FN(record_stream));
  m.impl("convolution_overrideable", TORCH_FN(convolution));
  m.impl("convolution_backward_overrideable", TORCH_FN(convolution_backward));
}

TORCH_LIBRARY(supa, m) {
  m.def("default_generator(int device) -> Generator?",
        [](int64_t device) { return default_generator(static_cast<c10::DeviceIndex>(device)); });
}

TORCH_LIBRARY_IMPL(aten, Conjugate, m) { m.impl("_copy_from", torch::CppFunction::makeFallthrough()); }
TORCH_LIBRARY_IMPL(aten, Negative, m) { m.impl("_copy_from", torch::CppFunction::makeFallthrough()); }

// Operators that the host has a kernel for take it directly, without torch's detour over their out= form; those that
// Python brings device kernels for find their host form under a key of its own, PrivateUse3.
void register_hosted(const std::set<std::string> &with_device_kernel) {
  static std::vector<std::unique_ptr<torch::Library>> kept;
  kept.push_back(std::make_unique<torch::Library>(torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse1, __FILE__, __LINE__));
  torch::Library &hosted = *kept.back();
  kept.push_back(std::make_unique<torch::Library>(torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse3, __FILE__, __LINE__));
  torch::Library &declined = *kept.back();
  for (const c10::OperatorName &name : c10::Dispatcher::singleton().getAllOpNames()) {
    if (name.name.rfind("aten::", 0) != 0 || name.name.find("mkldnn") != std::string::npos) continue;
    const auto op = c10::Dispatcher::singleton().findSchema(name);
    if (!op.has_value()) continue;
    const std::string text = c10::toString(name).substr(6);
    const bool declines = with_device_kernel.count(text) != 0;
    if (declines) declined.impl(text.c_str(), torch::CppFunction::makeFromBoxedFunction<&on_host_boxed>());
    if (declines || !op->hasKernelForDispatchKey(c10::DispatchKey::CPU)) continue;
    if (op->hasKernelForDispatchKey(c10::DispatchKey::PrivateUse1)) continue;
    hosted.impl(text.c_str(), torch::CppFunction::makeFromBoxedFunction<&on_host_boxed>());
  }
}

Hooks *registered_hooks() {
  static auto *hooks = [] {
    auto *made = new Hooks;
    at::RegisterPrivateUse1HooksInterface(made);
    return made;
  }();
  return hooks;
}

}  // namespace
}  // namespace supa_torch

extern "C" {

using namespace supa_torch;

// Makes `count` devices known; once, before the first tensor.
void supa_torch_start(const SupaTorchDevice *devices, int32_t count, int32_t compute, int32_t strict) {
  std::copy_n(devices, count, state.devices);
  state.compute = compute != 0;
  state.strict = strict != 0;
  state.count = count;
  registered_hooks();
  static HostMemory host_memory(c10::GetCPUAllocator());
  c10::SetCPUAllocator(&host_memory, 1);
}

// `names`: the operators with device kernels of Python's, as "add.Tensor", separated by spaces.
int32_t supa_torch_register_hosted(const char *names_of_device_kernels) {
  std::istringstream words(names_of_device_kernels);
  try {
    register_hosted({std::istream_iterator<std::string>(words), {}});
  } catch (const std::exception &error) {
    fprintf(stderr, "supa: %s\n", error.what());
    return 1;
  }
  return 0;
}

void supa_torch_clock(const SupaTorchClock *clock) {
  state.clock_runs = false;
  if (clock == nullptr) return;
  state.clock = *clock;
  state.clock_runs = true;
}

void supa_torch_strict(int32_t strict) { state.strict = strict != 0; }
int32_t supa_torch_current_device(void) { return chosen.device; }
int64_t supa_torch_current_stream(int32_t device) { return chosen.streams[device]; }
int64_t supa_torch_pending(int32_t device) { return ledgers[device].size(); }
int64_t supa_torch_take(int32_t device, SupaTorchEntry *out, int64_t capacity) { return ledgers[device].take(out, capacity); }
const char *supa_torch_name(int32_t number) { return names.name(number); }
uint64_t supa_torch_seed(int32_t device) { return philox(default_generator(device)).current_seed(); }
uint64_t supa_torch_draw(int32_t device, uint64_t count) {
  Philox &source = philox(default_generator(device));
  std::lock_guard<std::mutex> lock(source.mutex_);
  return source.draw(count);
}
}
