// Random numbers: a Philox generator is a seed and an offset, so that a kernel and the host can both continue it.
// Not here: the kernels that draw.
#pragma once

#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Generator.h>
#include <ATen/ops/empty.h>
#include <c10/core/GeneratorImpl.h>

#include "state.h"

namespace supa_torch {

class Philox final : public c10::GeneratorImpl {
 public:
  explicit Philox(c10::DeviceIndex index)
      : c10::GeneratorImpl(c10::Device(kDevice, index), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1)) {}

  void set_current_seed(uint64_t seed) override {
    seed_ = seed;
    offset_ = 0;
  }
  void set_offset(uint64_t offset) override { offset_ = offset; }
  uint64_t get_offset() const override { return offset_; }
  uint64_t current_seed() const override { return seed_; }
  uint64_t seed() override {
    set_current_seed(c10::detail::getNonDeterministicRandom());
    return seed_;
  }
  void set_state(const c10::TensorImpl &state) override {
    at::detail::check_rng_state(state);
    TORCH_CHECK(state.numel() == 2 * sizeof(uint64_t), "a generator state of supa has 16 bytes (seed, offset), found ",
                state.numel());
    const auto *words = static_cast<const uint64_t *>(state.data());
    seed_ = words[0];
    offset_ = words[1];
  }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
    at::Tensor bytes = at::empty({2 * sizeof(uint64_t)}, at::TensorOptions(at::kByte).device(at::kCPU));
    auto *words = reinterpret_cast<uint64_t *>(bytes.mutable_data_ptr<uint8_t>());
    words[0] = seed_;
    words[1] = offset_;
    return bytes.getIntrusivePtr();
  }
  // The offset before `count` numbers are drawn by each of a kernel's elements.
  uint64_t draw(uint64_t count) {
    const uint64_t offset = offset_;
    offset_ += (count + 3) / 4 * 4;
    return offset;
  }

 private:
  Philox *clone_impl() const override {
    auto *copy = new Philox(device_.index());
    copy->seed_ = seed_;
    copy->offset_ = offset_;
    return copy;
  }
  uint64_t seed_ = c10::default_rng_seed_val, offset_ = 0;
};

inline const at::Generator &default_generator(c10::DeviceIndex index) {
  static auto *all = [] {
    auto *made = new std::vector<at::Generator>;
    for (int one = 0; one < kMostDevices; ++one) {
      made->push_back(at::make_generator<Philox>(static_cast<c10::DeviceIndex>(one)));
    }
    return made;
  }();
  device_of(index);
  return (*all)[static_cast<size_t>(index)];
}

inline Philox &philox(const at::Generator &generator) { return *static_cast<Philox *>(generator.unsafeGetGeneratorImpl()); }

inline uint64_t mixed(uint64_t value) {  // splitmix64's finaliser
  value += 0x9e3779b97f4a7c15ull;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
  value = (value ^ value >> 27) * 0x94d049bb133111ebull;
  return value ^ value >> 31;
}

// A host seed for what an operator on the host draws; moves the generator on.
inline uint64_t host_seed(Philox &source) {
  std::lock_guard<std::mutex> lock(source.mutex_);
  return mixed(source.current_seed() ^ mixed(source.draw(4)));
}

inline at::Generator host_generator(const at::Generator &source) {
  return at::make_generator<at::CPUGeneratorImpl>(host_seed(philox(source)));
}

}  // namespace supa_torch
