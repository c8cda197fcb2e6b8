#include "runner/jobs/registry_draft.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "runner/jobs/job_record.hpp"
#include "tests/support/fake_context.hpp"

namespace settle::runner {
namespace {

using std::chrono::hours;

const engine::Time kStart = engine::from_epoch_ms(1'782'482'220'000);
const std::string kTenant = "default";

/// One of a few dozen requests that often share a path, a stream, a name or a sink.
JobSpec some_request() {
  const test::FakeContext configuration;
  const auto one_of = [](std::vector<std::string> choices) {
    return *rc::gen::elementOf(std::move(choices));
  };
  const std::string body =
      "{\"granularity\":\"1m\",\"source\":\"trace\",\"sketch_type\":\"scalar\"" +
      one_of({R"(,"query":"m")", R"(,"query":"m{z=\"a\"}")", R"(,"query":"m{z=\"b\"}")"}) +
      one_of({R"(,"store_path":"p")", R"(,"store_path":"q")", R"(,"store_path":"r")"}) +
      one_of({"", R"(,"record":"n")", R"(,"labels":{"z":"c"})"}) +
      one_of({"", R"(,"sink":"log")", R"(,"sinks":["builtin","log"])"}) +
      one_of({"", R"(,"poll_interval":"10s")", R"(,"valid_until":"2031-01-01T00:00:00Z")"}) + "}";
  auto spec = parse_job(body, configuration, kStart);
  RC_ASSERT(static_cast<bool>(spec));
  return *spec;
}

void check_job(const RegistryState& state, const Job& job) {
  const Stream* stream = state.stream({job.tenant, job.stream_id});
  RC_ASSERT(stream != nullptr);
  RC_ASSERT(std::count(stream->job_ids.begin(), stream->job_ids.end(), job.id) == 1);
  RC_ASSERT(stream->identity == stream_identity(job.spec));
  RC_ASSERT(stream->poll_interval <= job.spec.poll_interval);
  RC_ASSERT(state.job_at(job.tenant, job.spec.store_path) == &job);
  for (const auto& [key, other] : state.jobs()) {
    if (other.id == job.id || other.spec.record != job.spec.record) continue;
    const std::vector<std::string>& theirs = other.spec.sinks;
    const bool shared = std::any_of(
        job.spec.sinks.begin(), job.spec.sinks.end(),
        [&theirs](const std::string& sink) { return std::count(theirs.begin(), theirs.end(), sink) > 0; });
    RC_ASSERT(!shared || provably_disjoint(job.spec, other.spec));
  }
}

void check_stream(const RegistryState& state, const Stream& stream) {
  RC_ASSERT(stream.rests_until.has_value() == stream.job_ids.empty());
  RC_ASSERT(state.stream_of(stream.tenant, stream.identity) == &stream);
  const auto record = decode_stream(stream.record);
  RC_ASSERT(static_cast<bool>(record));
  RC_ASSERT(record->views.size() == stream.job_ids.size());
  for (const StreamRecord::View& view : record->views) {
    const Job* job = state.job({stream.tenant, view.job_id});
    RC_ASSERT(job != nullptr);
    RC_ASSERT(job->stream_id == stream.id);
    RC_ASSERT(job->epoch == view.epoch);
  }
}

/// A registry that commits every draft that is not refused.
class Life {
 public:
  void step() {
    RegistryDraft draft(state_, {.wall_now = kStart + hours{steps_++},
                                 .job_grace = hours{24},
                                 .make_id = [this] { return std::to_string(++ids_); }});
    if (!change(draft)) return;
    const std::map<RegistryState::Key, Stream> before = state_.streams();
    for (const auto& key : std::move(draft).apply(state_)) {
      const Stream* stream = state_.stream(key);
      RC_ASSERT(stream != nullptr);
      const auto was = before.find(key);
      const bool changed = was == before.end() || was->second.record != stream->record;
      RC_ASSERT(changed);  // else a tick that began before could commit
    }
    for (const auto& [key, job] : state_.jobs()) check_job(state_, job);
    for (const auto& [key, stream] : state_.streams()) check_stream(state_, stream);
    RC_ASSERT(state_.order().size() == state_.jobs().size());
  }

 private:
  bool change(RegistryDraft& draft) {
    const int choice = *rc::gen::inRange(0, 10);
    if (choice < 6) {
      const bool replace = *rc::gen::arbitrary<bool>();
      return static_cast<bool>(draft.add(kTenant, some_request(), Origin::api, replace));
    }
    if (choice < 9 && !state_.jobs().empty()) {
      const auto at = *rc::gen::inRange<std::size_t>(0, state_.jobs().size());
      const Job& job = std::next(state_.jobs().begin(), static_cast<std::ptrdiff_t>(at))->second;
      return static_cast<bool>(draft.remove(kTenant, job.id, Origin::api));
    }
    std::vector<JobSpec> file;
    for (int i = *rc::gen::inRange(0, 3); i > 0; --i) file.push_back(some_request());
    return static_cast<bool>(draft.reconcile(kTenant, std::move(file)));
  }

  RegistryState state_;
  int steps_ = 0;
  int ids_ = 0;
};

TEST(RegistryDraft, KeepsJobsStreamsAndOwnershipInStepWhateverIsAsked) {
  const bool held = rc::check("lives of a registry", [] {
    Life life;
    for (int i = 0; i < 30; ++i) life.step();
  });
  EXPECT_TRUE(held);
}

TEST(RegistryDraft, ForgetsNothingItWasNotAskedTo) {
  RegistryState state;
  int ids = 0;
  const RegistryDraft::Edge edge{
      .wall_now = kStart, .job_grace = hours{24}, .make_id = [&ids] { return std::to_string(++ids); }};
  RegistryDraft draft(state, edge);
  EXPECT_TRUE(draft.empty());
  EXPECT_TRUE(draft.batch().empty());
  EXPECT_FALSE(draft.remove(kTenant, "1", Origin::api));
  EXPECT_TRUE(draft.empty());
}

}  // namespace
}  // namespace settle::runner
