// Computes work streams: parts of the grid in parallel, each into its own buffer, joined in the order of blocks.
#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "call.h"
#include "guard.h"
#include "pool.h"
#include "supa_core.h"

namespace {

constexpr int64_t kPartBlocks = 256;  // blocks of the smallest part: a few microseconds of work entry
constexpr int64_t kMaxParts = 256;
constexpr int64_t kGuessValues = 16;  // of a block, where nothing is known

struct Part {
  std::unique_ptr<int64_t[]> values;
  int64_t capacity = 0, count = 0;
};

struct Stream {
  SupaCall *call = nullptr;
  int64_t blocks_per_part = 0;
  std::vector<Part> parts;
};

thread_local Stream latest;

struct Attempt {
  SupaCall *call;
  int64_t first, last;
  Part *part;
  int64_t result;
};

void enter(void *context) {
  auto *attempt = static_cast<Attempt *>(context);
  attempt->result = attempt->call->kernel->work(attempt->call->args, &attempt->call->launch, attempt->first,
                                                attempt->last, attempt->part->values.get(), attempt->part->capacity);
}

void reserve(Part &part, int64_t capacity) {
  if (part.capacity >= capacity) return;
  part.values.reset();  // before the new one: never both
  part.capacity = 0;
  part.values.reset(new (std::nothrow) int64_t[static_cast<size_t>(capacity)]);
  if (part.values) part.capacity = capacity;
}

void compute(SupaCall *call, int64_t first, int64_t last, Part &part) {
  const int64_t guess = std::max(kGuessValues, call->kernel->block_values.load(std::memory_order_relaxed)) + 1;
  int64_t wanted = guess * (last - first);
  for (;;) {
    reserve(part, wanted);
    if (part.capacity < wanted) {
      supa::fail(call, SUPA_NO_HOST_MEMORY);
      return;
    }
    Attempt attempt{call, first, last, &part, 0};
    const supa::Fault fault = supa::guarded(enter, &attempt);
    if (fault.signal != 0) {
      if (!supa::fail(call, SUPA_FAULT)) return;
      call->outcome->signal = fault.signal;
      call->outcome->fault_address = fault.address;
      call->outcome->fault_first = first;
      call->outcome->fault_last = last;
      return;
    }
    part.count = attempt.result;
    if (attempt.result >= 0) return;
    wanted = std::max(-attempt.result, part.capacity + 1);  // grows even where an entry asks for too little
  }
}

void run_parts(void *context, int64_t first, int64_t last) {
  auto *stream = static_cast<Stream *>(context);
  const int64_t total = supa::total_blocks(stream->call);
  for (int64_t index = first; index < last; ++index) {
    const int64_t from = index * stream->blocks_per_part;
    compute(stream->call, from, std::min(total, from + stream->blocks_per_part),
            stream->parts[static_cast<size_t>(index)]);
  }
}

}  // namespace

extern "C" {

int64_t supa_work(SupaCall *call) {
  supa::begin(call);
  const int64_t total = supa::total_blocks(call);
  Stream &stream = latest;
  const int64_t parts = std::clamp<int64_t>(total / kPartBlocks, 1, kMaxParts);
  stream.call = call;
  stream.blocks_per_part = (total + parts - 1) / parts;
  stream.parts.resize(static_cast<size_t>(parts));
  for (Part &part : stream.parts) part.count = 0;
  if (total == 0) return 0;
  supa::Job job{};
  job.run = run_parts;
  job.context = &stream;
  job.end = (total + stream.blocks_per_part - 1) / stream.blocks_per_part;
  job.stop = &call->launch.stopped;
  supa::run_shared(job);
  if (call->outcome->status != SUPA_OK) {
    stream.parts.clear();
    return call->outcome->status;
  }
  int64_t count = 0;
  for (const Part &part : stream.parts) count += part.count;
  call->kernel->block_values.store(count / total + 1, std::memory_order_relaxed);
  return count;
}

void supa_work_take(int64_t *out) {
  Stream &stream = latest;
  for (Part &part : stream.parts) {
    if (part.count != 0) std::memcpy(out, part.values.get(), static_cast<size_t>(part.count) * sizeof(int64_t));
    out += part.count;
    part.count = 0;
  }
  if (stream.parts.size() > 1) stream.parts.clear();  // large buffers are not kept
}

}  // extern "C"
