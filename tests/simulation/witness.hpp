// tests/simulation/witness.hpp: sees everything that goes in and out of the daemon and what it makes durable,
// and says when a law is broken.
//
// It outlives the daemon's lives, and knows the daemon only by its store's records and its service. What the
// source said in an answer counts when the tick that took it is committed.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "runner/backfill/gaps.hpp"
#include "runner/runner.hpp"
#include "runner/store/ledger.hpp"
#include "runner/store/store.hpp"
#include "tests/simulation/journal.hpp"
#include "tests/simulation/scenario.hpp"

namespace settle::simulation {

/// One sample in the ledger, as one server gets it.
struct Entry {
  runner::Lane lane = runner::Lane::live;
  runner::LedgerPosition at;
  engine::Time committed_at;
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
  std::map<std::pair<std::string, engine::Time>, engine::Value> emitted;       // newest, of any job
  std::map<std::pair<std::string, engine::Time>, engine::Value> emitted_live;  // by the live lane
  std::optional<engine::Time> first_tick;
  engine::Time newest_tick;
  engine::Time live_from;  // as of the newest published tick
  // Counter output: totals are what they are to be from here on, since no gap changed for some ticks.
  engine::Time totals_from;
  std::size_t ticks_since_gap = 3;
};

class Witness {
 public:
  Witness(const Scenario& scenario, const WorldTime& world, Journal& journal, std::vector<Source*> sources,
          std::vector<Server*> servers);

  void told(const std::string& selector, const Told& told);
  void daemon_died();
  /// A job of the stream is to be removed and flushed: when none is left, the stream's log grows once more
  /// without an answer. The last tick may share a commit with a removal that flushes nothing.
  void flushing(const std::string& stream_id) { flushing_.insert(stream_id); }
  /// Somebody asks for a backfill, which may or may not come to be.
  void asked_for(const std::string& stream_id, engine::TimeRange range) {
    asked_[stream_id].push_back(range);
    // Who asks for the same once more may be given the first one.
    ask_reaches_.try_emplace({stream_id, range.from, range.to},
                             std::min(range.to, streams_[stream_id].live_from));
  }
  /// It has loaded what was saved, and asked nobody yet.
  void daemon_started(runner::Runner& runner) { learn_jobs(runner); }
  /// After every commit, before anybody is told of it.
  void committed(const runner::Store& store, runner::Runner& runner);
  void pushed(std::size_t server, const std::vector<sinks::Row>& rows);
  void arrives(std::size_t server, const sinks::Row& row);
  /// No server is to get anything more for now, and all that was before `calm_from` is over.
  [[nodiscard]] bool settled(runner::Runner& runner, engine::Time calm_from);
  /// When all is calm and had its time.
  void check_end(runner::Runner& runner);

  // witness_lanes.cpp: live equals backfill. Of jobs with gauge output.
  /// Buckets that the live lane has sealed for the job and that the source changes no more; none: there are
  /// none such.
  [[nodiscard]] std::optional<engine::TimeRange> live_range(const runner::Job& job) const;
  /// From now on the backfill lane says only what the live lane could not know.
  void expect_no_difference(const runner::Job& job, engine::TimeRange range) { compared_[job.id] = range; }
  /// After these backfills.
  void check_reread(runner::Runner& runner);
  /// After a backfill of what another job got live.
  void check_beside(const runner::Job& live, const runner::Job& filled, engine::TimeRange range);

  [[nodiscard]] engine::Time newest_source_time() const { return source_time_; }
  [[nodiscard]] std::uint64_t samples() const { return samples_; }

 private:
  struct ServerBook {
    struct Newest {
      std::uint32_t revision = 0;
      engine::Value value;
      std::string stream_id;
    };
    std::map<SampleKey, Newest> newest;                    // of an output, whatever rows it went as
    std::vector<Entry> entries;                            // in the order of commits
    std::map<SampleKey, std::vector<std::size_t>> by_key;  // indices
    std::set<std::pair<SampleKey, std::uint32_t>> dead;    // letters
    struct OfLane {
      std::vector<std::size_t> order;  // indices, in the order of the lane's ledger
      runner::LedgerPosition cursor;
      std::string record;                      // bytes of the sink's record
      std::optional<engine::Time> started_at;  // of the server, as it has it
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
  [[nodiscard]] bool is_asked(const std::string& stream) const;
  void check_gaps();
  void take_ledger(const runner::ReadTransaction& view);
  void take_block(const runner::ReadTransaction& view, runner::Lane lane, std::string_view key,
                  const runner::LedgerBlock& block);
  void check_sample(const StreamFacts& stream, const std::string& series, const engine::Sample& sample,
                    bool job_is_new);
  void check_revision(ServerBook& book, const Entry& entry, const engine::Sample& sample);
  void check_nothing_new(const StreamFacts& stream, const std::string& series, const engine::Sample& sample);
  [[nodiscard]] std::optional<engine::Value> truth_of(const StreamFacts& stream, const std::string& series,
                                                      engine::Time bucket) const;
  [[nodiscard]] std::optional<engine::Value> has(std::size_t server, const runner::Job& job,
                                                 const std::string& series, engine::Time bucket) const;
  void take_dead_letters(const runner::ReadTransaction& view);
  void take_cursor(const runner::ReadTransaction& view, std::size_t server, runner::Lane lane);
  void acknowledge(std::size_t server, runner::Lane lane, const runner::LedgerPosition& from,
                   const runner::LedgerPosition& to);
  void take_gaps(const runner::ReadTransaction& view);

  void check_live_first(std::size_t server, const Entry& sent);
  void check_servers();
  /// What an output adds up to on a server; none: nothing.
  [[nodiscard]] std::optional<engine::Value> value_at(std::size_t server, const SampleKey& key,
                                                      engine::Corrections corrections) const;
  [[nodiscard]] bool is_dead(std::size_t server, const SampleKey& key, engine::Corrections corrections) const;
  void check_stream(const runner::Job& job, const JobFacts& facts, double unpropagated);
  void check_accounts(const runner::Job& job, const StreamFacts& stream, double unpropagated);
  void check_gauge(const runner::Job& job, const StreamFacts& stream, engine::Time from);
  void check_backfills(runner::Runner& runner, const runner::Job& job);
  void check_asked(const runner::Job& job, const runner::BackfillStatus& backfill);
  void check_counter(const runner::Job& job, const StreamFacts& stream, engine::Time from);
  enum class Zero : std::uint8_t { no, may, must };
  [[nodiscard]] Zero expected_zero(const StreamFacts& stream, const runner::Job& job,
                                   const SeriesSpec& series, engine::Time bucket) const;
  struct Expected {
    std::optional<engine::Value> value;  // none: nothing
    bool or_nothing = false;
    std::vector<std::optional<engine::Value>> or_one_of = {};
    bool or_newest = false;  // what last went out under the output
  };
  void check_value(const runner::Job& job, const std::string& series, engine::Time bucket,
                   const Expected& expected, const char* invariant);
  void fill(Expected& expected, const StreamFacts& stream, const SeriesSpec& series,
            engine::Time bucket) const;
  struct Amount {
    std::uint64_t least = 0;
    std::uint64_t most = 0;
  };
  /// What a bucket adds to a total.
  [[nodiscard]] Amount amount_of(const runner::Job& job, const StreamFacts& stream, const SeriesSpec& series,
                                 engine::Time bucket) const;
  enum class Gaps : std::uint8_t { all, of_stream };
  /// A gap of the job, or of all jobs of its stream: what another job missed is read again for that one only.
  [[nodiscard]] bool in_gap(const runner::Job& job, const std::string& scope, engine::Time bucket,
                            Gaps which = Gaps::all) const;

  const Scenario& scenario_;
  const WorldTime& world_;
  Journal& journal_;
  std::vector<Source*> sources_;
  std::vector<Server*> servers_;
  std::vector<ServerBook> books_;
  std::map<std::string, StreamFacts> streams_;                   // by id
  std::map<std::string, std::string> by_selector_;               // id of the stream that asks with it now
  std::map<std::string, Told> told_;                             // by selector: not yet known whose
  std::set<std::string> flushing_;                               // streams that a job leaves with a flush
  std::map<std::string, JobFacts> jobs_;                         // by id
  std::map<std::string, std::string> job_streams_;               // job id -> stream id, of living jobs
  std::map<std::string, std::vector<runner::GapEntry>> gaps_;    // by stream
  std::map<std::string, std::vector<engine::TimeRange>> asked_;  // by stream
  std::map<std::string, engine::TimeRange> compared_;            // by job
  /// By stream and what was asked: how far a backfill has to go.
  std::map<std::tuple<std::string, engine::Time, engine::Time>, engine::Time> ask_reaches_;
  std::uint64_t gaps_digest_ = 0;
  std::uint64_t next_sequence_ = 0;
  engine::Time source_time_;
  std::uint64_t samples_ = 0;
};

}  // namespace settle::simulation
