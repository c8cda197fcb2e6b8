// tests/simulation/server.hpp: a sink's server in memory, which outlives the daemon and can fail in every
// way, and the sink that speaks to it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sinks/sink.hpp"
#include "tests/simulation/clocks.hpp"
#include "tests/simulation/journal.hpp"
#include "tests/simulation/random.hpp"

namespace settle::simulation {

struct ServerSpec {
  std::string name;
  std::uint64_t seed = 0;
  sinks::Overwrite overwrite = sinks::Overwrite::last_wins;
  bool durable = true;  // when acknowledged; else a kill takes the rows of the last seconds
  std::size_t batch_rows_max = 1'000;
  bool stale_markers = false;  // is told where series end
  unsigned poison = 0;         // per mille of the (series, timestamp)s are refused by the server
  unsigned invalid = 0;        // per mille are refused before they are sent
  engine::Duration latency{};
  // Percent of the pushes, until all is calm:
  unsigned busy = 0;     // 429, 503: nothing applied
  unsigned cut = 0;      // the connection is cut after some of the rows, or all, were applied
  unsigned hangs = 0;    // the same, after a long time
  unsigned delayed = 0;  // cut, and the server goes on applying a moment later
  unsigned blind = 0;    // percent of the questions what it holds that fail
};

using SampleKey = std::pair<std::string, engine::Time>;  // output series, timestamp

/// Faults of the world itself, to see that somebody notices: tests/simulation/mutants.hpp.
struct ServerMutation {
  bool drops_a_row = false;       // of every fifth push, though it says it took all
  bool stores_twice = false;      // a row of every fifth push
  bool alters_a_value = false;    // likewise
  bool never_takes_any = false;   // always busy
  bool forgets_for_good = false;  // after a kill it does not say that it started anew
};

class Server {
 public:
  struct Kept {
    engine::Value value;
    std::uint32_t revision = 0;
    engine::Time at;
    bool stale = false;  // all markers are the same to a server
    [[nodiscard]] bool is(const sinks::Row& row) const;
  };
  Server(ServerSpec spec, const WorldTime& world, Journal& journal);

  [[nodiscard]] const ServerSpec& spec() const { return spec_; }
  [[nodiscard]] sinks::Overwrite overwrite() const { return overwrite_; }
  [[nodiscard]] bool is_poison(const sinks::Row& row) const;
  [[nodiscard]] bool is_invalid(const sinks::Row& row) const;
  [[nodiscard]] const std::map<SampleKey, std::vector<Kept>>& samples() const { return samples_; }
  /// What a query sees; none: nothing, or more than one value where both are kept.
  [[nodiscard]] std::optional<Kept> value(const SampleKey& key) const;
  [[nodiscard]] std::uint64_t starts() const { return starts_; }
  [[nodiscard]] bool up() const { return world_.now >= up_from_; }

  void kill(engine::Duration downtime);
  void set_overwrite(sinks::Overwrite overwrite) { overwrite_ = overwrite; }
  void calm();
  /// The daemon died: what was on its way may arrive all the same, in part.
  void client_died();
  /// When a request that was cut is gone on with; none: there is none such.
  [[nodiscard]] std::optional<runner::SteadyTime> next_due() const;
  void catch_up();

  [[nodiscard]] std::unique_ptr<sinks::Sink> sink(SimClocks& clocks);
  /// Of every row that arrives, before it is applied; and once for each push, with all its rows.
  std::function<void(const sinks::Row& row)> on_row;
  std::function<void(const std::vector<sinks::Row>& rows)> on_push;
  ServerMutation mutation;

 private:
  class SimSink;
  enum class Fate : std::uint8_t { takes, busy, refuses, cut, hangs, delayed };
  [[nodiscard]] Fate draw_fate(const std::vector<sinks::Row>& rows);
  void apply(const std::vector<sinks::Row>& rows, std::size_t count);
  void take_later(std::vector<sinks::Row> rows);
  void store(const sinks::Row& row);

  ServerSpec spec_;
  const WorldTime& world_;
  Journal& journal_;
  Random random_;
  sinks::Overwrite overwrite_;
  bool is_calm_ = false;
  engine::Time started_at_;
  engine::Time up_from_;
  std::uint64_t starts_ = 1;
  std::uint64_t pushes_ = 0;
  std::map<SampleKey, std::vector<Kept>> samples_;  // in the order of arrival
  std::vector<sinks::Row> in_flight_;
  struct Later {
    runner::SteadyTime at;
    std::uint64_t life = 0;
    std::vector<sinks::Row> rows;
  };
  std::vector<Later> later_;
};

}  // namespace settle::simulation
