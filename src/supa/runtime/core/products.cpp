// Sums of products that are not finite though all that they are made of is. Tiles come as a byte for each element, which
// is not zero where the element is not finite.
#include <algorithm>
#include <vector>

#include "sanitizer.h"

namespace {

bool any(const uint8_t *from, int64_t count) {
  return std::any_of(from, from + count, [](uint8_t flag) { return flag != 0; });
}

}  // namespace

extern "C" void supa_product(void *sanitizer, int32_t site, int64_t block, const uint8_t *left, const uint8_t *right,
                             const uint8_t *sums, const uint8_t *result, const int64_t *sizes) {
  // Where a tile is null all of it is finite.
  const int64_t batch = sizes[0], m = sizes[1], n = sizes[2], k = sizes[3];
  std::vector<uint8_t> rows(static_cast<size_t>(m)), columns(static_cast<size_t>(n));
  for (int64_t index = 0; index < batch; ++index, right += k * n, result += m * n) {
    if (!any(result, m * n)) continue;
    for (int64_t row = 0; left != nullptr && row < m; ++row)
      rows[static_cast<size_t>(row)] = any(left + (index * m + row) * k, k);
    std::fill(columns.begin(), columns.end(), uint8_t{0});
    for (int64_t at = 0; at < k * n; ++at) columns[static_cast<size_t>(at % n)] |= right[at];
    for (int64_t at = 0; at < m * n; ++at) {
      if (!result[at] || (sums != nullptr && sums[index * m * n + at]) || rows[static_cast<size_t>(at / n)] || columns[static_cast<size_t>(at % n)]) continue;
      supa::record(static_cast<SupaSanitizer *>(sanitizer), site, SUPA_WRONG_VALUE, block, -1, 0, index * m * n + at);
    }
  }
}
