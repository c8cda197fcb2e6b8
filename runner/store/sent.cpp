#include "runner/store/sent.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "runner/store/keys.hpp"
#include "runner/store/series_names.hpp"

namespace settle::runner {

using engine::Sample;
using engine::Time;
using engine::TimeRange;

namespace {

constexpr std::size_t kSequenceBytes = 8;
constexpr std::size_t kPartBytes = 2;
// Of one read transaction: some 10 ms.
constexpr std::size_t kKeysPerRead = 50'000;
constexpr std::size_t kBlocksPerRead = 256;
constexpr std::size_t kBlocksPerRun = 16;

bool share_a_sink(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::any_of(a.begin(), a.end(), [&b](const std::string& name) {
    return std::find(b.begin(), b.end(), name) != b.end();
  });
}

TimeRange timestamps_of(const LedgerOutline& block) {
  if (block.samples.count == 0) {
    return {Time::max(), Time::min()};
  }
  return {block.samples.bucket_min + block.head.stamp_offset,
          block.samples.bucket_max + block.head.stamp_offset + engine::Duration{1}};
}

bool overlap(TimeRange a, TimeRange b) {
  return a.from < b.to && b.from < a.to;
}

/// Output series by the numbers of one stream.
class Names {
 public:
  const std::string& of(const ReadTransaction& view, const LedgerBlock& block, engine::SeriesNumber number) {
    const auto [at, is_new] = texts_[block.stream_id].try_emplace(number);
    if (is_new) {
      if (const auto source = series_text_of(view, block.tenant, block.stream_id, number)) {
        at->second = output_series(*source, block.record, block.labels);
      }
    }
    return at->second;
  }

 private:
  std::map<std::string, std::unordered_map<engine::SeriesNumber, std::string>> texts_;
};

void take_block(const ReadTransaction& view, std::string_view key, const LedgerBlock& block, TimeRange wanted,
                Names& names, SentPoints& found) {
  const std::uint64_t sequence = read_u64(key.substr(0, kSequenceBytes));
  for (const Sample& sample : block.samples) {
    const Time stamp = sample.bucket + block.stamp_offset;
    if (!wanted.contains(stamp) || sample.reason == engine::Reason::stale) {
      continue;
    }
    const std::string& series = names.of(view, block, sample.series);
    if (series.empty()) {
      continue;
    }
    SentPoint& point = found[series][stamp];
    for (const std::string& sink : block.sinks) {
      if (std::find(point.sinks.begin(), point.sinks.end(), sink) == point.sinks.end()) {
        point.sinks.push_back(sink);
      }
    }
    if (std::pair{sample.revision, sequence} >= std::pair{point.revision, point.sequence}) {
      point.timestamp = stamp;
      point.value = sample.value;
      point.revision = sample.revision;
      point.sequence = sequence;
    }
  }
}

}  // namespace

OutputBlocks::OutputBlocks(std::string tenant, const JobSpec& spec)
    : tenant_(std::move(tenant)), record_(spec.record), labels_(spec.labels), sinks_(spec.sinks) {}

bool OutputBlocks::holds(std::string_view key, std::string_view bytes) {
  if (key.size() < kSequenceBytes + kPartBytes) {
    return false;
  }
  std::string job{key.substr(kSequenceBytes, key.size() - kSequenceBytes - kPartBytes)};
  const auto known = jobs_.find(job);
  if (known != jobs_.end()) {
    return known->second;
  }
  const engine::Result<LedgerOutline> outline = outline_block(bytes);
  const LedgerBlock* block = outline ? &outline->head : nullptr;
  const bool mine = block != nullptr && block->tenant == tenant_ && block->record == record_ &&
                    block->labels == labels_ && share_a_sink(block->sinks, sinks_);
  // The blocks of one job may go to different sinks (runner/streams/inheritance.hpp): only a record that
  // differs says that none of them matters.
  if (block == nullptr || mine || block->tenant != tenant_ || block->record != record_ ||
      block->labels != labels_) {
    jobs_.emplace(std::move(job), mine);
  }
  return mine;
}

void SentIndex::note(InLane& in, std::string_view key, const LedgerOutline& block) {
  const TimeRange timestamps = timestamps_of(block);
  if (in.runs.empty() || in.runs.back().blocks == kBlocksPerRun) {
    in.runs.push_back({.first = std::string{key}, .last = {}, .blocks = 0, .timestamps = timestamps});
  }
  Run& run = in.runs.back();
  run.last = key;
  run.blocks += 1;
  run.timestamps.from = std::min(run.timestamps.from, timestamps.from);
  run.timestamps.to = std::max(run.timestamps.to, timestamps.to);
}

/// True: there is more.
engine::Result<bool> SentIndex::look_on(const Store& store, Lane lane) {
  InLane& in = lanes_[static_cast<std::size_t>(lane)];
  std::size_t keys = 0;
  std::size_t blocks = 0;
  bool more = false;
  std::optional<engine::Error> error;
  const std::string from = in.seen.empty() ? std::string{} : in.seen + '\0';
  store.read().scan(ledger_table(lane), from, "", [&](std::string_view key, std::string_view bytes) {
    if (keys++ == kKeysPerRead || blocks == kBlocksPerRead) {
      more = true;
      return false;
    }
    in.seen = key;
    if (!blocks_.holds(key, bytes)) {
      return true;
    }
    const engine::Result<LedgerOutline> block = outline_block(bytes);
    if (!block) {
      error = block.error();
      return false;
    }
    blocks += 1;
    note(in, key, *block);
    return true;
  });
  if (error) {
    return *error;
  }
  return more;
}

engine::Result<void> SentIndex::extend(const Store& store) {
  const std::lock_guard<std::mutex> alone{lock_};
  for (const Lane lane : {Lane::live, Lane::backfill}) {
    for (bool more = true; more;) {
      const engine::Result<bool> looked = look_on(store, lane);
      if (!looked) {
        return looked.error();
      }
      more = *looked;
    }
  }
  return {};
}

engine::Result<SentPoints> SentIndex::find(const Store& store, TimeRange timestamps) const {
  const std::lock_guard<std::mutex> alone{lock_};
  SentPoints found;
  std::optional<engine::Error> error;
  Names names;
  for (const Lane lane : {Lane::live, Lane::backfill}) {
    for (const Run& run : lanes_[static_cast<std::size_t>(lane)].runs) {
      if (!overlap(run.timestamps, timestamps)) {
        continue;
      }
      const ReadTransaction view = store.read();
      view.scan(ledger_table(lane), run.first, run.last + '\0',
                [&](std::string_view key, std::string_view bytes) {
                  if (!blocks_.holds(key, bytes)) {
                    return true;
                  }
                  const engine::Result<LedgerBlock> block = decode_block(bytes);
                  if (!block) {
                    error = block.error();
                    return false;
                  }
                  take_block(view, key, *block, timestamps, names, found);
                  return true;
                });
      if (error) {
        return *error;
      }
    }
  }
  return found;
}

}  // namespace settle::runner
