// Registers the device with torch, and what Python needs to drive it. The parts are the headers beside this file.
//
// Built by `build.py` against torch's C++ library and the driver core, loaded with torch.ops.load_library; knows no
// Python.h. Python reaches it by the C functions at the end.
#include <pthread.h>

#include <iterator>
#include <set>
#include <sstream>

#include <torch/library.h>

#include "attention.h"
#include "autocast.h"
#include "cuda.h"
#include "device.h"
#include "host.h"
#include "profiler.h"
#include "replay.h"
#include "tensors.h"

namespace supa_torch {
namespace {

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)
REGISTER_ALLOCATOR(c10::DeviceType::PrivateUse1, &device_memory)
REGISTER_HOST_ALLOCATOR(at::kPrivateUse1, &pinned_memory)

void on_device_boxed(const c10::OperatorHandle &op, torch::jit::Stack *stack) { run_on_device(op, stack); }
void on_host_boxed(const c10::OperatorHandle &op, torch::jit::Stack *stack) { run_on_host(op, stack); }

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&on_host_boxed>()); }
TORCH_LIBRARY_IMPL(_, SparsePrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&on_host_boxed>()); }
TORCH_LIBRARY_IMPL(_, SparseCsrPrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&on_host_boxed>()); }

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
  m.impl("arange.start_out", TORCH_FN(arange));
  m.impl("record_stream", TORCH_FN(record_stream));
  m.impl("_has_compatible_shallow_copy_type", TORCH_FN(may_become));
}

TORCH_LIBRARY_IMPL(aten, PrivateUse3, m) {  // host forms of operators that torch's host has under another name
  m.impl("convolution_overrideable", TORCH_FN(convolution));
  m.impl("convolution_backward_overrideable", TORCH_FN(convolution_backward));
}

TORCH_LIBRARY(supa, m) {
  m.def("default_generator(int device) -> Generator?",
        [](int64_t device) { return default_generator(static_cast<c10::DeviceIndex>(device)); });
}

TORCH_LIBRARY_IMPL(aten, Conjugate, m) { m.impl("_copy_from", torch::CppFunction::makeFallthrough()); }
TORCH_LIBRARY_IMPL(aten, Negative, m) { m.impl("_copy_from", torch::CppFunction::makeFallthrough()); }

// Operators that the host has a kernel for take it directly, without torch's detour over their out= form. Those that
// Python brings device kernels for, at PrivateUse2, are asked there once for each key; their host form is PrivateUse3's.
void register_operators(const std::set<std::string> &with_device_kernel, const std::set<std::string> &open) {
  static std::vector<std::unique_ptr<torch::Library>> kept;
  auto library = [](c10::DispatchKey key) -> torch::Library & {
    kept.push_back(std::make_unique<torch::Library>(torch::Library::IMPL, "aten", key, __FILE__, __LINE__));
    return *kept.back();
  };
  torch::Library &device = library(c10::DispatchKey::PrivateUse1), &declined = library(c10::DispatchKey::PrivateUse3);
  constexpr std::pair<c10::DispatchKey, c10::DispatchKey> kSparse[] = {
      {c10::DispatchKey::SparseCPU, c10::DispatchKey::SparsePrivateUse1},
      {c10::DispatchKey::SparseCsrCPU, c10::DispatchKey::SparseCsrPrivateUse1}};
  torch::Library *sparse[] = {&library(kSparse[0].second), &library(kSparse[1].second)};
  for (const c10::OperatorName &name : c10::Dispatcher::singleton().getAllOpNames()) {
    if (name.name.rfind("aten::", 0) != 0 || name.name.find("mkldnn") != std::string::npos) continue;
    const auto op = c10::Dispatcher::singleton().findSchema(name);
    if (!op.has_value()) continue;
    const std::string text = c10::toString(name).substr(6);
    const char *short_name = text.c_str();
    const bool composite = op->hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd) &&
                           !op->hasKernelForDispatchKey(c10::DispatchKey::CPU);
    for (size_t layout = 0; layout < std::size(kSparse); ++layout) {
      if (op->hasKernelForDispatchKey(kSparse[layout].first) && !op->hasKernelForDispatchKey(kSparse[layout].second))
        sparse[layout]->impl(short_name, torch::CppFunction::makeFromBoxedFunction<&on_host_boxed>());
    }
    if (with_device_kernel.count(text) != 0 && !composite && !op->hasKernelForDispatchKey(c10::DispatchKey::PrivateUse1)) {
      if (!op->hasKernelForDispatchKey(c10::DispatchKey::PrivateUse3))
        declined.impl(short_name, torch::CppFunction::makeFromBoxedFunction<&on_host_boxed>());
      device.impl(short_name, torch::CppFunction::makeFromBoxedFunction<&on_device_boxed>());
      if (open.count(text) != 0) open_scalars.insert(&op->schema());
    } else if (op->hasKernelForDispatchKey(c10::DispatchKey::CPU) &&
               !op->hasKernelForDispatchKey(c10::DispatchKey::PrivateUse1)) {
      device.impl(short_name, torch::CppFunction::makeFromBoxedFunction<&on_host_boxed>());
    }
  }
}

std::set<std::string> words_of(const char *text) {
  std::istringstream words(text);
  return {std::istream_iterator<std::string>(words), {}};
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

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(_fused_sdp_choice_stub, &supa_torch::choose_attention);
}

extern "C" {

using namespace supa_torch;

// Makes `count` devices known; once, before the first tensor.
void supa_torch_start(const SupaTorchDevice *devices, int32_t count, int32_t compute, int32_t strict) {
  std::copy_n(devices, count, state.devices);
  state.compute = compute != 0;
  state.strict = strict != 0;
  state.count = count;
  registered_hooks();
  static const torch::profiler::impl::RegisterPrivateUse1Profiler<Profiler> profiler;
  (void)profiler;
  static const int watched = pthread_atfork(nullptr, nullptr, [] { state.forked = used_memory(); });
  (void)watched;
  static HostMemory host_memory(c10::GetCPUAllocator());
  c10::SetCPUAllocator(&host_memory, 1);
}

// Operators with device kernels of Python's, as "add.Tensor", separated by spaces; `open`: those whose Scalar arguments
// may change from call to call. Returns 0, or 1 with the reason on stderr.
int32_t supa_torch_register(const char *with_device_kernel, const char *open) {
  try {
    register_operators(words_of(with_device_kernel), words_of(open));
  } catch (const std::exception &error) {
    fprintf(stderr, "supa: %s\n", error.what());
    return 1;
  }
  return 0;
}

// Whether the innermost call that Python was asked for can be taught.
int32_t supa_torch_may_learn(void) { return !asked.empty() && asked.back().key != nullptr; }

// Teaches the innermost call its recipe.
void supa_torch_learn(const int64_t *words) {
  if (!supa_torch_may_learn()) return;
  static const int64_t on_host[] = {1, 0, 0, 0, 0};
  std::shared_ptr<Recipe> recipe = RecipeReader(asked.back().tainted ? on_host : words).read();
  recipe->key = asked.back().key->words;
  const uint64_t hash = asked.back().key->hash();
  recipes.add(hash, std::move(recipe));
}

// The innermost call has no kernel: it runs on the host, and so do others like it from now on.
void supa_torch_decline(void) {
  if (asked.empty()) return;
  asked.back().declined = true;
  static const int64_t on_host[] = {1, 0, 0, 0, 0};
  if (asked.back().key != nullptr) supa_torch_learn(on_host);
}

int64_t supa_torch_recipes(void) { return recipes.size(); }

void supa_torch_clock(const SupaTorchClock *clock) {
  state.clock_runs = false;
  if (clock == nullptr) return;
  state.clock = *clock;
  state.clock_runs = true;
}

// Whether requests for "cuda" are answered from now on: not where torch has a CUDA of its own.
int32_t supa_torch_as_cuda(void) { return answer_for_cuda(); }
// No more than `bytes` of a device's memory for this process; -1: all.
void supa_torch_limit(int32_t device, int64_t bytes) { counters[device].most_bytes = bytes; }
// One operation of a recording, on the host's clock; see `profiling.py`.
void supa_torch_span(int32_t device, int32_t stream, int64_t start_ns, int64_t end_ns, int64_t asked_by, int32_t copies,
                     const char *name) {
  profiled_spans.add({device, stream, start_ns, end_ns, asked_by, copies != 0, name});
}
int64_t supa_torch_correlation(void) { return correlation(); }
int32_t supa_torch_forked(void) { return state.forked; }
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
