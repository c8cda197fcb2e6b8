// runner/store/ledger.hpp: every emitted sample, once, in commit order; also what the pumps send from.
//
// A tick appends one or more blocks per job in the transaction of its cells. A sink's outbox is its cursor
// into the ledger, so a sample is written once however many sinks it goes to. docs/formats/store.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/series.hpp"
#include "engine/model/time.hpp"
#include "engine/result.hpp"
#include "engine/stabilizer/engine.hpp"
#include "engine/stabilizer/sample.hpp"
#include "runner/store/ledger_samples.hpp"
#include "runner/store/store.hpp"

namespace settle::runner {

/// Each lane has its own table and its own cursor per sink, so that live samples never wait behind a
/// backfill.
enum class Lane : std::uint8_t { live = 0, backfill = 1 };
[[nodiscard]] Table ledger_table(Lane lane);
[[nodiscard]] std::string_view lane_text(Lane lane);

struct LedgerBlock {
  std::string tenant;
  std::string job_id;
  std::string stream_id;
  std::string policy;               // format_finality
  std::string record;               // metric name of the output; "" : the source's
  engine::Labels labels;            // added to every output series; they win over the source's
  std::vector<std::string> sinks;   // frozen at emission: the samples of a deleted job are still delivered
  engine::Duration stamp_offset{};  // timestamp = bucket + stamp_offset (0: start, granularity: end)
  engine::Corrections corrections = engine::Corrections::repush;
  std::vector<engine::Sample> samples;
};

inline constexpr std::size_t kLedgerBlockSamplesMax = 1024;

[[nodiscard]] std::string encode_block(const LedgerBlock& block);
[[nodiscard]] engine::Result<LedgerBlock> decode_block(std::string_view bytes);
/// What a block says of itself before its samples: they are not decoded, nor looked at for damage.
struct LedgerOutline {
  LedgerBlock head;  // without samples
  SamplesOutline samples;
};
[[nodiscard]] engine::Result<LedgerOutline> outline_block(std::string_view bytes);
/// Appends the samples as blocks of at most kLedgerBlockSamplesMax; `block.samples` may hold any number.
void append_to_ledger(WriteBatch& batch, const LedgerBlock& block, Lane lane = Lane::live);

/// Under `corrections: ledger` what takes the place of another value goes to the sinks as a row of its own:
/// the difference to that value, under the name `<metric>:revision` with the label `revision`. The first
/// value and the rows of the others add up to the newest value.
[[nodiscard]] bool goes_as_difference(const LedgerBlock& block, const engine::Sample& sample);
[[nodiscard]] engine::Value difference_of(const engine::Sample& sample);
[[nodiscard]] std::string revision_series(std::string_view output_series, std::uint32_t revision);

/// Marks in Table::meta say which commit sequence had been reached at which wall time: retention and
/// look-back are by time, keys are not. A mark is due when the newest is older than kLedgerMarkEvery.
inline constexpr std::chrono::milliseconds kLedgerMarkEvery{600'000};
void put_ledger_mark(const ReadTransaction& view, engine::Time wall_now, std::uint64_t last_sequence,
                     WriteBatch& batch);
/// A sequence that had been reached at `wall`, as near as the marks tell; 0: they do not.
[[nodiscard]] std::uint64_t sequence_reached(const ReadTransaction& view, engine::Time wall);
void erase_ledger_marks(engine::Time before, WriteBatch& batch);

/// Where a row stands. Ordered as the ledger is.
struct LedgerPosition {
  std::string key;        // of the block; "" : before the first
  std::uint32_t row = 0;  // within the block
  auto operator<=>(const LedgerPosition&) const = default;
};

/// The text of the series that a sample becomes at the sinks.
[[nodiscard]] std::string output_series(std::string_view source_series, std::string_view record,
                                        const engine::Labels& labels);

}  // namespace settle::runner
