#include "tests/runner/views/seeds_oracle.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>
#include <vector>

#include "engine/sketch/count_min.hpp"
#include "engine/sketch/count_sketch.hpp"
#include "engine/sketch/ddsketch.hpp"
#include "engine/sketch/hll.hpp"

namespace settle::runner::seeds {

using engine::Function;
using query::SketchType;

namespace {

struct Number {
  Time bucket;
  double value = 0;
  std::string item;
};

std::string text_of(engine::Labels labels, const std::string& record) {
  std::erase_if(labels, [](const engine::Label& one) { return one.name == engine::kMetricNameLabel; });
  labels.push_back({.name = std::string{engine::kMetricNameLabel}, .value = record});
  return engine::series_text(*engine::normalize_labels(std::move(labels)));
}

engine::Labels output_labels(const JobPlan& job, const RawSeries& series) {
  engine::Labels labels = series.labels;
  std::erase_if(labels, [&job](const engine::Label& one) {
    const bool stays = !job.by || std::find(job.by->begin(), job.by->end(), one.name) != job.by->end();
    return one.name == job.cells.item || !stays;
  });
  return labels;
}

double statistic(const JobPlan& job, const std::vector<Number>& numbers) {
  double sum = 0;
  double least = numbers.front().value;
  double most = least;
  for (const Number& one : numbers) {
    sum += one.value;
    least = std::min(least, one.value);
    most = std::max(most, one.value);
  }
  switch (job.query.function) {
    case Function::sum_over_time:
      return sum;
    case Function::count_over_time:
      return static_cast<double>(numbers.size());
    case Function::avg_over_time:
      return sum / static_cast<double>(numbers.size());
    case Function::min_over_time:
      return least;
    case Function::max_over_time:
      return most;
    default:
      std::abort();
  }
}

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// promql's extrapolatedRate, of one series.
std::optional<double> rise(const JobPlan& job, Time end, const std::vector<Number>& numbers) {
  if (numbers.size() < 2) return std::nullopt;
  double risen = 0;
  for (std::size_t at = 1; at < numbers.size(); ++at) {
    const double before = numbers[at - 1].value;
    risen += numbers[at].value >= before ? numbers[at].value - before : numbers[at].value;
  }
  const double sampled = seconds(numbers.back().bucket - numbers.front().bucket);
  const double apart = sampled / static_cast<double>(numbers.size() - 1);
  // A number is a sample at the end of its bucket.
  double to_start = seconds(numbers.front().bucket + kGranularity - (end - job.query.window));
  double to_end = seconds(end - (numbers.back().bucket + kGranularity));
  if (risen > 0 && numbers.front().value >= 0) {
    to_start = std::min(to_start, sampled * (numbers.front().value / risen));
  }
  if (to_start >= apart * 1.1) to_start = apart / 2;
  if (to_end >= apart * 1.1) to_end = apart / 2;
  const double whole = risen * ((sampled + to_start + to_end) / sampled);
  return job.query.function == Function::rate ? whole / seconds(job.query.window) : whole;
}

double quantile(const JobPlan& job, const std::vector<Number>& numbers) {
  sketch::DDSketch sketch{sketch::Mapping::of_accuracy(job.cells.building.accuracy)};
  for (const Number& one : numbers) (void)sketch.add(one.value);
  return sketch.quantile(job.query.parameter).value;
}

double distinct(const JobPlan& job, const std::vector<Number>& numbers) {
  sketch::Hll sketch = sketch::Hll::of_precision(job.cells.building.precision);
  for (const Number& one : numbers) {
    job.cells.item.empty() ? sketch.add(one.value) : sketch.add(std::string_view{one.item});
  }
  return sketch.answer().estimate;
}

/// So few items that no two meet in all rows of a matrix, which is checked nowhere: a sketch of the numbers.
template <class Sketch>
std::vector<sketch::TopItem> top(const JobPlan& job, const std::vector<Number>& numbers) {
  const query::Building& building = job.cells.building;
  Sketch sketch{{.rows = building.depth, .cols = building.width}, building.keep};
  for (const Number& one : numbers) sketch.add({.bytes = one.item}, building.weighted ? one.value : 1);
  return sketch.top_k(static_cast<std::size_t>(job.query.parameter)).items;
}

}  // namespace

Expected window_of(const World& world, const JobPlan& job, Time end) {
  Expected expected;
  std::map<std::string, std::pair<engine::Labels, std::vector<Number>>> groups;
  for (const RawSeries& series : world.series()) {
    if (!job.query.selector.matches(series.labels)) continue;
    engine::Labels labels = output_labels(job, series);
    std::string text = text_of(labels, job.record());
    std::vector<Number> own;
    for (Time bucket = end - job.query.window; bucket < end; bucket += kGranularity) {
      const auto cell = world.cell(series, bucket);
      if (!cell) continue;
      expected.deceived = expected.deceived || cell->deceives();
      expected.late = expected.late || cell->late.has_value();
      const auto item = engine::label_value(series.labels, "user");
      own.push_back({.bucket = bucket, .value = cell->value, .item = std::string{item}});
    }
    if (job.query.function == Function::increase || job.query.function == Function::rate) {
      if (const auto risen = rise(job, end, own)) expected.values[text] += *risen;
      continue;
    }
    if (job.query.function == Function::last_over_time) {
      if (!own.empty()) expected.values[text] += own.back().value;
      continue;
    }
    auto& group = groups[std::move(text)];
    group.first = std::move(labels);
    group.second.insert(group.second.end(), own.begin(), own.end());
  }
  for (const auto& [text, group] : groups) {
    const auto& [labels, numbers] = group;
    if (numbers.empty()) continue;
    if (job.cells.type == SketchType::stats) expected.values[text] = statistic(job, numbers);
    if (job.cells.type == SketchType::ddsketch) expected.values[text] = quantile(job, numbers);
    if (job.cells.type == SketchType::hll) expected.values[text] = distinct(job, numbers);
    if (job.query.function != Function::top_k_over_time) continue;
    const auto items = job.cells.type == SketchType::countminsketch ? top<sketch::CountMin>(job, numbers)
                                                                    : top<sketch::CountSketch>(job, numbers);
    for (const sketch::TopItem& one : items) {
      engine::Labels with = labels;
      with.push_back({.name = "user", .value = one.item});
      expected.values[text_of(std::move(with), job.record())] = one.estimate;
    }
  }
  return expected;
}

bool equal(const JobPlan& job, double expected, double got) {
  const bool adds = job.cells.type == SketchType::stats || job.cells.building.weighted;
  const bool is_exact = !adds || job.query.function == Function::count_over_time ||
                        job.query.function == Function::min_over_time ||
                        job.query.function == Function::max_over_time;
  if (is_exact) return expected == got;
  return std::abs(expected - got) <= 1e-9 * std::max(std::abs(expected), 1.0);
}

}  // namespace settle::runner::seeds
