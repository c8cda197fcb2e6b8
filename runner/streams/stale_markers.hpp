// runner/streams/stale_markers.hpp: where output series end, for the sinks that are told so.
//
// A series has ended when the newest final bucket lacks it, or with its job's valid_until. Its marker is
// stamped one millisecond before what would have been its next sample, where no sample ever is: should the
// series go on after all, nothing is in the way of its value.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/stabilizer/engine.hpp"
#include "engine/stabilizer/sample.hpp"
#include "runner/jobs/job.hpp"
#include "runner/store/ledger.hpp"

namespace settle::runner {

/// Key in Table::meta: the newest final bucket that was looked at; 8 bytes of epoch milliseconds follow.
[[nodiscard]] std::string markers_key(const std::string& tenant, const std::string& stream_id);

/// Markers, with reason stale, of the series that ended since `after` was the newest final bucket.
struct EndedSeries {
  std::optional<engine::Time> looked_until;  // the newest final bucket, or `after` if there is none newer
  std::vector<engine::Sample> ended;         // by (bucket, series)
  std::vector<engine::Sample> goes_on;       // as if every series of those final buckets had ended there
};
/// `after` none: nothing was looked at yet; then nothing has ended.
[[nodiscard]] EndedSeries find_ended(const engine::Engine& engine, std::optional<engine::Time> after,
                                     engine::Time now);
/// What of it concerns one job.
[[nodiscard]] std::vector<engine::Sample> markers_of(const JobSpec& spec, const EndedSeries& found);

using TakesMarkers = std::function<bool(const std::string& sink)>;
/// Is any sink of the job told?
[[nodiscard]] bool tells_ends(const JobSpec& spec, const TakesMarkers& takes);
/// A block like `like`, with the job's markers for the sinks that take them. None: there is nothing to tell.
[[nodiscard]] std::optional<LedgerBlock> markers_block(const LedgerBlock& like, const JobSpec& spec,
                                                       const EndedSeries& found, const TakesMarkers& takes);

}  // namespace settle::runner
