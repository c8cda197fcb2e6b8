#include "runner/store/emitted_reader.hpp"

#include <algorithm>
#include <utility>

#include "runner/push/outbox.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/series_names.hpp"

namespace settle::runner {

namespace {

// What bounds the time of one transaction: blocks that are decoded, and keys of other jobs.
constexpr std::size_t kBlocksMax = 32;
constexpr std::size_t kKeysMax = 20'000;
constexpr std::size_t kSequenceBytes = 8;

}  // namespace

EmittedReader::EmittedReader(const Store& store, EmittedOrder order)
    : store_(store), order_(std::move(order)), job_key_(key_of(order_.tenant, order_.job_id)) {
  if (order_.job_id.empty()) job_key_ = order_.tenant + '\0';
}

const sinks::SeriesText& EmittedReader::series_of(const ReadTransaction& read, const LedgerBlock& block,
                                                  engine::SeriesNumber number) {
  const auto [at, is_new] = names_[block.job_id + '\0' + block.stream_id].try_emplace(number);
  if (is_new) {
    const auto source = series_text_of(read, block.tenant, block.stream_id, number);
    if (source) at->second = sink_series(*source, block, order_.external_labels);
  }
  return at->second;
}

/// False when the block does not decode.
bool EmittedReader::read_block(const ReadTransaction& read, Lane lane, std::string_view key,
                               std::string_view value, std::vector<EmittedRow>& out,
                               const std::function<bool(const EmittedRow&)>& wanted) {
  const engine::Result<LedgerBlock> block = decode_block(value);
  if (!block) {
    error_ = block.error();
    return false;
  }
  if (block->job_id == order_.except_job) return true;
  if (std::count(block->sinks.begin(), block->sinks.end(), order_.sink) == 0) return true;
  LedgerPosition at{std::string{key}, 0};
  const LedgerPosition& end = order_.acknowledged_before[static_cast<std::size_t>(lane)];
  for (std::size_t i = 0; i < block->samples.size(); ++i) {
    at.row = static_cast<std::uint32_t>(i);
    const sinks::SeriesText& series = series_of(read, *block, block->samples[i].series);
    if (series.empty()) continue;  // it was never sent: its row is a dead letter
    const sinks::Row row = to_row(*block, block->samples[i], series);
    EmittedRow one;
    one.series = row.series;
    one.timestamp = row.timestamp;
    one.value = row.value;
    one.revision = row.revision;
    one.sequence = read_u64(key.substr(0, kSequenceBytes));
    one.lane = lane;
    one.acknowledged = at < end;
    one.is_stale = row.reason == engine::Reason::stale;
    if (!order_.job_id.empty() && !series_.contains(one.series.view())) series_.emplace(one.series.view());
    if (order_.timestamps.contains(one.timestamp) && (!wanted || wanted(one))) out.push_back(std::move(one));
  }
  return true;
}

engine::Result<bool> EmittedReader::read_some(std::vector<EmittedRow>& out,
                                              const std::function<bool(const EmittedRow&)>& wanted) {
  std::size_t blocks = 0;
  std::size_t keys = 0;
  bool more = false;
  const ReadTransaction read = store_.read();
  for (const Lane lane : {Lane::live, Lane::backfill}) {
    std::string& seen = seen_[static_cast<std::size_t>(lane)];
    const std::string from = seen.empty() ? seen : seen + '\0';
    read.scan(ledger_table(lane), from, "", [&](std::string_view key, std::string_view value) {
      if (blocks >= kBlocksMax || keys++ >= kKeysMax) {
        more = true;
        return false;
      }
      seen = key;
      if (!key.substr(kSequenceBytes).starts_with(job_key_)) return true;
      ++blocks;
      return read_block(read, lane, key, value, out, wanted);
    });
    if (error_) return *std::exchange(error_, std::nullopt);
  }
  return more;
}

}  // namespace settle::runner
