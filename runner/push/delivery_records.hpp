// runner/push/delivery_records.hpp: what a pump keeps in the store: its cursor with what was acknowledged
// lately. Pure. docs/formats/store.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/result.hpp"
#include "runner/store/ledger.hpp"
#include "sinks/sink.hpp"

namespace settle::runner {

/// Rows that a sink acknowledged between two instants of wall time and might still lose.
struct Acknowledged {
  engine::Time first;
  engine::Time last;
  LedgerPosition from;
  std::uint64_t rows = 0;
  bool operator==(const Acknowledged&) const = default;
};

struct SinkRecord {
  LedgerPosition next;             // the first row that is not acknowledged
  LedgerPosition uncertain_until;  // rows from `next` up to here may be in the sink all the same
  std::uint64_t batch_rows = 0;    // no batch has covered more rows of the ledger
  std::uint64_t dead_letters = 0;  // the newest one's number
  std::optional<sinks::Overwrite> overwrite;
  std::optional<engine::Time> started_at;  // of the server
  std::vector<Acknowledged> recent;        // oldest first
  bool operator==(const SinkRecord&) const = default;
};
[[nodiscard]] std::string encode_sink_record(const SinkRecord& record);
[[nodiscard]] engine::Result<SinkRecord> decode_sink_record(std::string_view bytes);

/// Adds an acknowledgement; those of one `grain` become one entry.
void remember_acknowledged(std::vector<Acknowledged>& recent, Acknowledged latest, engine::Duration grain);
/// The first entry that holds rows acknowledged at or after `since`; recent.size() when there is none.
[[nodiscard]] std::size_t first_since(const std::vector<Acknowledged>& recent, engine::Time since);

}  // namespace settle::runner
