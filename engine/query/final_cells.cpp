#include "engine/query/final_cells.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

namespace settle::query {

using engine::Time;
using engine::TimeRange;

void FinalCells::put(std::string_view series, Time bucket, engine::Blob sketch) {
  assert(engine::floor_to(bucket, granularity_) == bucket);
  const bool goes = sketch.bytes().empty();
  if (goes && !ids_.contains(series)) return;
  const SeriesId id = id_of(series);
  Line& line = lines_[id];
  const std::size_t at = place_in(line, bucket);
  const bool is_here = at < line.cells.size() && line.cells[at].bucket == bucket;
  if (is_here ? line.cells[at].sketch == sketch : goes) return;
  if (is_here && goes) {
    line.cells.erase(std::next(line.cells.begin(), static_cast<std::ptrdiff_t>(at)));
    --cells_;
  } else if (is_here) {
    line.cells[at].sketch = std::move(sketch);
  } else {
    line.cells.insert(std::next(line.cells.begin(), static_cast<std::ptrdiff_t>(at)),
                      Entry{bucket, std::move(sketch)});
    ++cells_;
  }
  log({.kind = Change::Kind::cell, .id = id, .bucket = bucket});
  if (line.size() == 0) remove(id);
}

void FinalCells::cover(TimeRange buckets) {
  covered_.add({engine::ceil_to(buckets.from, granularity_), engine::floor_to(buckets.to, granularity_)});
}

void FinalCells::uncover(TimeRange buckets) {
  covered_.remove({engine::floor_to(buckets.from, granularity_), engine::ceil_to(buckets.to, granularity_)});
}

bool FinalCells::covers(TimeRange buckets) const {
  return uncovered(buckets).empty();
}

engine::Ranges FinalCells::uncovered(TimeRange buckets) const {
  engine::Ranges missing{buckets};
  missing.remove(covered_);
  return missing;
}

void FinalCells::forget_before(Time bucket) {
  const Time before = engine::ceil_to(bucket, granularity_);
  if (!covered_.empty()) covered_.remove({covered_.list().front().from, before});
  log({.kind = Change::Kind::forgot, .id = 0, .bucket = before});
  for (SeriesId id = 0; id < lines_.size(); ++id) {
    if (!lines_[id].series.empty()) forget_cells(id, before);
  }
}

void FinalCells::forget_cells(SeriesId id, Time before) {
  Line& line = lines_[id];
  const std::size_t end = place_in(line, before);
  for (; line.first < end; ++line.first, --cells_) line.cells[line.first].sketch = {};
  if (line.size() == 0) return remove(id);
  // Moved once they are the lesser part: a cell is moved once on average.
  if (line.first < line.size()) return;
  line.cells.erase(line.cells.begin(),
                   std::next(line.cells.begin(), static_cast<std::ptrdiff_t>(line.first)));
  line.first = 0;
}

const engine::Blob* FinalCells::cell(SeriesId id, Time bucket) const {
  if (id >= lines_.size()) return nullptr;
  const Line& line = lines_[id];
  const std::size_t at = place_in(line, bucket);
  if (at == line.cells.size() || line.cells[at].bucket != bucket) return nullptr;
  return &line.cells[at].sketch;
}

std::optional<std::span<const FinalCells::Change>> FinalCells::changes_since(std::uint64_t version) const {
  if (version < dropped_ || version > this->version()) return std::nullopt;
  return std::span{log_}.subspan(version - dropped_);
}

SeriesId FinalCells::id_of(std::string_view series) {
  if (const auto found = ids_.find(series); found != ids_.end()) return found->second;
  const auto id = free_.empty() ? static_cast<SeriesId>(lines_.size()) : free_.back();
  if (free_.empty()) {
    lines_.emplace_back();
  } else {
    free_.pop_back();
  }
  lines_[id].series = ids_.emplace(series, id).first->first;
  return id;
}

/// Of the bucket, or of the first after it.
std::size_t FinalCells::place_in(const Line& line, Time bucket) const {
  if (line.size() == 0 || bucket > line.cells.back().bucket) return line.cells.size();
  const Time first = line.cells[line.first].bucket;
  if (bucket <= first) return line.first;
  // Series have most of their buckets: then this is the place.
  const auto guess = line.first + static_cast<std::size_t>((bucket - first) / granularity_);
  if (guess < line.cells.size() && line.cells[guess].bucket == bucket) return guess;
  const auto from = std::next(line.cells.begin(), static_cast<std::ptrdiff_t>(line.first));
  const auto at =
      std::partition_point(from, line.cells.end(), [&](const Entry& entry) { return entry.bucket < bucket; });
  return static_cast<std::size_t>(at - line.cells.begin());
}

void FinalCells::remove(SeriesId id) {
  log({.kind = Change::Kind::gone, .id = id, .bucket = {}});
  ids_.erase(ids_.find(lines_[id].series));
  lines_[id] = {};
  free_.push_back(id);
}

void FinalCells::log(const Change& change) {
  if (log_.size() >= logged_ + 2 * cells_) {
    const std::size_t half = log_.size() / 2;
    log_.erase(log_.begin(), std::next(log_.begin(), static_cast<std::ptrdiff_t>(half)));
    dropped_ += half;
  }
  log_.push_back(change);
}

}  // namespace settle::query
