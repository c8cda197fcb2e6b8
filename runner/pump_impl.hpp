// runner/pump_impl.hpp: the inside of a pump, shared by pump.cpp (life, waiting, health) and
// pump_delivery.cpp (one batch from the ledger to its acknowledgement).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "runner/delivery.hpp"
#include "runner/delivery_records.hpp"
#include "runner/metrics.hpp"
#include "runner/outbox.hpp"
#include "runner/pump.hpp"
#include "runner/service.hpp"

namespace settle::runner {

/// Rows that are sent in one request, and whether some of them may be in the sink already.
struct Segment {
  std::vector<OutboxRow> rows;
  bool doubtful = false;
};

struct Pump::Impl {
  Impl(Store& in_store, sinks::Sink& to_sink, Clocks& by_clocks, Metrics& in_metrics, PumpOptions with);

  // pump.cpp
  [[nodiscard]] engine::Result<void> load();
  [[nodiscard]] engine::Result<void> look_ahead();
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> step();
  void ring();
  boost::asio::awaitable<void> wait_for_ring();
  boost::asio::awaitable<void> wait(std::chrono::milliseconds limit, bool until_woken);
  boost::asio::awaitable<void> back_off(PumpState why, std::chrono::milliseconds delay);
  boost::asio::awaitable<void> until_deadline();
  boost::asio::awaitable<void> check_sink();
  boost::asio::awaitable<void> go_back(engine::Time restarted_at);
  boost::asio::awaitable<bool> save(SinkRecord changed, WriteBatch batch);
  [[nodiscard]] PumpStatus status() const;
  [[nodiscard]] LedgerPosition safe_to_forget() const;
  [[nodiscard]] std::uint64_t rows_waiting() const;
  [[nodiscard]] sinks::Capabilities capabilities() const;

  // pump_delivery.cpp
  boost::asio::awaitable<void> deliver(OutboxBatch batch);
  boost::asio::awaitable<void> send_segments(const OutboxBatch& batch, std::vector<Segment>& segments);
  boost::asio::awaitable<bool> leave_out_held(Segment& segment);
  boost::asio::awaitable<sinks::PushOutcome> push(const std::vector<OutboxRow>& rows);
  boost::asio::awaitable<void> acknowledge(const OutboxBatch& batch);
  [[nodiscard]] std::vector<OutboxRow> sort_out(OutboxBatch& batch);
  void bury(const OutboxBatch& batch, const OutboxRow& row, std::string reason);
  void count(std::string_view outcome, std::uint64_t rows);

  Store& store;
  sinks::Sink& sink;
  Clocks& clocks;
  Metrics& metrics;
  PumpOptions options;
  Outbox outbox;
  Backoff backoff;
  SinkRecord record;            // as it is in the store, but for what only skips blocks of others
  PumpStatus shown;             // what status() completes
  std::string capability_lost;  // stays until the capability is back
  std::optional<boost::asio::steady_timer> bell;
  bool woken = false;
  bool rung = false;
  bool stopping = false;
  bool unreachable = false;  // at the newest check
  bool checked = false;      // the sink answered a check since start
  bool went_back = false;    // during the batch in hand: it is not acknowledged
  SteadyTime next_check{};
  std::optional<engine::Time> healthy_at;  // wall time of the newest check without a restart
  LedgerPosition batch_end;                // of the batch in hand
  LedgerPosition resending_until;          // rows before it were acknowledged by a server that restarted
  std::uint64_t rows_seen = 0;             // by looking ahead, since start or since it went back
  std::uint64_t rows_done = 0;
  std::uint64_t rows_announced = 0;  // by wake(), not yet seen
  std::vector<DeadLetter> letters;   // of the batch in hand
  std::uint64_t left_out = 0;        // stale markers of the batch in hand that the sink does not take
};

}  // namespace settle::runner
