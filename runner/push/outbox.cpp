#include "runner/push/outbox.hpp"

#include <algorithm>
#include <limits>
#include <memory_resource>
#include <optional>
#include <unordered_set>
#include <utility>

#include "runner/store/keys.hpp"
#include "runner/store/series_names.hpp"

namespace settle::runner {

using engine::SeriesNumber;

namespace {

// Bounds the time of a read transaction, also where most blocks are of other sinks.
constexpr std::size_t kBlocksPerRead = 256;
constexpr std::size_t kNamesMax = 1'000'000;
constexpr std::size_t kRowBytes = 40;  // timestamp and value in any format
constexpr std::size_t kTakenBytes = 64u << 10;
constexpr std::size_t kRowsReserved = 100'000;

std::string row_key(const sinks::Row& row) {
  return std::string{row.series} + '\0' +
         key_u64(static_cast<std::uint64_t>(engine::epoch_ms(row.timestamp)));
}

}  // namespace

sinks::Row to_row(const LedgerBlock& block, const engine::Sample& sample, sinks::SeriesText series) {
  sinks::Row row;
  row.series = std::move(series);
  row.timestamp = sample.bucket + block.stamp_offset;
  row.value = sample.value;
  row.revision = sample.revision;
  if (block.corrections == engine::Corrections::ledger)
    row.revision = 1;  // no row takes the place of another
  if (goes_as_difference(block, sample) && !row.series.empty()) {
    row.series = revision_series(row.series, sample.revision);
    row.value = difference_of(sample);
  }
  row.reason = sample.reason;
  return row;
}

std::string sink_series(std::string_view source_series, const LedgerBlock& block,
                        const engine::Labels& external_labels) {
  std::string text = output_series(source_series, block.record, block.labels);
  if (external_labels.empty()) return text;
  auto labels = engine::parse_series(text);
  if (!labels) return text;
  for (const engine::Label& label : external_labels) {
    if (engine::label_value(*labels, label.name).empty()) labels->push_back(label);
  }
  auto all = engine::normalize_labels(std::move(*labels));
  return all ? engine::series_text(*all) : text;
}

namespace {

std::string just_after(const std::string& key) {
  return key.empty() ? key : key + '\0';
}

std::uint64_t sequence_of(std::string_view key) {
  return key.size() < 8 ? 0 : read_u64(key.substr(0, 8));
}

void widen(engine::TimeRange& range, const LedgerOutline& block) {
  if (block.samples.count == 0) return;
  const engine::Time first = block.samples.bucket_min + block.head.stamp_offset;
  const engine::Time after = block.samples.bucket_max + block.head.stamp_offset + engine::Duration{1};
  range = range.empty() ? engine::TimeRange{first, after}
                        : engine::TimeRange{std::min(range.from, first), std::max(range.to, after)};
}

struct RowIdentity {
  std::string_view series;
  engine::Time timestamp;
  bool operator==(const RowIdentity&) const = default;
};
struct RowIdentityHash {
  std::size_t operator()(const RowIdentity& row) const {
    const auto ms = static_cast<std::size_t>(engine::epoch_ms(row.timestamp));
    return std::hash<std::string_view>{}(row.series) ^ (ms * 0x9e3779b97f4a7c15u);
  }
};

}  // namespace

struct Outbox::Filling {
  OutboxBatch batch;
  OutboxLimits limits;
  std::size_t bytes = 0;
  std::size_t blocks = 0;
  std::uint64_t sequence = 0;  // of the block in hand
  // Of the row before, in this block: rows mostly come series by series.
  SeriesNumber number = 0;
  const sinks::SeriesText* name = nullptr;

  [[nodiscard]] bool takes(const sinks::Row& row);

 private:
  // While the rows of each series come in time, none is there already; views of texts that rows share.
  bool in_time_ = true;
  std::unordered_map<std::string_view, engine::Time> newest_;
  const char* text_ = nullptr;  // of the row before, and its place in newest_
  engine::Time* newest_of_text_ = nullptr;
  // From then on one entry for each row: from few pieces of memory, gone at once.
  std::pmr::monotonic_buffer_resource memory_{kTakenBytes};
  std::pmr::unordered_set<RowIdentity, RowIdentityHash> taken_{&memory_};
};

/// False when the batch has no room, or has a row of this series and timestamp: it then ends here.
bool Outbox::Filling::takes(const sinks::Row& row) {
  const std::string_view text = row.series.view();
  bool is_new = false;
  if (text.data() != text_) {
    const auto [at, inserted] = newest_.try_emplace(text, engine::Time::min());
    text_ = text.data();
    newest_of_text_ = &at->second;
    is_new = inserted;
  }
  const std::size_t more = (limits.series_once && !is_new ? 0 : text.size()) + kRowBytes;
  if (!batch.rows.empty() && bytes + more > limits.bytes_max) return false;
  bytes += more;
  if (in_time_ && row.timestamp > *newest_of_text_) {
    *newest_of_text_ = row.timestamp;
    return true;
  }
  if (std::exchange(in_time_, false)) {
    for (const OutboxRow& one : batch.rows) taken_.insert({one.row.series, one.row.timestamp});
  }
  return taken_.insert({text, row.timestamp}).second;
}

Outbox::Outbox(const Store& store, std::string tenant, std::string sink, engine::Labels external_labels,
               Lane lane)
    : store_(store),
      tenant_(std::move(tenant)),
      sink_(std::move(sink)),
      external_labels_(std::move(external_labels)),
      lane_(lane) {}

bool Outbox::is_mine(const LedgerBlock& block) const {
  return block.tenant == tenant_ &&
         std::find(block.sinks.begin(), block.sinks.end(), sink_) != block.sinks.end();
}

Outbox::JobSeries& Outbox::names_of(const LedgerBlock& block) {
  return names_[block.job_id + '\0' + block.stream_id];
}

const sinks::SeriesText& Outbox::series_of(const ReadTransaction& read, const LedgerBlock& block,
                                           JobSeries& names, SeriesNumber number) {
  const auto [at, is_new] = names.try_emplace(number);
  if (is_new) {
    ++names_held_;
    const auto source = series_text_of(read, block.tenant, block.stream_id, number);
    if (source) at->second = sink_series(*source, block, external_labels_);
  }
  return at->second;
}

/// The error that the block does not decode.
std::optional<engine::Error> Outbox::note_revisions(const ReadTransaction& read, std::string_view key,
                                                    std::string_view bytes, const LedgerOutline& outline,
                                                    Noted& noted) {
  const bool has_any =
      outline.samples.revision_max > 1 && outline.head.corrections != engine::Corrections::ledger;
  if (!has_any) return std::nullopt;
  const engine::Result<LedgerBlock> block = decode_block(bytes);
  if (!block) return block.error();
  const std::uint64_t sequence = sequence_of(key);
  for (const engine::Sample& sample : block->samples) {
    if (sample.revision < 2) continue;
    const engine::Time stamp = sample.bucket + block->stamp_offset;
    if (stamp < waiting_.from || stamp >= waiting_.to) continue;
    const sinks::SeriesText& series = series_of(read, *block, names_of(*block), sample.series);
    std::string identity = row_key(to_row(*block, sample, series));
    NewerRevision& newest = newer_[identity];
    if (sequence >= newest.sequence) newest = {sample.revision, sequence};
    noted.emplace_back(sequence, std::move(identity));
  }
  return std::nullopt;
}

engine::Result<Outbox::Sight> Outbox::look_ahead(const LedgerPosition& from, bool aside) {
  if (names_held_ > kNamesMax) {
    names_.clear();
    names_held_ = 0;
  }
  Sight sight;
  std::size_t blocks = 0;
  std::optional<engine::Error> error;
  const std::string begin = seen_.empty() ? from.key : just_after(seen_);
  const ReadTransaction read = store_.read();
  read.scan(ledger_table(lane_), begin, "", [&](std::string_view key, std::string_view value) {
    if (blocks++ == kBlocksPerRead) {
      sight.to_the_end = false;
      return false;
    }
    const engine::Result<LedgerOutline> block = outline_block(value);
    if (!block) {
      error = block.error();
      return false;
    }
    seen_ = key;
    if (!is_mine(block->head)) return true;
    widen(waiting_, *block);
    error = note_revisions(read, key, value, *block, noted_);
    if (error) return false;
    const std::uint64_t size = block->samples.count;
    sight.rows += size - (key == from.key ? std::min<std::uint64_t>(size, from.row) : 0);
    return true;
  });
  if (error) return *error;
  if (aside && sight.to_the_end) {
    if (auto looked = look_aside(read, from, blocks, sight); !looked) return looked.error();
  }
  return sight;
}

/// All rows of this lane up to the present of `read` have been seen: what is newer in the other lane and
/// outside of their time replaces none of them.
engine::Result<void> Outbox::look_aside(const ReadTransaction& read, const LedgerPosition& from,
                                        std::size_t& blocks, Sight& sight) {
  std::optional<engine::Error> error;
  bool waits = false;
  std::string first;
  read.scan(ledger_table(lane_), from.key, "", [&](std::string_view key, std::string_view value) {
    const engine::Result<LedgerOutline> block = outline_block(value);
    if (!block) error = block.error();
    waits = block && (key != from.key || from.row < block->samples.count);
    first = key.substr(0, 8);
    return block && !waits;
  });
  if (error) return *error;
  if (!waits) {
    aside_.clear();
    waiting_ = {};
    forget(noted_aside_, std::numeric_limits<std::uint64_t>::max());
    return {};
  }
  const std::string begin = aside_.empty() ? first : just_after(aside_);
  const Lane other = lane_ == Lane::live ? Lane::backfill : Lane::live;
  read.scan(ledger_table(other), begin, "", [&](std::string_view key, std::string_view value) {
    if (blocks++ >= kBlocksPerRead) {
      sight.to_the_end = false;
      return false;
    }
    const engine::Result<LedgerOutline> block = outline_block(value);
    if (!block) {
      error = block.error();
      return false;
    }
    aside_ = key;
    if (is_mine(block->head)) error = note_revisions(read, key, value, *block, noted_aside_);
    return !error;
  });
  if (error) return *error;
  return {};
}

bool Outbox::is_replaced(const OutboxRow& row) const {
  if (newer_.empty()) return false;
  const auto found = newer_.find(row_key(row.row));
  return found != newer_.end() && found->second.revision > row.row.revision &&
         row.sequence <= found->second.sequence;
}

/// False when the row must wait for the next batch.
bool Outbox::take_row(const ReadTransaction& read, const LedgerBlock& block, JobSeries& names,
                      Filling& filling) {
  OutboxBatch& batch = filling.batch;
  const engine::Sample& sample = block.samples[batch.end.row];
  if (filling.name == nullptr || filling.number != sample.series) {
    filling.name = &series_of(read, block, names, sample.series);
    filling.number = sample.series;
  }
  const sinks::SeriesText& series = *filling.name;
  OutboxRow row{to_row(block, sample, series), batch.jobs.size() - 1, filling.sequence};
  if (series.empty()) {
    row.row.series = "number " + std::to_string(sample.series) + " of stream " + block.stream_id;
    batch.lost.push_back(std::move(row));
  } else if (filling.limits.replace && is_replaced(row)) {
    ++batch.replaced;
  } else {
    if (!filling.takes(row.row)) return false;
    batch.rows.push_back(std::move(row));
  }
  ++batch.covered;
  ++batch.end.row;
  return true;
}

/// False when the batch is full.
bool Outbox::take_block(const ReadTransaction& read, std::string_view key, const LedgerBlock& block,
                        Filling& filling) {
  OutboxBatch& batch = filling.batch;
  if (filling.blocks++ == kBlocksPerRead) return false;
  if (batch.end.key != key) batch.end = {std::string{key}, 0};
  if (!is_mine(block)) {
    batch.end.row = static_cast<std::uint32_t>(block.samples.size());
    return true;
  }
  batch.jobs.push_back(block.job_id);
  JobSeries& names = names_of(block);
  filling.name = nullptr;
  filling.sequence = sequence_of(key);
  // A full block: more are likely to come.
  const bool is_first = batch.rows.empty() && block.samples.size() == kLedgerBlockSamplesMax;
  if (is_first) batch.rows.reserve(std::min(filling.limits.rows_max, kRowsReserved));
  while (batch.end.row < block.samples.size()) {
    if (batch.covered >= filling.limits.rows_max) return false;
    if (!take_row(read, block, names, filling)) return false;
  }
  return true;
}

engine::Result<OutboxBatch> Outbox::next(const LedgerPosition& start, const OutboxLimits& limits) {
  Filling filling;
  filling.limits = limits;
  filling.batch.start = start;
  filling.batch.end = start;
  if (seen_.empty()) return std::move(filling.batch);
  std::optional<engine::Error> error;
  const ReadTransaction read = store_.read();
  read.scan(ledger_table(lane_), start.key, just_after(seen_),
            [&](std::string_view key, std::string_view value) {
              const engine::Result<LedgerBlock> block = decode_block(value);
              if (!block) {
                error = block.error();
                return false;
              }
              return take_block(read, key, *block, filling);
            });
  if (error) return *error;
  return std::move(filling.batch);
}

engine::Result<LedgerPosition> Outbox::after(const LedgerPosition& start, std::uint64_t rows) const {
  LedgerPosition position = start;
  std::optional<engine::Error> error;
  if (rows == 0) return position;
  const ReadTransaction read = store_.read();
  read.scan(ledger_table(lane_), start.key, "", [&](std::string_view key, std::string_view value) {
    const engine::Result<LedgerOutline> block = outline_block(value);
    if (!block) {
      error = block.error();
      return false;
    }
    if (!is_mine(block->head)) return true;
    const std::uint64_t skipped = key == start.key ? start.row : 0;
    const std::uint64_t size = block->samples.count;
    const std::uint64_t taken = std::min(rows, size - std::min(size, skipped));
    position = {std::string{key}, static_cast<std::uint32_t>(skipped + taken)};
    rows -= taken;
    return rows > 0;
  });
  if (error) return *error;
  return position;
}

void Outbox::start_over() {
  seen_.clear();
  aside_.clear();
  waiting_ = {};
  newer_.clear();
  noted_.clear();
  noted_aside_.clear();
}

void Outbox::forget(Noted& noted, std::uint64_t sequence) {
  while (!noted.empty() && noted.front().first < sequence) {
    const auto found = newer_.find(noted.front().second);
    if (found != newer_.end() && found->second.sequence == noted.front().first) newer_.erase(found);
    noted.pop_front();
  }
}

void Outbox::forget_before(const LedgerPosition& position) {
  forget(noted_, sequence_of(position.key));
  forget(noted_aside_, sequence_of(position.key));
}

}  // namespace settle::runner
