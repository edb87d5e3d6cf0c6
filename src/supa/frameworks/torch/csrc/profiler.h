// What torch.profiler sees of the device: every operation on its clock, linked to the operator that asked for it.
// Not here: the operations' times, which Python hands over when a recording ends (`profiling.py`).
#pragma once

#include <mutex>
#include <set>
#include <vector>

#include <torch/csrc/profiler/standalone/privateuse1_profiler.h>

#include <libkineto.h>
#include <output_base.h>

#include "ledger.h"

namespace supa_torch {

struct ProfiledSpan {
  int32_t device;
  int32_t stream;
  int64_t start_ns, end_ns;  // on the host's clock, as the profiler has it
  int64_t correlation;
  bool copies;
  std::string name;
};

// The spans of the recording that has just ended.
class ProfiledSpans {
 public:
  void add(ProfiledSpan span) {
    std::lock_guard<std::mutex> lock(mutex_);
    all_.push_back(std::move(span));
  }
  std::vector<ProfiledSpan> take() {
    std::lock_guard<std::mutex> lock(mutex_);
    return std::move(all_);
  }

 private:
  std::mutex mutex_;
  std::vector<ProfiledSpan> all_;
};

inline ProfiledSpans profiled_spans;

class ProfilerSession final : public libkineto::IActivityProfilerSession {
 public:
  void start() override {
    if (state.clock_runs) state.clock.profile(1);
    status_ = libkineto::TraceStatus::RECORDING;
  }
  void stop() override {
    if (state.clock_runs) state.clock.profile(0);
    spans_ = profiled_spans.take();
    status_ = libkineto::TraceStatus::PROCESSING;
  }
  std::vector<std::string> errors() override { return {}; }
  void processTrace(libkineto::ActivityLogger &logger) override {
    processTrace(logger, [](int32_t) { return nullptr; }, 0, 0);
  }
  void processTrace(libkineto::ActivityLogger &logger, libkineto::getLinkedActivityCallback linked, int64_t, int64_t) override {
    buffer_->span = libkineto::TraceSpan(0, 0, "supa");
    for (const ProfiledSpan &span : spans_) {
      const auto type = span.copies ? libkineto::ActivityType::GPU_MEMCPY : libkineto::ActivityType::CONCURRENT_KERNEL;
      buffer_->emplace_activity(buffer_->span, type, span.name);
      libkineto::GenericTraceActivity &one = *buffer_->activities.back();
      one.startTime = span.start_ns;
      one.endTime = span.end_ns;
      one.device = span.device;
      one.resource = span.stream;
      one.id = static_cast<int32_t>(span.correlation);
      one.flow.id = static_cast<uint32_t>(span.correlation);
      one.flow.type = libkineto::kLinkAsyncCpuGpu;
      one.linked = span.correlation != 0 ? linked(static_cast<int32_t>(span.correlation)) : nullptr;
      logger.handleGenericActivity(one);
    }
  }
  std::unique_ptr<libkineto::DeviceInfo> getDeviceInfo() override { return nullptr; }
  std::vector<libkineto::ResourceInfo> getResourceInfos() override { return {}; }
  std::unique_ptr<libkineto::CpuTraceBuffer> getTraceBuffer() override { return std::move(buffer_); }
  void pushCorrelationId(uint64_t id) override { correlations.push_back(static_cast<int64_t>(id)); }
  void popCorrelationId() override {
    if (!correlations.empty()) correlations.pop_back();
  }

 private:
  std::vector<ProfiledSpan> spans_;
  std::unique_ptr<libkineto::CpuTraceBuffer> buffer_ = std::make_unique<libkineto::CpuTraceBuffer>();
};

class Profiler final : public libkineto::IActivityProfiler {
 public:
  const std::string &name() const override {
    static const std::string name = "supa";
    return name;
  }
  const std::set<libkineto::ActivityType> &availableActivities() const override {
    static const std::set<libkineto::ActivityType> all = {
        libkineto::ActivityType::GPU_MEMCPY, libkineto::ActivityType::CONCURRENT_KERNEL,
        libkineto::ActivityType::PRIVATEUSE1_RUNTIME};
    return all;
  }
  std::unique_ptr<libkineto::IActivityProfilerSession> configure(
      const std::set<libkineto::ActivityType> &types, const libkineto::Config &) override {
    if (types.count(libkineto::ActivityType::CONCURRENT_KERNEL) == 0) return nullptr;
    return std::make_unique<ProfilerSession>();
  }
  std::unique_ptr<libkineto::IActivityProfilerSession> configure(
      int64_t, int64_t, const std::set<libkineto::ActivityType> &types, const libkineto::Config &config) override {
    return configure(types, config);
  }
};

}  // namespace supa_torch
