#include "runner/streams/stream_views.hpp"

#include <algorithm>
#include <utility>

#include <xxhash.h>

#include "engine/model/bytes.hpp"
#include "runner/store/keys.hpp"

namespace settle::runner {

using engine::CellView;
using engine::Sample;
using engine::Time;

namespace {

std::shared_ptr<const FinalBucket> final_bucket_of(const engine::Engine& engine,
                                                   const std::shared_ptr<const FinalBucket>& before) {
  const std::optional<Time> newest = engine.newest_final_bucket();
  if (!newest || (before && before->bucket > *newest)) {
    return before;
  }
  auto made = std::make_shared<FinalBucket>();
  made->bucket = *newest;
  made->covered = {.from = *newest, .to = *newest + engine.options().granularity};
  for (const CellView& cell : engine.cells_of(*newest)) {
    if (cell.emitted) {
      made->points.push_back(
          {.series = std::string{cell.series}, .value = *cell.emitted, .revision = cell.revision});
    }
  }
  return made;
}

}  // namespace

std::string output_identity(const JobSpec& spec) {
  engine::ByteWriter out;
  out.text(spec.record);
  out.byte(static_cast<std::uint8_t>(spec.timestamp));
  for (const engine::Label& label : spec.labels) {
    out.text(label.name);
    out.text(label.value);
  }
  out.byte(0);
  for (const std::string& sink : spec.sinks) {
    out.text(sink);
  }
  const std::string text = std::move(out).take();
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return key_u64(hash.high64) + key_u64(hash.low64);
}

std::string served_prefix(const std::string& tenant, const std::string& stream_id) {
  return key_of(tenant, "served") + stream_id + '\0';
}

std::string served_value(const Served& served) {
  std::string value = served.job_id + '\0';
  for (const std::optional<Time>& time : {served.from, served.until}) {
    if (time) value += key_u64(static_cast<std::uint64_t>(engine::epoch_ms(*time)));
  }
  return value;
}

Served read_served(std::string_view value) {
  constexpr std::size_t kTimeBytes = 8;
  const std::size_t end = std::min(value.find('\0'), value.size());
  Served served{.job_id = std::string{value.substr(0, end)}, .from = {}, .until = {}};
  const std::string_view times = value.substr(std::min(end + 1, value.size()));
  const auto time_at = [&times](std::size_t at) {
    return engine::from_epoch_ms(static_cast<std::int64_t>(read_u64(times.substr(at, kTimeBytes))));
  };
  if (times.size() >= kTimeBytes) served.from = time_at(0);
  if (times.size() >= 2 * kTimeBytes) served.until = time_at(kTimeBytes);
  return served;
}

std::string inherits_key(const std::string& tenant, const std::string& stream_id) {
  return key_of(tenant, "inherits") + stream_id;
}

void read_engine(StreamStatus& status, const engine::Engine& engine) {
  status.open_cells = engine.open_cells();
  status.final_cells = engine.final_cells();
  status.scopes = engine.scopes();
  status.series = engine.series_count();
  status.limited = engine.limited();
  status.live_from = engine.live_from();
  status.frontier = engine.frontier();
  status.stats = engine.stats();
  status.finality = engine.finality_view();
  status.final_bucket = final_bucket_of(engine, status.final_bucket);
}

EmittedCells emitted_cells(const engine::Engine& engine, Time now) {
  EmittedCells emitted;
  // What went out past the frontier did so by ttl, and is not called settled for a newcomer.
  const Time reached = std::min(now, engine.frontier().value_or(now));
  for (const CellView& cell : engine.cells()) {
    if (cell.emitted) {
      const bool ended = cell.bucket + engine.options().granularity <= reached;
      emitted.samples.push_back({.series = cell.number,
                                 .bucket = cell.bucket,
                                 .value = *cell.emitted,
                                 .revision = cell.revision,
                                 .reason = ended ? engine::Reason::settled : engine::Reason::ttl,
                                 .age = now - (cell.bucket + engine.options().granularity),
                                 .evidence_polls = 0});
      if (!cell.quiet) {
        emitted.changing.emplace(cell.bucket, cell.number);
      }
    }
  }
  return emitted;
}

}  // namespace settle::runner
