#include "tests/support/engine_driver.hpp"

#include <gtest/gtest.h>

namespace settle::test {

void EngineDriver::learn_names() {
  for (const auto& cell : engine_.cells()) names_[cell.number] = std::string{cell.series};
}

std::string EngineDriver::name(engine::SeriesNumber number) const {
  const auto known = engine_.series_name(number);
  if (!known.empty()) return std::string{known};
  const auto found = names_.find(number);
  return found == names_.end() ? "?" : found->second;
}

std::vector<NaiveSample> EngineDriver::named(const std::vector<engine::Sample>& samples) {
  std::vector<NaiveSample> out;
  for (const auto& sample : samples) {
    out.push_back({.series = name(sample.series),
                   .bucket = sample.bucket,
                   .value = sample.value,
                   .revision = sample.revision,
                   .reason = sample.reason,
                   .age = sample.age,
                   .evidence_polls = sample.evidence_polls,
                   .replaced = sample.replaced,
                   .sketch = sample.sketch});
  }
  return out;
}

std::vector<NaiveSample> EngineDriver::ingest(const engine::Answer& answer, Time now) {
  return named(engine_.ingest(answer, now));
}

std::vector<NaiveSample> EngineDriver::expire(Time now) {
  learn_names();
  return named(engine_.expire(now));
}

std::vector<NaiveSample> EngineDriver::flush(Time now) {
  learn_names();
  return named(engine_.flush(now));
}

std::vector<NaiveGap> EngineDriver::release(Time before) {
  learn_names();
  std::vector<NaiveGap> out;
  for (const auto& gap : engine_.release(before)) {
    NaiveGap& named_gap = out.emplace_back();
    named_gap.scope = gap.scope;
    named_gap.range = gap.range;
    for (const auto& cell : gap.cells) {
      named_gap.cells.push_back({.series = name(cell.series),
                                 .bucket = cell.bucket,
                                 .last_observed = cell.last_observed,
                                 .emitted = cell.emitted,
                                 .revision = cell.revision});
    }
  }
  return out;
}

void EngineDriver::carry(const std::string& series, std::int64_t amount) {
  const engine::Carry one{.series = series, .amount = amount};
  engine_.carry({&one, 1});
}

void EngineDriver::save() {
  engine::Changes changes = engine_.drain_changes();
  EXPECT_EQ(changes.record_number, ++records_saved_);
  for (auto& series : changes.series_added) {
    EXPECT_FALSE(table_.contains(series.number)) << "series number used twice";
    table_[series.number] = std::move(series.text);
  }
  for (const auto number : changes.series_retired) EXPECT_EQ(table_.erase(number), 1U);
  records_.push_back(std::move(changes.record));
  for (const auto& one : changes.blobs) blobs_[{one.number, one.bucket}] = one.sketch;
  blobs_saved_ = std::move(changes.blobs);
  // What is sealed or given up is not asked for again.
  std::erase_if(blobs_, [&](const auto& one) { return one.first.second < engine_.live_from(); });
}

void EngineDriver::renew() {
  if (records_.empty()) return;
  const auto renewed = engine_.renew(records_.front());
  ASSERT_TRUE(renewed) << renewed.error().detail;
  save();
  records_.pop_front();
}

void EngineDriver::reload() {
  save();
  std::vector<engine::NewSeries> series;
  for (const auto& [number, text] : table_) series.push_back({.number = number, .text = text});
  const std::vector<std::string_view> records{records_.begin(), records_.end()};
  const auto blob_of = [&](engine::SeriesNumber number, Time bucket) {
    const auto found = blobs_.find({number, bucket});
    return found == blobs_.end() ? engine::Blob{} : found->second;
  };
  auto loaded = engine::Engine::load(engine_.options(), series, records, blob_of);
  ASSERT_TRUE(loaded) << loaded.error().detail;
  engine_ = *std::move(loaded);
}

std::vector<NaiveCellView> EngineDriver::cells() const {
  std::vector<NaiveCellView> out;
  for (const auto& cell : engine_.cells()) {
    out.push_back({.series = std::string{cell.series},
                   .bucket = cell.bucket,
                   .scope = std::string{cell.scope},
                   .value = cell.value,
                   .emitted = cell.emitted,
                   .revision = cell.revision,
                   .quiet = cell.quiet,
                   .sketch = cell.sketch});
  }
  return out;
}

}  // namespace settle::test
