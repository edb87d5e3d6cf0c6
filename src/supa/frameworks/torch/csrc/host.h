// Operators without a device kernel, run on the host over the same memory, visibly: each is counted by name with the
// bytes that would cross the host bus, and an error in strict mode. Not here: the aliases, what it costs on the clock.
#pragma once

#include <chrono>

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/util/flat_hash_map.h>
#include <torch/library.h>

#include "alias.h"
#include "asked.h"
#include "generator.h"
#include "ledger.h"
#include "sparse.h"

namespace supa_torch {

inline int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline int64_t size_bytes(const at::Tensor &tensor) {
  return tensor.numel() * static_cast<int64_t>(tensor.element_size());
}

[[noreturn]] inline void refuse_devices(const at::Tensor &one, const at::Tensor &other, const std::string &op) {
  TORCH_CHECK(false, "Expected all tensors to be on the same device, but found at least two devices, ", one.device(),
              " and ", other.device(), "! (when running ", op, ")");
  __builtin_unreachable();
}

// What is known of an operator once it ran.
struct HostOperator {
  int32_t name = 0;
  std::string text;
  bool draws = false;            // takes random numbers without a generator of its own
  bool sized_by_values = false;  // its result's shape depends on what the memory holds
  std::vector<bool> written;     // by argument
  std::vector<bool> host_is_fine;  // arguments that may lie on the host: indices, lengths
};

inline const HostOperator &known(const c10::OperatorHandle &op) {
  thread_local ska::flat_hash_map<const void *, std::unique_ptr<HostOperator>> all;
  std::unique_ptr<HostOperator> &found = all[&op.schema()];
  if (!found) {
    found = std::make_unique<HostOperator>();
    const c10::FunctionSchema &schema = op.schema();
    found->text = c10::toString(op.operator_name());
    found->name = names.number("host: " + found->text);
    bool has_generator = false;
    for (const c10::Argument &argument : schema.arguments()) {
      const std::string &name = argument.name();
      found->written.push_back(argument.alias_info() != nullptr && argument.alias_info()->isWrite());
      found->host_is_fine.push_back(name == "indices" || name == "batch_sizes" || name.find("lengths") != std::string::npos);
      has_generator |= name == "generator";
    }
    found->sized_by_values = op.hasTag(at::Tag::dynamic_output_shape);
    found->draws = op.hasTag(at::Tag::nondeterministic_seeded) && !has_generator;
  }
  return *found;
}

// One operator on the host: hands out aliases, takes back results, counts the bytes.
class HostCall {
 public:
  explicit HostCall(const HostOperator &op) : op_(op) {}

  // The device that the operator works for; -1 before the first device tensor or device argument.
  c10::DeviceIndex index() const { return index_; }
  void work_for(c10::DeviceIndex index) { if (index_ < 0) index_ = index; }

  at::Tensor take(const at::Tensor &tensor, bool written, bool host_is_fine) {
    if (!tensor.defined()) return tensor;
    if (!tensor.is_privateuseone()) {
      if (tensor.device().is_cpu() && !host_is_fine && (tensor.dim() > 0 || written)) stranger_ = tensor;
      return state.compute || !tensor.device().is_cpu() ? tensor : tensor.to(at::kMeta);
    }
    if (tensor.layout() != at::kStrided) return take_sparse(tensor, written);
    if (index_ >= 0 && tensor.device().index() != index_ && first_.defined()) refuse_devices(first_, tensor, op_.text);
    if (!first_.defined()) {
      first_ = tensor;
      index_ = tensor.device().index();
    }
    if (const Pair *pair = taken_before(tensor, written)) return pair->host;
    down_bytes_ += size_bytes(tensor);
    const auto type = state.compute ? c10::DeviceType::CPU : c10::DeviceType::Meta;
    c10::Storage storage;
    for (const Pair &pair : pairs_) {  // views of one memory stay views of one memory
      if (pair.device.has_storage() && pair.device.storage().is_alias_of(tensor.storage())) storage = pair.host.storage();
    }
    if (!storage) storage = host_storage(tensor, type);
    return keep(tensor, alias_on(std::move(storage), tensor), written);
  }

  void check() const {
    if (stranger_.defined() && first_.defined()) refuse_devices(first_, stranger_, op_.text);
  }

  // A result as the device's: the argument that it is, a view of an argument, or its own memory.
  at::Tensor give(const at::Tensor &host) {
    if (!host.defined()) return host;
    for (const Pair &pair : pairs_) {
      if (pair.host.is_same(host)) return pair.device;
    }
    if (host.device().type() == kDevice) return host;
    if (host.layout() != at::kStrided) return rebuilt(host, [this](const at::Tensor &part) { return give(part); });
    if (!host.has_storage()) return host;
    for (const Pair &pair : pairs_) {
      if (pair.host.has_storage() && pair.host.storage().is_alias_of(host.storage())) return device_tensor(pair.device.storage(), host);
    }
    for (const auto &[from, to] : made_) {
      if (from.is_alias_of(host.storage())) return device_tensor(to, host);
    }
    up_bytes_ += size_bytes(host);
    made_.emplace_back(host.storage(), device_storage(host.storage(), index_));
    return device_tensor(made_.back().second, host);
  }

  // Written arguments that the operator gave a new size or memory get it on the device too.
  void settle_written() {
    for (const Pair &pair : pairs_) {
      if (!pair.written) continue;
      if (pair.device.layout() != at::kStrided) {
        take_over(pair.device, rebuilt(pair.host, [this](const at::Tensor &part) { return give(part); }));
        continue;
      }
      up_bytes_ += size_bytes(pair.host);
      c10::StorageImpl *own = pair.device.storage().unsafeGetStorageImpl();
      const c10::Storage &changed = pair.host.storage();
      if (changed.nbytes() != own->nbytes() || (state.compute && changed.data() != own->data())) {
        c10::Storage fresh = device_storage(changed, index_);
        own->set_nbytes(fresh.nbytes());
        own->set_data_ptr_noswap(fresh.set_data_ptr(c10::DataPtr(nullptr, fresh.device())));
      }
      c10::TensorImpl *impl = pair.device.unsafeGetTensorImpl();
      if (impl->sizes() != pair.host.sizes() || impl->strides() != pair.host.strides()) {
        impl->set_sizes_and_strides(pair.host.sizes(), pair.host.strides(), pair.host.storage_offset());
      }
    }
  }

  // Whether an argument is sparse: its host form is not at the key of dense ones.
  bool sparse() const { return sparse_; }

  void note(int64_t host_ns) const { note_host_operator(index_, op_.name, down_bytes_, up_bytes_, host_ns); }

 private:
  struct Pair {
    at::Tensor device, host;
    bool written;
  };

  // An argument that is another one too: written if either is.
  const Pair *taken_before(const at::Tensor &tensor, bool written) {
    for (Pair &pair : pairs_) {
      if (!pair.device.is_same(tensor)) continue;
      pair.written |= written;
      return &pair;
    }
    return nullptr;
  }

  at::Tensor take_sparse(const at::Tensor &tensor, bool written) {
    TORCH_CHECK_NOT_IMPLEMENTED(state.compute, "In mode time there are no values, and the work on sparse tensors depends on "
                                "them (", op_.text, "). Run the program in mode both.");
    sparse_ = true;
    if (const Pair *pair = taken_before(tensor, written)) return pair->host;
    return keep(tensor, rebuilt(tensor, [this](const at::Tensor &part) { return take(part, false, true); }), written);
  }

  // Some host kernels ask whether what they save will be needed.
  at::Tensor keep(const at::Tensor &tensor, at::Tensor host, bool written) {
    if (tensor.requires_grad()) host.set_requires_grad(true);
    pairs_.push_back({tensor, std::move(host), written});
    return pairs_.back().host;
  }

  const HostOperator &op_;
  c10::DeviceIndex index_ = -1;
  at::Tensor first_, stranger_;
  c10::SmallVector<Pair, 6> pairs_;
  c10::SmallVector<std::pair<c10::Storage, c10::Storage>, 2> made_;
  int64_t down_bytes_ = 0, up_bytes_ = 0;
  bool sparse_ = false;
};

inline void refuse_strictly(const HostOperator &op) {
  TORCH_CHECK_NOT_IMPLEMENTED(!state.strict, op.text, " has no device kernel for these arguments and would run on the host."
                              " Strict mode (SUPA_STRICT=1) makes that an error; without it the operator is counted.");
}

// The host's default generator, seeded from the device's for one operator, and put back after it.
class BorrowedSeed {
 public:
  explicit BorrowedSeed(c10::DeviceIndex index) : own_(at::detail::getDefaultCPUGenerator()), before_(own_.get_state()) {
    own_.set_current_seed(host_seed(philox(default_generator(index))));
  }
  ~BorrowedSeed() { own_.set_state(before_); }
  BorrowedSeed(const BorrowedSeed &) = delete;
  BorrowedSeed &operator=(const BorrowedSeed &) = delete;

 private:
  at::Generator own_;
  at::Tensor before_;
};

inline c10::IValue taken(HostCall &call, const c10::IValue &value, bool written, bool host_is_fine) {
  if (value.isTensor()) return call.take(value.toTensor(), written, host_is_fine);
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor &one : value.toTensorVector()) list.push_back(call.take(one, written, host_is_fine));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor> &one : value.toOptionalTensorVector()) {
      list.push_back(one.has_value() ? std::optional<at::Tensor>(call.take(*one, written, host_is_fine)) : std::nullopt);
    }
    return list;
  }
  if (value.isDevice() && value.toDevice().type() == kDevice) {
    call.work_for(index_or_current(value.toDevice()));
    return c10::Device(state.compute ? c10::DeviceType::CPU : c10::DeviceType::Meta);
  }
  return value;
}

inline c10::IValue given(HostCall &call, const c10::IValue &value) {
  if (value.isTensor()) return call.give(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor &one : value.toTensorVector()) list.push_back(call.give(one));
    return list;
  }
  return value;
}

// The tensors among an operator's arguments, for an error.
inline std::string described(const torch::jit::Stack &stack, size_t first, size_t count) {
  std::ostringstream text;
  for (size_t index = first; index < first + count; ++index) {
    if (!stack[index].isTensor() || !stack[index].toTensor().defined()) continue;
    const at::Tensor &tensor = stack[index].toTensor();
    text << (text.tellp() > 0 ? ", " : "") << tensor.scalar_type() << tensor.sizes();
  }
  return text.str();
}

inline void run_on_host(const c10::OperatorHandle &op, torch::jit::Stack *stack) {
  const HostOperator &facts = known(op);
  refuse_strictly(facts);
  TORCH_CHECK_NOT_IMPLEMENTED(state.compute || !facts.sized_by_values, "In mode time there are no values, and the shape of "
                              "what ", facts.text, " returns depends on them. Run the program in mode both.");
  taint();
  HostCall call(facts);
  const size_t count = op.schema().arguments().size(), first = stack->size() - count;
  int generator = -1;
  for (size_t index = 0; index < count; ++index) {
    c10::IValue &value = (*stack)[first + index];
    if (value.isGenerator()) generator = static_cast<int>(first + index);
    else if (value.isNone() && op.schema().arguments()[index].name() == "generator") generator = static_cast<int>(first + index);
    else value = taken(call, value, facts.written[index], facts.host_is_fine[index]);
  }
  call.check();
  call.work_for(chosen.device);
  TORCH_CHECK_NOT_IMPLEMENTED(call.sparse() || op.hasComputedKernelForDispatchKey(c10::DispatchKey::CPU), facts.text,
                              " has no device kernel for these arguments, and the host has none for it at all: ",
                              described(*stack, first, count));
  const c10::DispatchKey key = state.compute ? c10::DispatchKey::CPU : c10::DispatchKey::Meta;
  if (generator >= 0 && state.compute) {
    c10::IValue &place = (*stack)[generator];
    at::Generator source = place.isNone() ? default_generator(call.index()) : place.toGenerator();
    if (source.device().type() == kDevice) place = host_generator(source);
  } else if (generator >= 0) {
    (*stack)[generator] = c10::IValue();
  }
  int64_t start = 0;
  {
    ResultsOnDevice results(state.compute ? call.index() : static_cast<c10::DeviceIndex>(-1));
    at::AutoDispatchBelowADInplaceOrView below;
    std::optional<BorrowedSeed> seed;
    if (facts.draws && state.compute) seed.emplace(call.index());
    start = now_ns();
    if (call.sparse()) op.callBoxed(stack);
    else op.redispatchBoxed(c10::DispatchKeySet(key), stack);
  }
  const int64_t took_ns = now_ns() - start;
  call.settle_written();
  const size_t results = op.schema().returns().size(), base = stack->size() - results;
  for (size_t index = 0; index < results; ++index) (*stack)[base + index] = given(call, (*stack)[base + index]);
  call.note(took_ns);
  settle_if_long(call.index());
}

}  // namespace supa_torch
