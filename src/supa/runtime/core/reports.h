// What kernels reported during one launch: asserts and prints. Not here: their texts.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "supa_core.h"

namespace supa {

class Reports {
 public:
  void clear();
  void add(int32_t kind, int32_t message, int64_t block, int64_t count, const int64_t *values);
  void order();  // by block, then as they came
  int64_t count();
  int64_t dropped();
  void get(int64_t index, SupaReport *out);

 private:
  struct Entry {
    int32_t kind, message;
    int64_t block, count;
    size_t offset;
  };
  std::mutex mutex_;
  std::vector<Entry> entries_;
  std::vector<int64_t> values_;
  int64_t dropped_ = 0;
};

}  // namespace supa
