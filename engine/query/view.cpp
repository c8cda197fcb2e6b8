#include "engine/query/view.hpp"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "engine/model/series.hpp"

namespace settle::query {

using engine::Time;
using engine::TimeRange;

namespace {

constexpr std::string_view kItemLabel = "item";
constexpr std::string_view kMovedAside = "exported_";

/// The series with the item as a label. One that it has already gives way, as in Prometheus.
engine::Result<std::string> with_item(engine::Labels labels, std::string_view name, const std::string& item) {
  const auto of_name = [](std::string_view wanted) {
    return [wanted](const engine::Label& label) { return label.name == wanted; };
  };
  auto taken = std::find_if(labels.begin(), labels.end(), of_name(name));
  if (taken != labels.end()) {
    std::string aside{name};
    while (std::any_of(labels.begin(), labels.end(), of_name(aside))) aside.insert(0, kMovedAside);
    taken->name = aside;
  }
  labels.push_back({.name = std::string{name}, .value = item});
  const auto fine = engine::normalize_labels(std::move(labels), false);
  if (!fine) return fine.error();
  return engine::series_text(*fine);
}

/// Added up after the function, not merged before it.
bool adds_up(const ViewSpec& spec) {
  const auto function = spec.query.function;
  return function == engine::Function::increase || function == engine::Function::rate ||
         function == engine::Function::last_over_time;
}

ViewOutputs::Options outputs_of(const ViewSpec& spec) {
  return {.granularity = spec.feed.granularity,
          .buckets = spec.query.window / spec.feed.granularity,
          .metric = spec.query.selector.metric(),
          .by = spec.by,
          .apart = adds_up(spec)};
}

}  // namespace

View::View(ViewSpec spec) : spec_(std::move(spec)), outputs_(outputs_of(spec_)) {
  if (adds_up(spec_)) sums_.emplace(spec_.by, spec_.query.selector.metric());
}

View::Answer View::rows(const FinalCells& cells, TimeRange buckets) {
  assert(cells.granularity() == spec_.feed.granularity);
  catch_up(cells);
  behind_.clear();
  Answer answer{.complete = complete_in(cells, buckets), .rows = {}, .unfit = 0, .why = {}};
  if (answer.complete.empty()) return answer;
  if (live_.empty() || answer.complete.to >= live().to) move_live_to(answer.complete);
  const auto columns = columns_of(answer.complete);
  work_out(cells, columns);
  if (sums_) sums_->forget();
  for (const Column* column : columns) {
    if (sums_) {
      give_out_sums(*column, answer);
    } else {
      give_out(*column, answer);
    }
  }
  return answer;
}

void View::catch_up(const FinalCells& cells) {
  outputs_.forget_corrections();
  const auto changes = seen_ == &cells ? cells.changes_since(version_) : std::nullopt;
  if (!changes) {
    start_anew(cells);
  } else {
    for (const FinalCells::Change& one : *changes) {
      if (one.kind == FinalCells::Change::Kind::cell) change(cells, one.id, one.bucket);
      if (one.kind == FinalCells::Change::Kind::forgot) forget_windows_from_before(one.bucket);
      if (one.kind != FinalCells::Change::Kind::gone) continue;
      if (const auto id = outputs_.gone(one.id)) {
        for (Column& column : live_) mark(column, *id);
      }
    }
  }
  seen_ = &cells;
  version_ = cells.version();
}

void View::start_anew(const FinalCells& cells) {
  outputs_.clear();
  live_.clear();
  for (SeriesId id = 0; id < cells.id_end(); ++id) {
    if (!cells.series(id).empty()) (void)outputs_.changed(cells, id, {});
  }
}

void View::change(const FinalCells& cells, SeriesId series, Time bucket) {
  const auto touched = outputs_.changed(cells, series, bucket);
  if (!touched) return;
  if (touched->is_new) add_output(touched->id);
  if (live_.empty() || bucket >= live().to) return;
  // The windows that it lies in.
  const auto step = spec_.feed.granularity;
  const Time from = std::max(bucket, live().from);
  const Time to = std::min(bucket + spec_.query.window, live().to);
  for (Time at = from; at < to; at += step) {
    mark(live_[static_cast<std::size_t>((at - live().from) / step)], touched->id);
  }
}

void View::forget_windows_from_before(Time bucket) {
  outputs_.forget_before(bucket);
  while (!live_.empty() && live_.front().bucket + spec_.feed.granularity - spec_.query.window < bucket) {
    live_.pop_front();
  }
}

void View::add_output(OutputId id) {
  for (Column& column : live_) {
    if (column.points.size() <= id) column.points.resize(outputs_.id_end());
    mark(column, id);
  }
}

/// Its answer is to be worked out again.
void View::mark(Column& column, OutputId id) {
  Point& point = column.points[id];
  if (point.state == State::unknown) return;
  if (point.state == State::items) column.items.erase(id);
  if (point.state == State::unfit) column.faults.erase(id);
  point.state = State::unknown;
  column.unknown.push_back(id);
}

View::Column View::fresh(Time bucket) {
  const auto all = outputs_.in_order();
  Column column{.bucket = bucket,
                .points = std::vector<Point>(outputs_.id_end()),
                .unknown = {all.begin(), all.end()},
                .items = {},
                .faults = {}};
  for (const OutputId id : all) column.points[id].state = State::unknown;
  return column;
}

TimeRange View::complete_in(const FinalCells& cells, TimeRange buckets) const {
  const auto step = spec_.feed.granularity;
  const TimeRange asked{engine::ceil_to(buckets.from, step), engine::ceil_to(buckets.to, step)};
  for (const TimeRange& covered : cells.covered().list()) {
    const TimeRange windows{std::max(asked.from, covered.from + spec_.query.window - step),
                            std::min(asked.to, covered.to)};
    if (!windows.empty()) return windows;
  }
  return {asked.from, asked.from};
}

TimeRange View::live() const {
  if (live_.empty()) return {};
  return {live_.front().bucket, live_.back().bucket + spec_.feed.granularity};
}

void View::move_live_to(TimeRange buckets) {
  const TimeRange before = live();
  std::deque<Column> moved;
  for (Time at = buckets.from; at < buckets.to; at += spec_.feed.granularity) {
    if (before.contains(at)) {
      moved.push_back(
          std::move(live_[static_cast<std::size_t>((at - before.from) / spec_.feed.granularity)]));
    } else {
      moved.push_back(fresh(at));
    }
  }
  live_ = std::move(moved);
}

std::vector<View::Column*> View::columns_of(TimeRange buckets) {
  std::vector<Column*> columns;
  const TimeRange kept = live();
  for (Time at = buckets.from; at < buckets.to; at += spec_.feed.granularity) {
    if (kept.contains(at)) {
      columns.push_back(&live_[static_cast<std::size_t>((at - kept.from) / spec_.feed.granularity)]);
    } else {
      columns.push_back(&behind_.emplace_back(fresh(at)));
    }
  }
  return columns;
}

/// Output by output, so that what a window leaves is at hand for the next; forward in time.
void View::work_out(const FinalCells& cells, const std::vector<Column*>& columns) {
  struct Work {
    OutputId id;
    Column* column;
  };
  std::vector<Work> work;
  std::size_t touched = 0;
  for (Column* column : columns) {
    touched += column->unknown.empty() ? 0 : 1;
    for (const OutputId id : column->unknown) work.push_back({id, column});
    column->unknown.clear();
  }
  if (touched > 1) {
    std::stable_sort(work.begin(), work.end(), [](const Work& a, const Work& b) { return a.id < b.id; });
  }
  // Each output's windows lie elsewhere in memory: what the next ones need is fetched while one is merged.
  constexpr std::size_t kApart = 3;
  for (std::size_t i = 0; i < work.size(); ++i) {
    for (std::size_t stage = 0; stage < ViewOutputs::kStages && touched == 1; ++stage) {
      const std::size_t next = i + kApart * (ViewOutputs::kStages - stage);
      if (next < work.size()) outputs_.soon(cells, work[next].id, work[next].column->bucket, stage);
    }
    work_out(cells, *work[i].column, work[i].id);
  }
}

void View::work_out(const FinalCells& cells, Column& column, OutputId id) {
  Point& point = column.points[id];
  const auto fault = [&](const engine::Error& error) {
    point.state = State::unfit;
    column.faults[id] = error.detail;
  };
  point.state = State::none;
  if (outputs_.series(id).empty()) return;
  const auto merged = outputs_.merge(cells, id, column.bucket, window_);
  if (!merged) return fault(merged.error());
  if (*merged == 0) return;
  if (spec_.query.function == engine::Function::top_k_over_time) {
    auto items = items_of(id);
    if (!items) return fault(items.error());
    point.state = State::items;
    column.items[id] = *std::move(items);
    return;
  }
  const auto value = answer_value(spec_.query, window_, column.bucket + spec_.feed.granularity);
  if (!value) return fault(value.error());
  if (!*value) return;
  point = {.value = **value, .state = State::value};
}

engine::Result<View::Items> View::items_of(OutputId id) const {
  const auto answer = answer_items(spec_.query, window_);
  if (!answer) return answer.error();
  if (answer->items.empty() && answer->absent_at_most > 0) {
    return engine::refused(
        "the sketches hold weights and name no items: their producer has to send candidates");
  }
  const auto labels = engine::parse_series(outputs_.series(id));
  if (!labels) return labels.error();
  const std::string_view name = spec_.cells.item.empty() ? kItemLabel : spec_.cells.item;
  Items items;
  for (const sketch::TopItem& top : answer->items) {
    auto series = with_item(*labels, name, top.item);
    if (!series) {
      if (items.unfit++ == 0) items.why = "an item makes no series: " + series.error().detail;
      continue;
    }
    items.rows.push_back(
        {*std::move(series),
         {.value = top.estimate, .low = top.low, .high = top.high, .degraded = answer->degraded}});
  }
  return items;
}

void View::give_out_sums(const Column& column, Answer& answer) {
  sums_->begin();
  for (const OutputId id : outputs_.in_order()) {
    const Point& point = column.points[id];
    if (point.state == State::value) sums_->add(outputs_.series(id), point.value);
    if (point.state == State::unfit) sums_->fault(outputs_.series(id), column.faults.at(id));
  }
  for (const auto& [series, group] : sums_->groups()) {
    if (group.fault) {
      if (answer.unfit++ == 0) answer.why = *group.fault;
      continue;
    }
    answer.rows.push_back(
        {.series = series, .bucket = column.bucket, .value = group.sum, .low = group.sum, .high = group.sum});
  }
}

void View::give_out(const Column& column, Answer& answer) {
  const auto refuse = [&](std::uint64_t count, const std::string& why) {
    if (answer.unfit == 0) answer.why = why;
    answer.unfit += count;
  };
  const auto give = [&](std::string_view series, const WindowValue& of) {
    answer.rows.push_back({.series = series,
                           .bucket = column.bucket,
                           .value = of.value,
                           .low = of.low,
                           .high = of.high,
                           .degraded = of.degraded});
  };
  const std::size_t first = answer.rows.size();
  for (const OutputId id : outputs_.in_order()) {
    const Point& point = column.points[id];
    if (point.state == State::value) give(outputs_.series(id), point.value);
    if (point.state == State::unfit) refuse(1, column.faults.at(id));
    if (point.state != State::items) continue;
    const Items& items = column.items.at(id);
    for (const ItemRow& row : items.rows) give(row.series, row.value);
    if (items.unfit > 0) refuse(items.unfit, items.why);
  }
  if (spec_.query.function != engine::Function::top_k_over_time) return;
  const auto rows = answer.rows.begin() + static_cast<std::ptrdiff_t>(first);
  std::stable_sort(rows, answer.rows.end(),
                   [](const ViewRow& a, const ViewRow& b) { return a.series < b.series; });
  // Labels that gave way, and items of other kinds with the same text, may make one series of two: the first
  // stays.
  const auto end = std::unique(rows, answer.rows.end(),
                               [](const ViewRow& a, const ViewRow& b) { return a.series == b.series; });
  if (end == answer.rows.end()) return;
  refuse(static_cast<std::uint64_t>(answer.rows.end() - end), "two items make one series");
  answer.rows.erase(end, answer.rows.end());
}

}  // namespace settle::query
