#include "runner/streams/stale_markers.hpp"

#include <algorithm>
#include <iterator>
#include <map>

#include "runner/store/keys.hpp"

namespace settle::runner {

using engine::Duration;
using engine::Sample;
using engine::Time;

namespace {

Sample marker_after(const engine::CellView& last, Duration granularity, Time now) {
  return {.series = last.number,
          .bucket = last.bucket + granularity - Duration{1},
          .value = *last.emitted,
          .revision = 1,
          .reason = engine::Reason::stale,
          .age = now - (last.bucket + granularity)};
}

}  // namespace

std::string markers_key(const std::string& tenant, const std::string& stream_id) {
  return key_of(tenant, "markers") + stream_id;
}

EndedSeries find_ended(const engine::Engine& engine, std::optional<Time> after, Time now) {
  EndedSeries found;
  found.looked_until = after;
  const std::optional<Time> newest = engine.newest_final_bucket();
  if (!newest || (after && *newest <= *after)) return found;
  found.looked_until = newest;
  if (!after) return found;
  const Duration granularity = engine.options().granularity;
  // What was in `after` had not ended then. Older buckets than the live ones have no cells any more.
  std::map<engine::SeriesNumber, engine::CellView> last;
  for (Time bucket = std::max(*after, engine.live_from()); bucket <= *newest; bucket += granularity) {
    for (const engine::CellView& cell : engine.cells_of(bucket)) {
      last[cell.number] = cell;
      if (cell.emitted && bucket > *after) found.goes_on.push_back(marker_after(cell, granularity, now));
    }
  }
  for (const auto& [number, cell] : last) {
    // One that is not emitted yet may still become the last.
    if (cell.bucket < *newest && cell.emitted) found.ended.push_back(marker_after(cell, granularity, now));
  }
  std::stable_sort(found.ended.begin(), found.ended.end(),
                   [](const Sample& a, const Sample& b) { return a.bucket < b.bucket; });
  return found;
}

std::vector<Sample> markers_of(const JobSpec& spec, const EndedSeries& found) {
  if (!spec.valid_until) return found.ended;
  const Duration granularity = spec.engine.granularity;
  const Time end = engine::floor_to(*spec.valid_until, granularity);  // no bucket of the job ends later
  std::vector<Sample> markers;
  std::copy_if(found.ended.begin(), found.ended.end(), std::back_inserter(markers),
               [end](const Sample& marker) { return marker.bucket < end - Duration{1}; });
  std::copy_if(found.goes_on.begin(), found.goes_on.end(), std::back_inserter(markers),
               [end](const Sample& marker) { return marker.bucket == end - Duration{1}; });
  return markers;
}

bool tells_ends(const JobSpec& spec, const TakesMarkers& takes) {
  return std::any_of(spec.sinks.begin(), spec.sinks.end(), takes);
}

std::optional<LedgerBlock> markers_block(const LedgerBlock& like, const JobSpec& spec,
                                         const EndedSeries& found, const TakesMarkers& takes) {
  LedgerBlock block = like;
  block.samples = markers_of(spec, found);
  std::erase_if(block.sinks, [&takes](const std::string& sink) { return !takes(sink); });
  if (block.samples.empty() || block.sinks.empty()) return std::nullopt;
  return block;
}

}  // namespace settle::runner
