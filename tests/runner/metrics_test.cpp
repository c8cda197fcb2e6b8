#include "runner/metrics.hpp"

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "runner/backfill/backfill_gauges.hpp"
#include "runner/gauges.hpp"
#include "runner/streams/finality_metrics.hpp"

namespace settle::runner {
namespace {

using prometheus::MetricType;

const prometheus::MetricFamily* family(const std::vector<prometheus::MetricFamily>& all,
                                       const std::string& name) {
  for (const auto& one : all) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

TEST(Metrics, FeedbackMetricsAreThereWithTheirTypeAndAtZeroFromTheStart) {
  const Metrics metrics;
  const auto all = metrics.registry.Collect();
  struct Expected {
    const char* name;
    MetricType type;
  };
  for (const Expected& expected :
       {Expected{"asapquery_precompute_job_duration_seconds", MetricType::Histogram},
        Expected{"asapquery_precompute_cache_hits_total", MetricType::Counter},
        Expected{"asapquery_precompute_cache_misses_total", MetricType::Counter},
        Expected{"asapquery_precompute_sketch_pull_errors_total", MetricType::Counter}}) {
    SCOPED_TRACE(expected.name);
    const auto* found = family(all, expected.name);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->type, expected.type);
    ASSERT_FALSE(found->metric.empty());
    for (const auto& child : found->metric) {
      EXPECT_EQ(child.counter.value, 0);
      EXPECT_EQ(child.histogram.sample_count, 0U);
    }
  }
}

TEST(Metrics, CountersWithALabelHaveEveryKnownValueOfItFromTheStart) {
  const Metrics metrics;
  const auto all = metrics.registry.Collect();
  EXPECT_EQ(family(all, "settle_samples_total")->metric.size(), 6U);
  EXPECT_EQ(family(all, "asapquery_precompute_sketch_pull_errors_total")->metric.size(), 7U);
}

TEST(Metrics, EveryNameIsOneOfTheContractOrStartsWithSettle) {
  const Metrics metrics;
  for (const auto& one : metrics.registry.Collect()) {
    const bool ours = one.name.rfind("settle_", 0) == 0 || one.name.rfind("asapquery_precompute_", 0) == 0;
    EXPECT_TRUE(ours) << one.name;
    EXPECT_FALSE(one.help.empty()) << one.name;
  }
}

TEST(Metrics, TheDocumentListsExactlyTheNamesThatAreServed) {
  Metrics metrics;
  const FinalityMetrics finality{metrics};
  metrics.rows_sent.Add(
      {{"sink", "s"}, {"outcome", "accepted"}});  // a family without series is not collected
  metrics.sink_requests.Add({{"sink", "s"}, {"outcome", "accepted"}});
  std::set<std::string> served;
  for (const auto& one : metrics.registry.Collect()) served.insert(one.name);
  for (const auto& one : gauge_families({}, 0, {}, {})) served.insert(one.name);
  for (const auto& one : backfill_families({}, 0, {})) served.insert(one.name);

  std::set<std::string> listed;
  std::ifstream document(SETTLE_METRICS_DOC);
  for (std::string line; std::getline(document, line);) {
    if (line.rfind("| `", 0) == 0) listed.insert(line.substr(3, line.find('`', 3) - 3));
  }
  EXPECT_EQ(listed, served);
}

TEST(Metrics, ASampleCountsByReasonAgeAndTheSizeOfItsCorrection) {
  Metrics metrics;
  FinalityMetrics finality{metrics};
  engine::Sample first;
  first.revision = 1;
  first.value = engine::Value::count(100);
  first.age = std::chrono::minutes{2};
  first.evidence_polls = 3;
  engine::Sample second = first;
  second.revision = 2;
  second.reason = engine::Reason::correction;
  second.replaced = first.value;
  second.value = engine::Value::count(75);
  second.age = std::chrono::minutes{9};
  finality.count(first);
  finality.count(second);
  const auto all = metrics.registry.Collect();
  const auto sum = [&](const char* name) { return family(all, name)->metric.at(0).histogram.sample_sum; };
  EXPECT_EQ(sum("settle_final_age_seconds"), 120);
  EXPECT_EQ(sum("settle_final_polls"), 3);
  EXPECT_EQ(sum("settle_correction_lateness_seconds"), 540);
  EXPECT_EQ(sum("settle_correction_size_ratio"), 0.25);
}

TEST(Metrics, SayHowManyGapsThereAreAndHowOldTheOldestIs) {
  Job job;
  job.id = "j";
  std::vector<LaneGauges> lanes(1);
  LaneGauges& lane = lanes[0];
  lane.job = &job;
  lane.backfills.resize(2);
  lane.gaps.by_state[GapState::scheduled] = 3;
  lane.gaps.oldest = engine::from_epoch_ms(1'000);
  lane.backfills[1].state = BackfillState::waiting;
  const std::string text =
      prometheus::TextSerializer{}.Serialize(backfill_families(lanes, 1, engine::from_epoch_ms(61'000)));
  EXPECT_NE(text.find("settle_job_gaps{job=\"j\",store_path=\"\",state=\"scheduled\"} 3"), text.npos) << text;
  EXPECT_NE(text.find("settle_job_gaps{job=\"j\",store_path=\"\",state=\"open\"} 0"), text.npos) << text;
  EXPECT_NE(text.find("settle_job_gap_oldest_seconds{job=\"j\",store_path=\"\"} 60"), text.npos) << text;
  EXPECT_NE(text.find("settle_backfills{state=\"queued\"} 1"), text.npos) << text;
  EXPECT_NE(text.find("settle_backfills{state=\"waiting\"} 1"), text.npos) << text;
}

}  // namespace
}  // namespace settle::runner
