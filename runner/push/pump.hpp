// runner/push/pump.hpp: sends one sink what the ledgers hold for it: at least once, in order, until
// acknowledged.
//
// Two lanes, each with a ledger and a cursor of its own. One request in flight. Before every request of the
// backfill lane all of the live lane goes out, so live rows always overtake, and a newer revision in the
// backfill lane never comes before an older one of the live lane; an older one that was overtaken is left
// out. A cursor moves, durably, when a batch is acknowledged or its bad rows are in the
// dead-letter store. After a crash the rows that one batch may have held are uncertain: where the sink keeps
// duplicates they are first compared with what it holds.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "engine/model/time.hpp"
#include "runner/clocks.hpp"
#include "runner/store/ledger.hpp"
#include "runner/store/store.hpp"
#include "sinks/sink.hpp"

namespace settle::runner {

struct Metrics;

struct PumpOptions {
  std::string tenant = "default";
  std::string sink_name;
  engine::Labels external_labels;
  std::uint64_t queue_rows_max = 10'000'000;  // a full queue pauses the jobs that feed it
  std::uint64_t backfill_queue_rows_max = 2'000'000;
  // Large bodies, and seldom: VictoriaMetrics drops its whole rollup cache, at most every 5 s, when a sample
  // older than 5 minutes comes.
  std::size_t backfill_batch_rows_max = 100'000;
  std::size_t backfill_batch_bytes_max = 32u << 20;  // of series text, once each, and numbers
  std::chrono::milliseconds gather_max{30'000};      // fewer rows wait for more, but not longer than this
  std::chrono::milliseconds gather_quiet{2'000};     // and not when none has come for so long
  std::chrono::milliseconds keep_acked{120'000};     // re-sent when the server restarted meanwhile
  std::chrono::milliseconds backoff_min{200};
  std::chrono::milliseconds backoff_max{60'000};
  // From the sink's first answer after a request that was cut until rows that are not there count as missing.
  // VictoriaMetrics may show a new series only 10 s after somebody asked for it and there was none.
  std::chrono::milliseconds uncertain_wait{20'000};
  std::chrono::milliseconds check_interval{15'000};  // of the sink's health
  std::uint64_t jitter_seed = 0;
  std::function<void()> answered = {};  // at the first check that the sink answered
};

/// `gathering`: rows of the backfill lane wait until they are worth a request.
enum class PumpState : std::uint8_t {
  starting,
  idle,
  gathering,
  sending,
  backing_off,
  misconfigured,
  stopped
};
[[nodiscard]] std::string_view pump_state_text(PumpState state);

struct PumpStatus {  // of one lane
  std::string sink;
  Lane lane = Lane::live;
  PumpState state = PumpState::starting;
  std::uint64_t rows_waiting = 0;
  std::optional<engine::Time> oldest_timestamp;  // of the next row to be sent
  std::uint64_t rows_acknowledged = 0;           // since start
  std::uint64_t rows_replaced = 0;               // unsent when a newer revision came
  std::uint64_t rows_dead = 0;
  std::uint64_t rows_resent = 0;  // after a restart of the server
  std::string last_error;
  std::optional<sinks::SinkHealth> health;
};

/// What a sink will never take of one job, since the start.
struct RefusedRows {
  std::uint64_t rows = 0;
  engine::Time last_at;  // wall time
  std::string reason;    // of the last one
};

class Pump {
 public:
  /// Everything outlives the pump; call on the event loop only.
  Pump(Store& store, sinks::Sink& sink, Clocks& clocks, Metrics& metrics, PumpOptions options);
  ~Pump();
  /// Reads the cursor and counts what waits. Call once, before run().
  [[nodiscard]] engine::Result<void> load();
  /// Until stop(); then within 5 s.
  boost::asio::awaitable<void> run();
  void stop();
  /// A commit appended `rows` rows for this sink.
  void wake(std::uint64_t rows, Lane lane = Lane::live);
  /// What waits in the backfill lane is not worth waiting for more: a backfill is over.
  void gathered();
  [[nodiscard]] bool full(Lane lane = Lane::live) const;
  [[nodiscard]] PumpStatus status(Lane lane = Lane::live) const;
  [[nodiscard]] RefusedRows refused(const std::string& job_id) const;
  /// The first row of the lane's ledger that is not acknowledged.
  [[nodiscard]] LedgerPosition next(Lane lane) const;
  /// Rows of the lane's ledger before it may be deleted: everything there is acknowledged and past
  /// keep_acked, and replaces nothing that waits. None: this sink needs none of it.
  [[nodiscard]] std::optional<LedgerPosition> safe_to_forget(Lane lane = Lane::live) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace settle::runner
