#include "fetchers/trace.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

namespace settle::fetchers {

using engine::Time;

namespace {

/// Sorts the series by text and gives each old index its new one.
std::vector<std::uint32_t> sort_series(std::vector<TraceSeries>& series) {
  std::vector<std::uint32_t> order(series.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return series[a].text < series[b].text; });
  std::vector<TraceSeries> sorted;
  sorted.reserve(series.size());
  std::vector<std::uint32_t> place(series.size());
  for (const std::uint32_t old : order) {
    place[old] = static_cast<std::uint32_t>(sorted.size());
    sorted.push_back(std::move(series[old]));
  }
  series = std::move(sorted);
  return place;
}

/// Names scope "", sorts and gives each old index its new one; "" and the name given to it become one scope.
std::vector<std::uint32_t> sort_scopes(std::vector<std::string>& scopes, const std::string& default_scope) {
  std::set<std::string> names;
  for (std::string& scope : scopes) {
    if (scope.empty()) scope = default_scope;
    names.insert(scope);
  }
  if (names.empty()) names.insert(default_scope);
  std::vector<std::uint32_t> place;
  place.reserve(scopes.size());
  for (const std::string& scope : scopes) {
    place.push_back(static_cast<std::uint32_t>(std::distance(names.begin(), names.find(scope))));
  }
  scopes.assign(names.begin(), names.end());
  return place;
}

}  // namespace

TraceHistory::TraceHistory(Trace trace, const std::string& default_scope)
    : scopes_(std::move(trace.scopes)),
      series_(std::move(trace.series)),
      first_(trace.first),
      last_(trace.last) {
  const std::vector<std::uint32_t> scope_place = sort_scopes(scopes_, default_scope);
  const std::vector<std::uint32_t> place = sort_series(series_);
  std::vector<TraceLine>& lines = trace.lines;
  for (TraceLine& line : lines) {
    line.series = place[line.series];
    line.scope = scope_place[line.scope];
  }
  const auto cell_of = [](const TraceLine& line) { return std::tie(line.scope, line.bucket, line.series); };
  std::stable_sort(lines.begin(), lines.end(), [&](const TraceLine& a, const TraceLine& b) {
    return std::tuple_cat(cell_of(a), std::tie(a.at)) < std::tuple_cat(cell_of(b), std::tie(b.at));
  });
  points_.reserve(lines.size());
  const TraceLine* before = nullptr;
  for (const TraceLine& line : lines) {
    const bool same_cell = before != nullptr && cell_of(*before) == cell_of(line);
    if (!same_cell) cells_.push_back({line.scope, line.bucket, line.series, points_.size()});
    if (same_cell && before->at == line.at) points_.pop_back();
    points_.push_back({line.at, line.value, line.sketch});
    before = &line;
  }
  cells_.push_back({static_cast<std::uint32_t>(scopes_.size()), Time::max(), 0, points_.size()});
  frontiers_.resize(scopes_.size());
  for (const TraceFrontier& frontier : trace.frontiers) {
    frontiers_[scope_place[frontier.scope]].push_back(frontier);
    instants_.push_back(frontier.at);
  }
  for (const Point& point : points_) instants_.push_back(point.at);
  std::sort(instants_.begin(), instants_.end());
  instants_.erase(std::unique(instants_.begin(), instants_.end()), instants_.end());
}

const TraceHistory::Point* TraceHistory::newest(const Cell& cell, Time now) const {
  const Cell& next = *(&cell + 1);
  const auto begin = points_.begin() + static_cast<std::ptrdiff_t>(cell.points_from);
  const auto end = points_.begin() + static_cast<std::ptrdiff_t>(next.points_from);
  const auto later =
      std::upper_bound(begin, end, now, [](Time t, const Point& point) { return t < point.at; });
  return later == begin ? nullptr : &*std::prev(later);
}

std::optional<Time> TraceHistory::frontier_at(std::uint32_t scope, Time now) const {
  if (!last_ || now > *last_) return now;
  const auto& known = frontiers_[scope];
  const auto later = std::upper_bound(known.begin(), known.end(), now,
                                      [](Time t, const TraceFrontier& frontier) { return t < frontier.at; });
  if (later == known.begin()) return std::nullopt;
  return std::prev(later)->frontier;
}

engine::Answer TraceHistory::answer_at(engine::TimeRange range, const engine::Selector& selector,
                                       Time now) const {
  engine::Answer answer;
  enum class Verdict : std::uint8_t { unknown, no, yes };
  std::vector<Verdict> verdicts(series_.size(), Verdict::unknown);
  std::vector<std::string_view> texts(series_.size());
  for (std::uint32_t scope = 0; scope < scopes_.size(); ++scope) {
    engine::ScopeAnswer part;
    part.scope = scopes_[scope];
    part.covered = range;
    part.frontier = frontier_at(scope, now);
    const auto by_bucket = [](const Cell& cell, const std::pair<std::uint32_t, Time>& key) {
      return std::pair(cell.scope, cell.bucket) < key;
    };
    const auto end = std::prev(cells_.end());
    auto cell = std::lower_bound(cells_.begin(), end, std::pair(scope, range.from), by_bucket);
    for (; cell != end && cell->scope == scope && cell->bucket < range.to; ++cell) {
      const TraceSeries& series = series_[cell->series];
      Verdict& verdict = verdicts[cell->series];
      if (verdict == Verdict::unknown) {
        verdict = selector.matches(series.labels) ? Verdict::yes : Verdict::no;
        if (verdict == Verdict::yes) texts[cell->series] = answer.texts.keep(series.text);
      }
      if (verdict == Verdict::no) continue;
      const Point* point = newest(*cell, now);
      if (point == nullptr || !point->value) continue;
      part.rows.push_back({texts[cell->series], cell->bucket, *point->value});
      if (!point->sketch.empty()) part.sketches.resize(part.rows.size() - 1);
      if (!point->sketch.empty() || !part.sketches.empty()) part.sketches.push_back(point->sketch);
    }
    answer.scopes.push_back(std::move(part));
  }
  return answer;
}

std::vector<std::string> TraceHistory::metrics() const {
  std::set<std::string> names;
  for (const TraceSeries& series : series_) {
    names.emplace(engine::label_value(series.labels, engine::kMetricNameLabel));
  }
  return {names.begin(), names.end()};
}

bool TraceHistory::changed_between(Time after, Time upto) const {
  if (!last_ || upto > *last_) return true;  // the frontier is now
  const auto next = std::upper_bound(instants_.begin(), instants_.end(), after);
  return next != instants_.end() && *next <= upto;
}

std::optional<TraceHistory::Buckets> TraceHistory::buckets() const {
  const auto end = std::prev(cells_.end());
  if (end == cells_.begin()) return std::nullopt;
  const auto [oldest, newest] = std::minmax_element(
      cells_.begin(), end, [](const Cell& a, const Cell& b) { return a.bucket < b.bucket; });
  return Buckets{.first = oldest->bucket, .last = newest->bucket};
}

std::optional<Time> TraceHistory::first_off_grid(engine::Duration granularity) const {
  const auto end = std::prev(cells_.end());
  const auto off = std::find_if(cells_.begin(), end, [&](const Cell& cell) {
    return engine::floor_to(cell.bucket, granularity) != cell.bucket;
  });
  if (off == end) return std::nullopt;
  return off->bucket;
}

}  // namespace settle::fetchers
