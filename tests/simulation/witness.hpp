// tests/simulation/witness.hpp: sees everything that goes in and out of the daemon and what it makes durable,
// and says when a law is broken.
//
// It outlives the daemon's lives, and knows the daemon only by its store's records and its service. What the
// source said in an answer counts when the tick that took it is committed.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runner/gaps.hpp"
#include "runner/ledger.hpp"
#include "runner/runner.hpp"
#include "runner/store.hpp"
#include "tests/simulation/journal.hpp"
#include "tests/simulation/scenario.hpp"

namespace settle::simulation {

/// One sample in the ledger, as one server gets it.
struct Entry {
  runner::Lane lane = runner::Lane::live;
  runner::LedgerPosition at;
  std::string job_id;
  std::string stream_id;
  std::string source_series;
  engine::Time bucket;
  SampleKey key;
  engine::Value value;
  std::uint32_t revision = 0;
  engine::Reason reason = engine::Reason::settled;
  bool arrived = false;       // at the server, which may have lost it since
  bool acknowledged = false;  // durably: the cursor has passed it
};

/// What a stream was told, as far as it was committed.
struct StreamFacts {
  std::string selector;
  const SourceSpec* source = nullptr;
  engine::EngineOptions options;
  std::optional<Told> pending;
  /// What answers for ranges below L said, by (series text, bucket); none: they were complete without it.
  std::map<std::pair<std::string, engine::Time>, std::vector<std::optional<engine::Value>>> reread;
  /// Newest value by (series text, bucket); none: the row is gone.
  std::map<std::pair<std::string, engine::Time>, std::optional<engine::Value>> observed;
  std::map<std::string, engine::Time> frontier;  // by scope
  /// (scope, bucket): it was answered for when it had ended, as far as the source had told.
  std::set<std::pair<std::string, engine::Time>> ended;
  std::map<std::pair<std::string, engine::Time>, engine::Value> emitted;  // newest, of any job
  std::optional<engine::Time> first_tick;
  engine::Time newest_tick;
  engine::Time live_from;  // as of the newest published tick
};

class Witness {
 public:
  Witness(const Scenario& scenario, const WorldTime& world, Journal& journal, std::vector<Source*> sources,
          std::vector<Server*> servers);

  void told(const std::string& selector, const Told& told);
  void daemon_died();
  /// Somebody asks for a backfill, which may or may not come to be.
  void asked_for(const std::string& stream_id, engine::TimeRange range) {
    asked_[stream_id].push_back(range);
  }
  /// It has loaded what was saved, and asked nobody yet.
  void daemon_started(runner::Runner& runner) { learn_jobs(runner); }
  /// After every commit, before anybody is told of it.
  void committed(const runner::Store& store, runner::Runner& runner);
  void pushed(std::size_t server, const std::vector<sinks::Row>& rows);
  void arrives(std::size_t server, const sinks::Row& row);
  /// Whenever nothing is to do for now.
  void look_at(runner::Runner& runner);
  /// No server is to get anything more, for now.
  [[nodiscard]] bool drained(runner::Runner& runner) const;
  /// When all is calm and had its time.
  void check_end(runner::Runner& runner);

  [[nodiscard]] engine::Time newest_source_time() const { return source_time_; }
  [[nodiscard]] std::uint64_t samples() const { return samples_; }

 private:
  struct ServerBook {
    std::vector<Entry> entries;                            // in the order of commits
    std::map<SampleKey, std::vector<std::size_t>> by_key;  // indices
    std::set<std::pair<SampleKey, std::uint32_t>> dead;    // letters
    struct OfLane {
      std::vector<std::size_t> order;  // indices, in the order of the lane's ledger
      runner::LedgerPosition cursor;
      std::string record;             // bytes of the sink's record
      std::uint64_t starts_seen = 1;  // of the server, when the cursor last went back
    };
    std::array<OfLane, 2> lanes;
  };
  struct JobFacts {
    std::size_t ticks = 0;
    std::optional<engine::Time> from;  // from this bucket on everything is its own
  };

  void violate(const char* invariant, std::string detail);
  void learn_jobs(runner::Runner& runner);
  void take_ticks(const runner::ReadTransaction& view);
  void take_answer(StreamFacts& stream);
  void take_reread(StreamFacts& stream, const Told& told);
  void check_gaps();
  void take_ledger(const runner::ReadTransaction& view);
  void take_block(const runner::ReadTransaction& view, runner::Lane lane, std::string_view key,
                  const runner::LedgerBlock& block);
  void check_sample(const StreamFacts& stream, const std::string& series, const engine::Sample& sample,
                    bool job_is_new);
  void check_revision(const ServerBook& book, const Entry& entry);
  void take_dead_letters(const runner::ReadTransaction& view);
  void take_cursor(const runner::ReadTransaction& view, std::size_t server, runner::Lane lane);
  void acknowledge(std::size_t server, runner::Lane lane, const runner::LedgerPosition& from,
                   const runner::LedgerPosition& to);
  void take_gaps(const runner::ReadTransaction& view);

  void check_servers();
  void check_stream(const runner::Job& job, const JobFacts& facts, double unpropagated);
  void check_gauge(const runner::Job& job, const StreamFacts& stream, engine::Time from);
  void check_backfills(runner::Runner& runner, const runner::Job& job);
  void check_counter(const runner::Job& job, const StreamFacts& stream, engine::Time from);
  enum class Zero : std::uint8_t { no, may, must };
  [[nodiscard]] Zero expected_zero(const StreamFacts& stream, const runner::Job& job,
                                   const SeriesSpec& series, engine::Time bucket) const;
  struct Expected {
    std::optional<engine::Value> value;  // none: nothing
    bool or_nothing = false;
    std::vector<std::optional<engine::Value>> or_one_of = {};
  };
  void check_value(const runner::Job& job, const std::string& series, engine::Time bucket,
                   const Expected& expected, const char* invariant);
  void fill(Expected& expected, const StreamFacts& stream, const SeriesSpec& series,
            engine::Time bucket) const;
  [[nodiscard]] bool in_gap(const std::string& stream_id, const std::string& scope,
                            engine::Time bucket) const;

  const Scenario& scenario_;
  const WorldTime& world_;
  Journal& journal_;
  std::vector<Source*> sources_;
  std::vector<Server*> servers_;
  std::vector<ServerBook> books_;
  std::map<std::string, StreamFacts> streams_;                   // by id
  std::map<std::string, std::string> by_selector_;               // id of the stream that asks with it now
  std::map<std::string, Told> told_;                             // by selector: not yet known whose
  std::map<std::string, JobFacts> jobs_;                         // by id
  std::map<std::string, std::string> job_streams_;               // job id -> stream id, of living jobs
  std::map<std::string, std::vector<runner::GapEntry>> gaps_;    // by stream
  std::map<std::string, std::vector<engine::TimeRange>> asked_;  // by stream
  std::uint64_t next_sequence_ = 0;
  engine::Time source_time_;
  std::uint64_t samples_ = 0;
};

}  // namespace settle::simulation
