// tests/runner/backfill/backfill_world.hpp: a runner with one job, and what both ledgers hold of its output.
#pragma once

#include <map>
#include <utility>

#include <gtest/gtest.h>

#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"
#include "runner/store/series_names.hpp"
#include "tests/runner/runner_world.hpp"

namespace settle::runner {

/// One series, as it will always be; the frontier is now.
inline fetchers::FetchResult settled(const fetchers::FetchRequest& request) {
  return say_all(request, [](Time bucket, Time) { return Value::count(truth(bucket)); });
}

using Points = std::map<std::pair<std::string, Time>, std::vector<engine::Sample>>;

/// What the ledger of a lane holds, by (output series, timestamp).
inline Points emitted(RunnerRig& rig, Lane lane) {
  Points points;
  const ReadTransaction view = rig.store().read();
  view.scan(ledger_table(lane), "", "", [&](std::string_view, std::string_view bytes) {
    const engine::Result<LedgerBlock> block = decode_block(bytes);
    EXPECT_TRUE(block);
    for (const engine::Sample& sample : block->samples) {
      const auto text = series_text_of(view, block->tenant, block->stream_id, sample.series);
      EXPECT_TRUE(text);
      const std::string series = output_series(text.value_or(""), block->record, block->labels);
      points[{series, sample.bucket + block->stamp_offset}].push_back(sample);
    }
    return true;
  });
  return points;
}

/// Every bucket of [from, to) once and right, whatever lane it came by, and nothing else before `to`.
inline void expect_once(RunnerRig& rig, Time from, Time to, const std::string& series = kSeries) {
  Points all = emitted(rig, Lane::live);
  for (auto& [key, samples] : emitted(rig, Lane::backfill)) {
    auto& there = all[key];
    there.insert(there.end(), samples.begin(), samples.end());
  }
  for (Time bucket = from; bucket < to; bucket += 1min) {
    const auto found = all.find({series, bucket});
    ASSERT_NE(found, all.end()) << series << " lacks " << engine::format_time(bucket);
    ASSERT_EQ(found->second.size(), 1u) << series << " at " << engine::format_time(bucket);
    EXPECT_EQ(found->second[0].value, Value::count(truth(bucket))) << engine::format_time(bucket);
    EXPECT_EQ(found->second[0].revision, 1u);
  }
  for (const auto& [key, samples] : all) {
    EXPECT_FALSE(key.first == series && key.second < from) << engine::format_time(key.second);
  }
}

inline std::string range_json(Time from, Time to, const std::string& more = {}) {
  return R"({"start":")" + engine::format_time(from) + R"(","end":")" + engine::format_time(to) + "\"" +
         more + "}";
}

struct World {
  explicit World(test::Script script = settled, const std::string& job = kJob)
      : rig(kNoon, std::move(script)) {
    rig.start();
    const auto posted = rig.post(job);
    EXPECT_TRUE(posted);
    id = posted->job.id;
    rig.pass(3min, 5s);
  }
  BackfillStatus status(const std::string& backfill) {
    return *rig.service().find_backfill("default", id, backfill);
  }
  std::vector<GapStatus> gaps() { return rig.service().gaps("default", id, 0, 1'000); }
  std::uint64_t gaps_open() {
    return rig.service().job_status(*rig.service().find_job("default", id)).gaps_open;
  }

  RunnerRig rig;
  std::string id;
};

/// One scope with one series, as it will always be.
inline void say_scope(const std::string& scope, const fetchers::FetchRequest& request,
                      fetchers::FetchResult& result) {
  say(
      scope, "requests_total{zone=\"" + scope + "\"}", request,
      [](Time bucket, Time) { return Value::count(truth(bucket)); }, result);
}

/// The scopes a and b; b fails while it is down.
inline fetchers::FetchResult say_two(const fetchers::FetchRequest& request, bool b_is_down) {
  fetchers::FetchResult result = b_is_down ? test::unreachable("b") : fetchers::FetchResult{};
  say_scope("a", request, result);
  if (!b_is_down) say_scope("b", request, result);
  return result;
}

}  // namespace settle::runner
