// sinks/sink.hpp: the port to a destination, with what it can and cannot do said openly.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "engine/model/time.hpp"
#include "engine/model/value.hpp"
#include "engine/result.hpp"
#include "engine/stabilizer/sample.hpp"
#include "sinks/series_text.hpp"

namespace settle::sinks {

/// What a second value for one (series, timestamp) does.
enum class Overwrite : std::uint8_t {
  none,        // both are kept, or the outcome is undefined: never send a second one
  max_wins,    // the larger stays
  last_wins,   // the later stays
  append_log,  // every revision is a line of its own, marked with its revision
};
[[nodiscard]] std::string_view overwrite_text(Overwrite overwrite);

struct Capabilities {
  Overwrite overwrite = Overwrite::none;
  std::optional<engine::Duration> out_of_order_window;  // none: unbounded
  std::size_t batch_rows_max = 10'000;
  std::size_t batch_bytes_max = 4u << 20;
  bool can_read_back = false;
  bool takes_stale_markers = false;       // else rows with Reason::stale are left out
  bool durable_when_acknowledged = true;  // false: acknowledged rows may be lost when the server restarts
  // False until the server has answered a check: the worst that it may turn out to be stands there till then.
  bool overwrite_known = true;
  bool window_known = true;
};

/// One sample as the sink has it.
struct StoredSample {
  std::string series;  // canonical text
  engine::Time timestamp;
  engine::Value value;
};

struct Row {
  SeriesText series;       // canonical text of the output series
  engine::Time timestamp;  // the source's own
  engine::Value value;
  std::uint32_t revision = 1;
  engine::Reason reason = engine::Reason::settled;
};

enum class PushVerdict : std::uint8_t {
  accepted,       // every row is the sink's now
  retry,          // nothing was applied; the same rows may be sent again
  refused,        // the sink found fault with the batch; nothing of it was applied
  uncertain,      // may have been applied, wholly or partly
  misconfigured,  // credentials, path, TLS: no row is at fault; keep everything, tell the operator, try
                  // slowly
};

/// What a sink knows of a row that may come too late for it.
enum class Lateness : std::uint8_t {
  none,     // nothing
  behind,   // the sink has a newer one of its series: it may be too late, and its order does not matter any
            // more
  refused,  // it would be refused, for sure
};

struct PushOutcome {
  PushVerdict verdict = PushVerdict::accepted;
  std::string detail;
  std::optional<std::chrono::milliseconds> retry_after;  // what the sink asked for
  bool too_old = false;  // refused because of rows that are older than what it takes now
};

struct SinkHealth {
  bool reachable = false;
  std::string server;   // "VictoriaMetrics, version unknown (counts as old), dedup off"
  std::string meaning;  // one sentence for the operator: what that means for corrections and re-sends
  Capabilities capabilities;
  std::optional<engine::Time>
      started_at;  // of the server process; a later one than before means it restarted
};

class Sink {
 public:
  virtual ~Sink() = default;
  /// Known without asking the server; check() may narrow or widen them.
  [[nodiscard]] virtual Capabilities capabilities() const = 0;
  virtual boost::asio::awaitable<SinkHealth> check() = 0;
  /// Why this row can never be stored there; none: it can. `now` is wall time.
  [[nodiscard]] virtual std::optional<std::string> refuse(const Row& row, engine::Time now) const = 0;
  /// At most one call at a time. Rows have passed refuse(). At most one row per (series, timestamp).
  virtual boost::asio::awaitable<PushOutcome> push(std::vector<Row> rows) = 0;
  /// After a push that was refused as `too_old`: how is it with this row?
  [[nodiscard]] virtual Lateness lateness(const Row& /*row*/) const { return Lateness::none; }
  /// For each row: is exactly this value at (series, timestamp) in the sink? Only with can_read_back.
  virtual boost::asio::awaitable<engine::Result<std::vector<bool>>> holds(std::vector<Row> rows) = 0;
  /// Everything the sink has of these series (canonical texts) with a timestamp in the range, duplicates
  /// included, by (series, timestamp, value). Only with can_read_back.
  virtual boost::asio::awaitable<engine::Result<std::vector<StoredSample>>> stored(
      std::vector<std::string> series, engine::TimeRange timestamps);
};

}  // namespace settle::sinks
