#include <algorithm>

#include "runner/push/pump_impl.hpp"
#include "runner/store/keys.hpp"

namespace settle::runner {

PumpLane::PumpLane(const Store& store, const PumpOptions& options, Lane which)
    : lane(which),
      key(key_of(options.tenant, options.sink_name)),
      outbox(store, options.tenant, options.sink_name, options.external_labels, which),
      backoff(options.backoff_min, options.backoff_max,
              options.jitter_seed + static_cast<std::uint64_t>(which)) {
  if (lane == Lane::backfill) key += lane_text(lane);
  shown.sink = options.sink_name;
  shown.lane = lane;
}

engine::Result<void> PumpLane::look_ahead() {
  // What is announced later than this is seen later, too.
  rows_announced = 0;
  // The backfill lane is sent when the live lane is empty: an older row is never in front of a newer one of
  // the backfill lane, but for rows that are sent again, perhaps in the next life of the process.
  const bool again = record.next < std::max(resending_until, record.uncertain_until);
  const bool aside = lane == Lane::backfill || again;
  for (bool more = true; more;) {
    const auto sight = outbox.look_ahead(record.next, aside);
    if (!sight) return sight.error();
    rows_seen += sight->rows;
    more = !sight->to_the_end;
  }
  return {};
}

engine::Result<void> PumpLane::load(const Store& store) {
  bool known = false;
  {
    const ReadTransaction read = store.read();
    if (const auto bytes = read.get(Table::sinks, key)) {
      const auto decoded = decode_sink_record(*bytes);
      if (!decoded) return decoded.error();
      record = *decoded;
      known = true;
    }
  }
  if (auto looked = look_ahead(); !looked) return looked.error();
  if (known) {
    const auto doubtful_end = outbox.after(record.next, record.batch_rows);
    if (!doubtful_end) return doubtful_end.error();
    record.uncertain_until = std::max(record.uncertain_until, *doubtful_end);
    in_the_air = record.next < record.uncertain_until;
  }
  const OutboxLimits one{.rows_max = 1};
  const auto first = outbox.next(record.next, one);
  if (!first) return first.error();
  if (!first->rows.empty()) shown.oldest_timestamp = first->rows.front().row.timestamp;
  return {};
}

std::uint64_t PumpLane::rows_waiting() const {
  return rows_seen + rows_announced - std::min(rows_done, rows_seen + rows_announced);
}

std::optional<LedgerPosition> PumpLane::safe_to_forget() const {
  if (record.recent.empty() && rows_waiting() == 0) return std::nullopt;
  return record.recent.empty() ? record.next : std::min(record.next, record.recent.front().from);
}

}  // namespace settle::runner
