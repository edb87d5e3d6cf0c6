// Computes work streams: parts of the grid in parallel, counted first, then each written to its place in the stream.
#include <algorithm>
#include <vector>

#include "call.h"
#include "guard.h"
#include "pool.h"
#include "supa_core.h"

namespace {

constexpr int64_t kPartBlocks = 256;  // blocks of the smallest part: a few microseconds of work entry
constexpr int64_t kMaxParts = 256;

struct Part {
  int64_t first, last;  // blocks
  int64_t at, count;    // values in the stream
};

struct Stream {
  SupaCall *call;
  std::vector<Part> parts;
  int64_t *out;  // null: count alone
};

struct Attempt {
  SupaCall *call;
  const Part *part;
  int64_t *out;
  int64_t result;
};

void enter(void *context) {
  auto *attempt = static_cast<Attempt *>(context);
  const Part &part = *attempt->part;
  attempt->result = attempt->call->kernel->work(attempt->call->args, &attempt->call->launch, part.first, part.last,
                                                attempt->out, attempt->out != nullptr ? part.count : 0);
}

// What the work entry returns for a part: values written, or the negative of those that there is no room for.
int64_t compute(const Stream &stream, const Part &part) {
  Attempt attempt{stream.call, &part, stream.out != nullptr ? stream.out + part.at : nullptr, 0};
  const supa::Fault fault = supa::guarded(enter, &attempt);
  if (fault.signal == 0) return attempt.result;
  if (supa::fail(stream.call, SUPA_FAULT)) {
    SupaOutcome &outcome = *stream.call->outcome;
    outcome.signal = fault.signal;
    outcome.fault_address = fault.address;
    outcome.fault_first = part.first;
    outcome.fault_last = part.last;
  }
  return 0;
}

void count_parts(void *context, int64_t first, int64_t last) {
  auto *stream = static_cast<Stream *>(context);
  for (int64_t index = first; index < last; ++index) {
    Part &part = stream->parts[static_cast<size_t>(index)];
    part.count = -compute(*stream, part);
  }
}

void write_parts(void *context, int64_t first, int64_t last) {
  auto *stream = static_cast<Stream *>(context);
  for (int64_t index = first; index < last; ++index) {
    const Part &part = stream->parts[static_cast<size_t>(index)];
    if (compute(*stream, part) != part.count) supa::fail(stream->call, SUPA_WORK_CHANGED);
  }
}

int64_t run(Stream &stream, void (*parts)(void *, int64_t, int64_t)) {
  supa::begin(stream.call);
  supa::Job job{};
  job.run = parts;
  job.context = &stream;
  job.end = static_cast<int64_t>(stream.parts.size());
  job.stop = &stream.call->launch.stopped;
  supa::run_shared(job);
  return stream.call->outcome->status;
}

thread_local Stream latest;

}  // namespace

extern "C" {

int64_t supa_work(SupaCall *call) {
  const int64_t total = supa::total_blocks(call);
  const int64_t wanted = std::clamp<int64_t>(total / kPartBlocks, 1, kMaxParts);
  const int64_t blocks = (total + wanted - 1) / wanted;
  Stream &stream = latest;
  stream.call = call;
  stream.out = nullptr;
  stream.parts.clear();
  for (int64_t first = 0; first < total; first += blocks) {
    stream.parts.push_back({first, std::min(total, first + blocks), 0, 0});
  }
  if (const int64_t status = run(stream, count_parts); status != SUPA_OK) return status;
  int64_t count = 0;
  for (Part &part : stream.parts) {
    part.at = count;
    count += part.count;
  }
  return count;
}

int64_t supa_work_write(SupaCall *call, int64_t *out) {
  Stream &stream = latest;
  stream.call = call;
  stream.out = out;
  return run(stream, write_parts);
}

}  // extern "C"
