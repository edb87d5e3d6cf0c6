// What the sanitizer knows of one launch, for its parts: accesses (sanitizer), products, blocks that wait (fibers).
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "shadow.h"
#include "supa_core.h"

extern "C" {
uint64_t supa_check(void *sanitizer, int32_t site, int64_t block, uint64_t base, const uint64_t *addresses,
                    uint64_t lanes, int32_t element, int32_t step, const int32_t *elements);
int32_t supa_row(void *sanitizer, int32_t site, int64_t block, uint64_t base, int64_t bytes);
void supa_note(void *sanitizer, int32_t site, int64_t block, uint64_t lanes, int32_t element, int32_t step,
               const int32_t *elements);
void supa_origin(void *sanitizer, uint64_t address);
void supa_product(void *sanitizer, int32_t site, int64_t block, const uint8_t *left, const uint8_t *right,
                  const uint8_t *sums, const uint8_t *result, const int64_t *sizes);
}

namespace supa {

struct Site {
  SupaSite facts;
  uint8_t reached;
};

// Memory that loads of a site may read without asking: known after the first that found nothing wrong. 0 before.
struct Window {
  uint64_t from, to;
};

// The access that this thread had checked last.
struct Seen {
  int32_t site;
  uint64_t address;
  int64_t element;
};
extern __attribute__((tls_model("initial-exec"))) thread_local Seen last_seen;

void record(SupaSanitizer *own, int32_t site, int32_t problem, int64_t block, int64_t other, uint64_t address,
            int64_t element, int64_t extent = -1);

}  // namespace supa

struct SupaSanitizer {
  // Read by native code (`supa.program.abi`).
  decltype(&supa_check) check = supa_check;
  decltype(&supa_note) note = supa_note;
  decltype(&supa_origin) origin = supa_origin;
  decltype(&supa_product) product = supa_product;
  supa::Window *windows = nullptr;  // one for each site
  decltype(&supa_row) row = supa_row;

  std::vector<supa::Site> sites;
  std::vector<supa::Window> window_list;
  std::vector<SupaExtent> extents;  // `named` of arguments, then others by address
  int32_t named = 0;
  std::vector<std::unique_ptr<supa::Shadow>> shadows;
  uint32_t first_number = 0;
  bool ordered = false;  // some site acquires or releases
  int64_t wait_ns = 0;   // how long all blocks may wait before the launch is stopped
  std::atomic<bool> stored{false};  // some block stored since this was asked last
  supa::Order order;
  std::mutex mutex;
  std::map<std::pair<int32_t, int32_t>, SupaFinding> findings;

  explicit SupaSanitizer(int64_t blocks) : order(blocks) {}
};

namespace supa {

// While one lives, no other thread asks `sanitizer` (may be null): it takes no locks.
class CheckedSingly {
 public:
  explicit CheckedSingly(SupaSanitizer *sanitizer) : sanitizer_(sanitizer) { set(true); }
  ~CheckedSingly() { set(false); }
  CheckedSingly(const CheckedSingly &) = delete;
  CheckedSingly &operator=(const CheckedSingly &) = delete;

 private:
  void set(bool single) {
    if (sanitizer_ == nullptr) return;
    for (auto &shadow : sanitizer_->shadows) shadow->single = single;
  }

  SupaSanitizer *const sanitizer_;
};

}  // namespace supa
