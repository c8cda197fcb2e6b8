// runner/push/pump_impl.hpp: the inside of a pump, shared by pump.cpp (life, turns, waiting), pump_health.cpp
// (what the sink says of itself) and pump_delivery.cpp (one batch from the ledger to its acknowledgement).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "runner/metrics.hpp"
#include "runner/push/delivery.hpp"
#include "runner/push/delivery_records.hpp"
#include "runner/push/outbox.hpp"
#include "runner/push/pump.hpp"
#include "runner/service.hpp"

namespace settle::runner {

/// Rows that are sent in one request, and whether some of them may be in the sink already.
struct Segment {
  std::vector<OutboxRow> rows;
  bool doubtful = false;
};

/// What a pump knows of one lane.
struct PumpLane {
  PumpLane(const Store& store, const PumpOptions& options, Lane which);
  [[nodiscard]] engine::Result<void> load(const Store& store);
  [[nodiscard]] engine::Result<void> look_ahead();
  [[nodiscard]] std::uint64_t rows_waiting() const;
  [[nodiscard]] std::optional<LedgerPosition> safe_to_forget() const;

  Lane lane;
  std::string key;  // of its record in Table::sinks
  Outbox outbox;
  Backoff backoff;
  SinkRecord record;                      // as it is in the store, but for what only skips blocks of others
  PumpStatus shown;                       // what status() completes
  bool in_the_air = false;                // a request that nobody waits for any more may arrive
  std::optional<SteadyTime> answered_at;  // the sink first said since then what it holds
  bool went_back = false;                 // during the batch in hand: it is not acknowledged
  LedgerPosition batch_end;               // of the batch in hand
  LedgerPosition resending_until;         // rows before it were acknowledged by a server that restarted
  std::uint64_t rows_seen = 0;            // by looking ahead, since start or since it went back
  std::uint64_t rows_done = 0;
  std::uint64_t rows_announced = 0;  // by wake(), not yet seen
  std::vector<DeadLetter> letters;   // of the batch in hand; numbered when it is acknowledged
  std::uint64_t left_out = 0;        // stale markers of the batch in hand that the sink does not take
};

struct Pump::Impl {
  Impl(Store& in_store, sinks::Sink& to_sink, Clocks& by_clocks, Metrics& in_metrics, PumpOptions with);

  // pump.cpp
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> step();
  boost::asio::awaitable<bool> take_turn(PumpLane& lane);
  boost::asio::awaitable<void> live_first();
  void ring();
  boost::asio::awaitable<void> wait_for_ring();
  boost::asio::awaitable<void> wait(std::chrono::milliseconds limit, bool until_woken);
  boost::asio::awaitable<void> back_off(PumpLane& lane, PumpState why, std::chrono::milliseconds delay);
  boost::asio::awaitable<void> until_deadline();
  boost::asio::awaitable<bool> save(PumpLane& lane, SinkRecord changed, WriteBatch batch);
  [[nodiscard]] bool gathers();
  [[nodiscard]] OutboxLimits limits_of(const PumpLane& lane) const;
  [[nodiscard]] PumpLane& of(Lane lane) { return lane == Lane::live ? live : backfill; }
  [[nodiscard]] PumpStatus status(Lane lane) const;
  [[nodiscard]] std::optional<LedgerPosition> safe_to_forget(Lane lane) const;

  // pump_health.cpp
  boost::asio::awaitable<void> check_sink();
  boost::asio::awaitable<void> go_back(PumpLane& lane, engine::Time restarted_at);
  boost::asio::awaitable<void> look_for_restart(PumpLane& lane);
  void note_overwrite(sinks::Overwrite now_does);
  [[nodiscard]] sinks::Capabilities capabilities() const;

  // pump_delivery.cpp
  boost::asio::awaitable<void> deliver(PumpLane& lane, OutboxBatch batch);
  boost::asio::awaitable<void> send_segments(PumpLane& lane, OutboxBatch& batch,
                                             std::vector<Segment>& segments);
  boost::asio::awaitable<bool> may_send(PumpLane& lane, OutboxBatch& batch, std::vector<Segment>& segments);
  boost::asio::awaitable<void> after_push(PumpLane& lane, const OutboxBatch& batch,
                                          std::vector<Segment>& segments, sinks::PushOutcome outcome);
  boost::asio::awaitable<bool> leave_out_held(PumpLane& lane, Segment& segment);
  [[nodiscard]] bool leave_out_overtaken(OutboxBatch& batch, std::vector<Segment>& segments);
  boost::asio::awaitable<sinks::PushOutcome> push(const PumpLane& lane, const std::vector<OutboxRow>& rows);
  boost::asio::awaitable<void> acknowledge(PumpLane& lane, const OutboxBatch& batch);
  [[nodiscard]] std::vector<OutboxRow> sort_out(PumpLane& lane, OutboxBatch& batch);
  void bury(PumpLane& lane, const OutboxBatch& batch, const OutboxRow& row, std::string reason);
  void bury_refused(PumpLane& lane, const OutboxBatch& batch, std::vector<Segment>& segments,
                    const Segment* sent, const std::string& reason);
  void look_for_late(PumpLane& lane, const OutboxBatch& batch, std::vector<Segment>& segments,
                     const std::string& reason);
  void count(const PumpLane& lane, std::string_view outcome, std::uint64_t rows);

  Store& store;
  sinks::Sink& sink;
  Clocks& clocks;
  Metrics& metrics;
  PumpOptions options;
  PumpLane live;
  PumpLane backfill;
  std::optional<sinks::SinkHealth> health;
  std::string capability_lost;  // stays until the capability is back
  std::optional<boost::asio::steady_timer> bell;
  bool woken = false;
  bool rung = false;
  bool stopping = false;
  bool unreachable = false;  // at the newest check
  bool checked = false;      // the sink answered a check since start
  bool overtaken = false;    // live rows were sent while a batch of the backfill lane was in hand
  SteadyTime next_check{};
  std::optional<engine::Time> healthy_at;    // wall time of the newest check without a restart
  std::optional<SteadyTime> gathering_from;  // rows of the backfill lane wait for more since then
  SteadyTime gathered_at{};                  // when their number changed last
  SteadyTime gather_until{};
  std::uint64_t gathered_rows = 0;
  std::map<std::string, RefusedRows> refused;  // by job
  bool gathered = false;                       // nothing is known to follow what waits
};

}  // namespace settle::runner
