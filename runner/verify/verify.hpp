// runner/verify/verify.hpp: compares what a sink acknowledged with what it has. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/model/value.hpp"
#include "runner/backfill/backfill.hpp"
#include "runner/store/ledger.hpp"
#include "sinks/sink.hpp"

namespace settle::runner {

/// A row of the ledger as one sink gets it. Several for one (series, timestamp) are its revisions.
struct EmittedRow {
  sinks::SeriesText series;
  engine::Time timestamp;
  engine::Value value;
  std::uint32_t revision = 1;
  std::uint64_t sequence = 0;  // of the commit that emitted it
  Lane lane = Lane::live;
  bool acknowledged = false;
  bool is_stale = false;  // a marker, no value: nothing at its (series, timestamp) is compared
};

struct VerifyOrder {
  std::string sink;
  engine::Time extra_from = engine::Time::min();  // before it the ledger no longer says what was sent
  bool keeps_duplicates = false;                  // a second equal value does harm: it counts as extra
};

struct Verified {
  std::uint64_t compared = 0;        // (series, timestamp)
  std::uint64_t waiting = 0;         // the newest revision is not acknowledged: not compared
  std::uint64_t refused = 0;         // the sink refused the newest revision
  std::vector<Mismatch> mismatches;  // by (series, timestamp); extra after different
};

/// Is `stored` what a sink keeps of `sent`? Whole numbers up to 2^53 exactly; others to 2 parts in 10^12:
/// VictoriaMetrics 1.79.5 was measured to store fractions off by up to 1 part in 10^12.
[[nodiscard]] bool is_kept_as(const engine::Value& sent, const engine::Value& stored);

/// `stored` is all that the sink has of the series of `emitted` in the range; neither needs an order. A value
/// equal to an older revision is not extra: a sink that overwrites may show both until it merges.
[[nodiscard]] Verified verify_rows(const VerifyOrder& order, std::vector<EmittedRow> emitted,
                                   std::vector<sinks::StoredSample> stored);

}  // namespace settle::runner
