// Operators with device kernels. Python runs one the first time that a key is seen, and teaches its recipe: what was
// allocated, launched and returned. From then on the recipe is replayed here, without Python.
// Not here: the kernels, their prices (Python puts them on the clock, by the launch's number in the ledger).
#pragma once

#include <memory>
#include <shared_mutex>
#include <unordered_map>

#include <ATen/ops/_local_scalar_dense_native.h>

#include "alias.h"
#include "asked.h"
#include "host.h"
#include "key.h"

namespace supa_torch {

enum Source : int32_t { kInput = 0, kMade = 1, kNothing = 2, kCount = 3 };  // the last only for results

struct Pointer {
  int32_t slot, source, index;
  int64_t offset_bytes;
};

// A slot that is filled anew in each call: with a Scalar argument's value as fp32 (1) or int64 (2), with the generator's
// seed (3), with its offset (4), from which `argument` numbers are drawn.
enum HoleForm : int32_t { kFp32 = 1, kInt64 = 2, kSeed = 3, kOffset = 4 };

struct Hole {
  int32_t slot, form;
  int64_t argument;
};

struct Launch {
  SupaKernel *kernel;
  int32_t grid[3];
  int32_t number;
  std::vector<uint64_t> slots;
  std::vector<Pointer> pointers;
  std::vector<Hole> holes;
};

struct Made {
  c10::ScalarType type;
  std::vector<int64_t> sizes, strides;
  int64_t bytes;
};

struct Result {
  int32_t source, index;
  c10::ScalarType type;
  std::vector<int64_t> sizes, strides;
  int64_t offset;
};

struct Resize {  // an `out` that has another size before
  int32_t index;
  std::vector<int64_t> sizes;
};

struct Recipe {
  bool on_host = false;
  std::vector<Resize> resizes;
  std::vector<Made> made;
  std::vector<Launch> launches;
  std::vector<Result> results;
  Words key;
};

class Recipes {
 public:
  std::shared_ptr<const Recipe> find(const Key &key, uint64_t hash) {
    std::shared_lock<std::shared_mutex> lock(mutex_);
    auto [first, last] = all_.equal_range(hash);
    for (; first != last; ++first) {
      if (first->second->key == key.words) return first->second;
    }
    return nullptr;
  }
  void add(uint64_t hash, std::shared_ptr<const Recipe> recipe) {
    std::unique_lock<std::shared_mutex> lock(mutex_);
    auto [first, last] = all_.equal_range(hash);
    for (; first != last; ++first) {
      if (first->second->key == recipe->key) {
        first->second = std::move(recipe);
        return;
      }
    }
    if (all_.size() >= kMost) all_.clear();
    all_.emplace(hash, std::move(recipe));
  }
  int64_t size() {
    std::shared_lock<std::shared_mutex> lock(mutex_);
    return static_cast<int64_t>(all_.size());
  }

 private:
  static constexpr size_t kMost = 1 << 15;
  std::shared_mutex mutex_;
  std::unordered_multimap<uint64_t, std::shared_ptr<const Recipe>> all_;
};

inline Recipes recipes;

struct CallSpace {
  std::vector<uint64_t> memory;
  SupaOutcome *outcome = supa_outcome_open();
  ~CallSpace() { supa_outcome_close(outcome); }
};

inline int64_t run_kernel(const Launch &launch, const uint64_t *slots) {
  thread_local CallSpace space;
  space.memory.resize(sizeof(SupaCall) / 8 + launch.slots.size() + 1);
  auto *call = reinterpret_cast<SupaCall *>(space.memory.data());
  call->launch = {{launch.grid[0], launch.grid[1], launch.grid[2]}, 0, nullptr};
  call->kernel = launch.kernel;
  call->outcome = space.outcome;
  for (SupaTally *&tally : call->tallies) tally = nullptr;
  std::copy_n(slots, launch.slots.size(), call->args);
  return supa_launch(call);
}

inline uint64_t scalar_bits(const c10::IValue &value, int32_t form) {
  const at::Scalar scalar = value.isTensor() ? at::native::_local_scalar_dense_cpu(value.toTensor()) : value.toScalar();
  if (form == kInt64) return static_cast<uint64_t>(scalar.toLong());
  const float number = static_cast<float>(scalar.toDouble());
  uint32_t bits;
  std::memcpy(&bits, &number, sizeof bits);
  return bits;
}

inline uint64_t hole_bits(const Hole &hole, const torch::jit::Stack &stack, size_t first, c10::DeviceIndex index) {
  if (hole.form == kFp32 || hole.form == kInt64) {
    return scalar_bits(stack[first + static_cast<size_t>(hole.argument)], hole.form);
  }
  Philox &source = philox(default_generator(index));
  std::lock_guard<std::mutex> lock(source.mutex_);
  return hole.form == kSeed ? source.current_seed() : source.draw(static_cast<uint64_t>(hole.argument));
}

// False: a kernel stopped (an index out of bounds). The arguments are still on the stack.
inline bool replay(const Recipe &recipe, const Key &key, torch::jit::Stack *stack, size_t count) {
  const c10::Device device(kDevice, key.index);
  for (const Resize &one : recipe.resizes) key.tensors[static_cast<size_t>(one.index)]->resize_(one.sizes);
  c10::SmallVector<c10::Storage, 4> made;
  for (const Made &one : recipe.made) {
    void *data = take_memory(key.index, static_cast<size_t>(one.bytes));
    made.emplace_back(c10::make_intrusive<c10::StorageImpl>(c10::StorageImpl::use_byte_size_t(),
                                                            static_cast<size_t>(one.bytes),
                                                            c10::DataPtr(data, data, &give_memory, device), &device_memory, true));
  }
  const size_t first = stack->size() - count;
  for (const Launch &launch : recipe.launches) {
    c10::SmallVector<uint64_t, 24> slots(launch.slots.begin(), launch.slots.end());
    for (const Pointer &pointer : launch.pointers) {
      uintptr_t address;
      if (pointer.source == kInput) {
        const c10::TensorImpl *impl = key.tensors[static_cast<size_t>(pointer.index)]->unsafeGetTensorImpl();
        address = reinterpret_cast<uintptr_t>(impl->storage().data()) +
                  static_cast<uintptr_t>(impl->storage_offset() * static_cast<int64_t>(impl->itemsize()));
      } else {
        address = reinterpret_cast<uintptr_t>(made[static_cast<size_t>(pointer.index)].data());
      }
      slots[static_cast<size_t>(pointer.slot)] = address + static_cast<uint64_t>(pointer.offset_bytes);
    }
    for (const Hole &hole : launch.holes) {
      slots[static_cast<size_t>(hole.slot)] = hole_bits(hole, *stack, first, key.index);
    }
    const int64_t took_ns = state.compute ? run_kernel(launch, slots.data()) : 0;
    if (took_ns < 0) return false;
    ledgers[key.index].add({chosen.streams[key.index], kKernel, launch.number, 1, 0, 0, 0, 0, took_ns});
  }
  c10::SmallVector<c10::IValue, 4> results;
  for (const Result &result : recipe.results) {
    if (result.source == kNothing) {
      results.emplace_back(at::Tensor());
    } else if (result.source == kCount) {
      results.emplace_back(static_cast<int64_t>(result.index));
    } else if (result.source == kInput) {
      results.emplace_back(*key.tensors[static_cast<size_t>(result.index)]);
    } else {
      at::Tensor out = at::detail::make_tensor<c10::TensorImpl>(
          c10::Storage(made[static_cast<size_t>(result.index)]), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
          c10::scalarTypeToTypeMeta(result.type));
      out.unsafeGetTensorImpl()->set_sizes_and_strides(result.sizes, result.strides, result.offset);
      results.emplace_back(std::move(out));
    }
  }
  settle_if_long(key.index);
  torch::jit::drop(*stack, count);
  for (c10::IValue &result : results) stack->emplace_back(std::move(result));
  return true;
}

// The operators whose Scalar arguments a kernel takes as they come, by schema; filled before the first call.
inline std::set<const void *> open_scalars;

inline void run_on_device(const c10::OperatorHandle &op, torch::jit::Stack *stack) {
  const size_t count = op.schema().arguments().size();
  const Key key(op, *stack, count, open_scalars.count(&op.schema()) != 0);
  const bool learns = key.repeats && key.index >= 0;
  const uint64_t hash = learns ? key.hash() : 0;
  if (learns) {
    if (const std::shared_ptr<const Recipe> recipe = recipes.find(key, hash)) {
      if (recipe->on_host) return op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::PrivateUse3), stack);
      // Inside another call Python writes it down anew; it also words the error where a kernel stopped.
      if (asked.empty() && replay(*recipe, key, stack, count)) return;
    }
  }
  const std::vector<c10::IValue> arguments(stack->end() - static_cast<std::ptrdiff_t>(count), stack->end());
  const Asking asking(learns ? &key : nullptr);
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::PrivateUse2), stack);  // Python's
  if (!asking.declined()) return;
  torch::jit::drop(*stack, op.schema().returns().size());
  stack->insert(stack->end(), arguments.begin(), arguments.end());
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::PrivateUse3), stack);
}

// Reads a recipe as Python writes it: a row of numbers, see `recorder.py`.
class RecipeReader {
 public:
  explicit RecipeReader(const int64_t *words) : next_(words) {}

  std::shared_ptr<Recipe> read() {
    auto recipe = std::make_shared<Recipe>();
    recipe->on_host = *next_++ != 0;
    for (int64_t left = *next_++; left > 0; --left) {
      recipe->resizes.push_back({narrow(next_[0]), {next_ + 2, next_ + 2 + next_[1]}});
      next_ += 2 + next_[1];
    }
    for (int64_t left = *next_++; left > 0; --left) {
      Made made;
      made.type = static_cast<c10::ScalarType>(*next_++);
      made.bytes = *next_++;
      recipe->made.push_back(std::move(made));
    }
    for (int64_t left = *next_++; left > 0; --left) recipe->launches.push_back(launch());
    for (int64_t left = *next_++; left > 0; --left) recipe->results.push_back(result());
    return recipe;
  }

 private:
  Launch launch() {
    Launch one;
    one.kernel = reinterpret_cast<SupaKernel *>(static_cast<uintptr_t>(*next_++));
    for (int32_t &size : one.grid) size = static_cast<int32_t>(*next_++);
    one.number = static_cast<int32_t>(*next_++);
    for (int64_t left = *next_++; left > 0; --left) one.slots.push_back(static_cast<uint64_t>(*next_++));
    for (int64_t left = *next_++; left > 0; --left) {
      one.pointers.push_back({narrow(next_[0]), narrow(next_[1]), narrow(next_[2]), next_[3]});
      next_ += 4;
    }
    for (int64_t left = *next_++; left > 0; --left) {
      one.holes.push_back({narrow(next_[0]), narrow(next_[2]), next_[1]});
      next_ += 3;
    }
    return one;
  }

  Result result() {
    Result one{narrow(next_[0]), narrow(next_[1]), static_cast<c10::ScalarType>(next_[2]), {}, {}, next_[3]};
    const int64_t rank = next_[4];
    next_ += 5;
    one.sizes.assign(next_, next_ + rank);
    one.strides.assign(next_ + rank, next_ + 2 * rank);
    next_ += 2 * rank;
    return one;
  }

  static int32_t narrow(int64_t value) { return static_cast<int32_t>(value); }

  const int64_t *next_;
};

}  // namespace supa_torch
