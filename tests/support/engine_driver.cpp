#include "tests/support/engine_driver.hpp"

#include <sstream>

#include <gtest/gtest.h>

namespace settle::test {

namespace {

std::string text_of(const std::optional<Value>& value) {
  return value ? engine::format_value(*value) : "none";
}

}  // namespace

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
                   .evidence_polls = sample.evidence_polls});
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

void EngineDriver::save() {
  engine::Changes changes = engine_.drain_changes();
  EXPECT_EQ(changes.record_number, ++records_saved_);
  for (auto& series : changes.series_added) {
    EXPECT_FALSE(table_.contains(series.number)) << "series number used twice";
    table_[series.number] = std::move(series.text);
  }
  for (const auto number : changes.series_retired) EXPECT_EQ(table_.erase(number), 1U);
  records_.push_back(std::move(changes.record));
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
  auto loaded = engine::Engine::load(engine_.options(), series, records);
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
                   .quiet = cell.quiet});
  }
  return out;
}

std::string describe(const NaiveSample& sample) {
  std::ostringstream out;
  out << sample.series << ' ' << engine::format_time(sample.bucket) << ' '
      << engine::format_value(sample.value) << " revision " << sample.revision << ' '
      << engine::reason_text(sample.reason) << " age " << engine::format_duration(sample.age) << " polls "
      << sample.evidence_polls;
  return out.str();
}

std::string describe(const NaiveCellView& cell) {
  std::ostringstream out;
  out << cell.series << ' ' << engine::format_time(cell.bucket) << " scope " << cell.scope << ' '
      << engine::format_value(cell.value) << " emitted " << text_of(cell.emitted) << " revision "
      << cell.revision << (cell.quiet ? " quiet" : " moving");
  return out.str();
}

std::string describe(const NaiveGap& gap) {
  std::ostringstream out;
  out << "gap of " << gap.scope << " [" << engine::format_time(gap.range.from) << ", "
      << engine::format_time(gap.range.to) << ')';
  for (const auto& cell : gap.cells) {
    out << "; " << cell.series << ' ' << engine::format_time(cell.bucket) << ' '
        << engine::format_value(cell.last_observed) << " emitted " << text_of(cell.emitted) << " revision "
        << cell.revision;
  }
  return out.str();
}

std::string difference(const engine::EngineStats& got, const engine::EngineStats& expected) {
  std::ostringstream out;
  const auto compare = [&](const char* field, auto a, auto b) {
    if (a != b) out << field << ": got " << a << ", expected " << b << '\n';
  };
  using S = engine::EngineStats;
  const std::pair<const char*, std::uint64_t S::*> counts[] = {
      {"observations", &S::observations},
      {"changes", &S::changes},
      {"conflicts", &S::conflicts},
      {"rows_refused", &S::rows_refused},
      {"rows_uncountable", &S::rows_uncountable},
      {"rows_late", &S::rows_late},
      {"rows_over_limit", &S::rows_over_limit},
      {"vanished", &S::vanished},
      {"scope_moves", &S::scope_moves},
      {"answers_truncated", &S::answers_truncated},
      {"answers_unmoved", &S::answers_unmoved},
      {"settled", &S::settled},
      {"ttl", &S::ttl},
      {"corrections", &S::corrections},
      {"flushed", &S::flushed},
      {"zeros", &S::zeros},
      {"changed_after_final", &S::changed_after_final},
      {"held_back", &S::held_back},
      {"sealed", &S::sealed},
      {"given_up", &S::given_up},
  };
  for (const auto& [field, member] : counts) compare(field, got.*member, expected.*member);
  compare("unpropagated", got.unpropagated, expected.unpropagated);
  compare("withheld", got.withheld, expected.withheld);
  return out.str();
}

}  // namespace settle::test
