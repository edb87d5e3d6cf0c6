// Blocks that wait for one another: each runs on a stack of its own and steps aside while it waits.
#pragma once

#include <cstdint>

#include "call.h"

namespace supa {

// What a kernel calls in a loop that may wait for another block (`SupaLaunch.yield_`).
void step_aside(void *launch);

// Runs all blocks of a call on all host threads, so that every block that began makes progress, and later ones begin
// while earlier ones wait. A fault is recorded with its block.
void run_resident(SupaCall *call, int64_t total);

}  // namespace supa
