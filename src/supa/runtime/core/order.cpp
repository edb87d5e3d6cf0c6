// Products: a packed right operand should serve many blocks before others take its place, and two of them make do with
// half the left operand's journeys; so pairs of right operands one after another, and under each pair the left ones.
// Other kernels: neighbours in memory one after another, by exchanging axes of the grid.
// Any order gives the same answers. What it costs to make one is held against what the blocks take.
#include "order.h"

#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <vector>

#include "guard.h"

namespace supa {
namespace {

constexpr int64_t kMostBlocks = 1 << 16;
constexpr double kLeastBlockNs = 200;     // to look a block's number up takes about ten
constexpr double kLeastProductNs = 10e3;  // to sort a block takes up to two hundred
constexpr int64_t kTogether = 2;          // right operands that take turns
constexpr int64_t kKeys = 2;

struct Keys {
  SupaCall *call;
  int64_t first, step, last;
  int64_t *out;
  int64_t count;  // of keys that a block has
};

void ask(void *context) {
  auto *keys = static_cast<Keys *>(context);
  int64_t *out = keys->out;
  for (int64_t block = keys->first; block < keys->last; block += keys->step, out += kKeys)
    keys->count = keys->call->kernel->order(keys->call->args, &keys->call->launch, block, out);
}

// How many keys blocks first, first + step, ... have; 0 where the function divides by zero, as the kernel itself may.
int64_t keys_of(SupaCall *call, int64_t first, int64_t step, int64_t last, int64_t *out) {
  Keys keys{call, first, step, last, out, 0};
  return guarded(ask, &keys).signal == 0 ? keys.count : 0;
}

struct Place {
  int64_t group, left, right;
  int32_t block;
  bool operator<(const Place &other) const {
    return std::tie(group, left, right, block) < std::tie(other.group, other.left, other.right, other.block);
  }
};

void order_product(SupaCall *call, int64_t total, std::vector<int32_t> &order) {
  std::vector<int64_t> keys(static_cast<size_t>(kKeys * total)), rights;
  if (keys_of(call, 0, 1, total, keys.data()) != kKeys) return;
  for (int64_t block = 0; block < total; ++block) rights.push_back(keys[kKeys * block]);
  std::sort(rights.begin(), rights.end());
  rights.erase(std::unique(rights.begin(), rights.end()), rights.end());
  std::vector<Place> places;
  for (int64_t block = 0; block < total; ++block) {
    const int64_t right = keys[kKeys * block];
    const int64_t rank = std::lower_bound(rights.begin(), rights.end(), right) - rights.begin();
    places.push_back({rank / kTogether, keys[kKeys * block + 1], right, static_cast<int32_t>(block)});
  }
  if (std::is_sorted(places.begin(), places.end())) return;
  std::sort(places.begin(), places.end());
  for (const Place &place : places) order.push_back(place.block);
}

// The axes, the one first along which blocks are nearest to each other.
void order_plane(SupaCall *call, int64_t total, int64_t origin, std::vector<int32_t> &order) {
  const int32_t *grid = call->launch.grid;
  const int64_t steps[3] = {1, grid[0], static_cast<int64_t>(grid[0]) * grid[1]};
  int64_t apart[3] = {0, 0, 0};
  for (int axis = 0; axis < 3; ++axis) {
    if (grid[axis] == 1) continue;
    int64_t next[kKeys];
    if (keys_of(call, steps[axis], 1, steps[axis] + 1, next) == 0) return;
    apart[axis] = std::llabs(next[0] - origin);
  }
  int axes[3] = {0, 1, 2};
  std::stable_sort(axes, axes + 3, [&](int left, int right) { return apart[left] < apart[right]; });
  if (axes[0] == 0 && axes[1] == 1) return;
  order.reserve(static_cast<size_t>(total));
  for (int64_t third = 0; third < grid[axes[2]]; ++third)
    for (int64_t second = 0; second < grid[axes[1]]; ++second)
      for (int64_t first = 0; first < grid[axes[0]]; ++first)
        order.push_back(static_cast<int32_t>(first * steps[axes[0]] + second * steps[axes[1]] + third * steps[axes[2]]));
}

}  // namespace

const int32_t *order_of(SupaCall *call, int64_t total) {
  thread_local std::vector<int32_t> order;
  const SupaKernel *kernel = call->kernel;
  const double block_ns = kernel->block_ns.load(std::memory_order_relaxed);
  if (kernel->order == nullptr || block_ns < kLeastBlockNs || total > kMostBlocks || total < 4) return nullptr;
  order.clear();
  int64_t keys[kKeys];
  const int64_t count = keys_of(call, 0, 1, 1, keys);
  if (count == 1) order_plane(call, total, keys[0], order);
  if (count == kKeys && block_ns >= kLeastProductNs) order_product(call, total, order);
  return order.empty() ? nullptr : order.data();
}

}  // namespace supa
