// The order in which a launch's blocks begin, made of where each begins to read (`SupaOrder`). Blocks that share a packed
// operand follow one another, and those of a plane follow its memory. Not here: running them (launch).
#pragma once

#include <cstdint>

#include "call.h"

namespace supa {

// The blocks' numbers, in the order in which they should begin; null where that is the grid's own. Valid until the next
// call on this thread.
const int32_t *order_of(SupaCall *call, int64_t total);

}  // namespace supa
