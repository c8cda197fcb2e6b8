// engine/stabilizer/sample.hpp: what leaves the engine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/blob.hpp"
#include "engine/model/time.hpp"
#include "engine/model/value.hpp"

namespace settle::engine {

/// Written to the ledger and the file sink: values and texts never change meaning.
enum class Reason : std::uint8_t { settled = 1, ttl = 2, correction = 3, flush = 4, backfill = 5, stale = 6 };
[[nodiscard]] std::string_view reason_text(Reason reason);
[[nodiscard]] std::optional<Reason> parse_reason(std::string_view text);

/// Numbers a series within one stream, in the order of first sight; never used twice.
using SeriesNumber = std::uint64_t;

struct Sample {
  SeriesNumber series = 0;
  Time bucket;                 // start of the bucket
  Value value;                 // the bucket's value, or the running total for counter output
  std::uint32_t revision = 0;  // of (series, bucket): 1, 2, …
  Reason reason = Reason::settled;
  /// Gauge output: what was emitted before; none: nothing was. The ledger keeps it.
  std::optional<Value> replaced = std::nullopt;
  Duration age{};                    // of the bucket's end at emission
  std::uint32_t evidence_polls = 0;  // the quiet run behind the decision
  /// Of a stream of sketches: what was emitted; `value` is its fingerprint. Otherwise none.
  Blob sketch = {};
  bool operator==(const Sample&) const = default;
};

/// A cell that passes from the live lane to a gap entry, so that a fill emits only what differs.
struct GapCell {
  SeriesNumber series = 0;
  Time bucket;
  Value last_observed;
  std::optional<Value> emitted;  // none: nothing was emitted yet
  std::uint32_t revision = 0;
  bool operator==(const GapCell&) const = default;
};

/// A range of one scope that the live lane gave up before it was sealed.
struct Gap {
  std::string scope;  // "" : no scope ever answered for it
  TimeRange range;
  std::vector<GapCell> cells;  // by (bucket, series text)
};

}  // namespace settle::engine
