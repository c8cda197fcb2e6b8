// tests/runner/runner_world.hpp: what a source says in the tests of a whole runner, and what became of it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/runner_rig.hpp"

namespace settle::runner {

using namespace std::chrono_literals;
using engine::Time;
using engine::TimeRange;
using engine::Value;
using test::job_json;
using test::RunnerRig;

inline const Time kNoon = *engine::parse_time("2026-06-26T12:00:00Z");
inline const std::string kSeries = "requests_total";
inline const std::string kJob =
    job_json("a/b", R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:4")");

/// The value of a bucket as a poll at `now` shows it; none: the source has no row of it.
using Shown = std::function<std::optional<Value>(Time bucket, Time now)>;

/// One series of a scope that answers completely and up to now.
inline void say(const std::string& scope, const std::string& series, const fetchers::FetchRequest& request,
                const Shown& shown, fetchers::FetchResult& result) {
  engine::ScopeAnswer* answer = nullptr;
  for (engine::ScopeAnswer& one : result.answer.scopes) {
    if (one.scope == scope) answer = &one;
  }
  if (answer == nullptr) {
    answer = &result.answer.scopes.emplace_back();
    answer->scope = scope;
    answer->covered = request.range;
    answer->frontier = request.now;
  }
  for (Time bucket = request.range.from; bucket < request.range.to; bucket += 1min) {
    if (const auto value = shown(bucket, request.now)) {
      answer->rows.push_back({.series = result.answer.texts.keep(series), .bucket = bucket, .value = *value});
    }
  }
}

/// A source with one scope and one series.
inline fetchers::FetchResult say_all(const fetchers::FetchRequest& request, const Shown& shown,
                                     const std::string& series = kSeries) {
  fetchers::FetchResult result;
  say("source", series, request, shown, result);
  return result;
}

inline std::uint64_t truth(Time bucket) {
  return static_cast<std::uint64_t>(engine::epoch_ms(bucket) / 60'000 % 1'000) + 5;
}

/// Is the truth three minutes after the bucket's end, and less before.
inline Value grown(Time bucket, Time now) {
  const auto minutes = (now - (bucket + 1min)) / 1min;
  return Value::count(truth(bucket) - (minutes >= 3 ? 0 : static_cast<std::uint64_t>(3 - minutes)));
}

inline fetchers::FetchResult growing(const fetchers::FetchRequest& request) {
  return say_all(request, grown);
}

/// Every bucket in [from, to) arrived exactly once and right.
inline void expect_exact(const RunnerRig& rig, Time from, Time to, const std::string& series = kSeries) {
  const auto received = rig.received();
  for (Time bucket = from; bucket < to; bucket += 1min) {
    const auto found = received.find({series, bucket});
    ASSERT_NE(found, received.end()) << engine::format_time(bucket);
    EXPECT_EQ(found->second, std::vector<Value>{Value::count(truth(bucket))}) << engine::format_time(bucket);
  }
}

inline const Job& first_job(RunnerRig& rig) {
  return *rig.service().list_jobs("default", "", 1)[0];
}

inline JobStatus first_status(RunnerRig& rig) {
  return rig.service().job_status(first_job(rig));
}

}  // namespace settle::runner
