// runner/service.hpp: what the outside may ask of a running daemon; `api` knows the runner only by this.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "engine/model/time.hpp"
#include "engine/model/value.hpp"
#include "engine/result.hpp"
#include "engine/sketch/answer.hpp"
#include "runner/backfill/backfill.hpp"
#include "runner/jobs/job.hpp"
#include "runner/jobs/registry.hpp"
#include "runner/push/pump.hpp"
#include "runner/store/ledger.hpp"
#include "runner/store/store.hpp"

namespace settle::runner {

enum class JobState : std::uint8_t { starting, running, limited, paused, failing, expired };
[[nodiscard]] std::string_view job_state_text(JobState state);

/// How a job's stream settles: what is open and final, and how often final was wrong. Counts are since the
/// stream was made.
struct FinalityStatus {
  engine::FinalityView learned;
  std::optional<double> error_target;  // of a learned finality
  std::uint64_t corrected = 0;         // samples with reason correction
  std::uint64_t held_back = 0;         // corrections that were not sent
  std::uint64_t forced = 0;            // samples with reason ttl
};

struct JobStatus {
  JobState state = JobState::starting;
  std::string last_error;  // "" : the last tick was fine
  std::optional<engine::Time> last_error_at;
  std::optional<engine::Duration> lag;  // source now - end of the newest final bucket
  std::uint64_t open_cells = 0;
  std::uint64_t final_cells = 0;  // of them
  std::uint64_t series = 0;
  std::uint64_t scopes = 0;
  std::uint64_t scopes_stalled = 0;         // did not move for over three polls and three buckets
  std::optional<engine::Duration> unmoved;  // since the scope moved that stands still the longest
  std::optional<engine::Time> next_tick;    // source time
  std::optional<engine::Time> frontier;
  engine::Time live_from{};
  std::uint64_t samples = 0;  // emitted since start
  double unpropagated = 0;
  std::uint64_t gaps_open = 0;
  FinalityStatus finality;
  std::vector<std::string> warnings;  // what works and could be better, a sentence each
};

/// Of what a sketch answered.
struct ResultBound {
  double low = 0;  // the true value lies between, as far as the kind of sketch promises (docs/sketches.md)
  double high = 0;
  sketch::Degraded degraded = sketch::Degraded::nothing;
};
struct ResultPoint {
  std::string series;  // canonical text of the output series
  engine::Value value;
  std::uint32_t revision = 0;
  std::optional<ResultBound> bound = std::nullopt;  // none: it is exact
};
struct ResultView {
  std::string job_id;
  engine::Time bucket;     // of all points
  engine::Time timestamp;  // as pushed
  bool is_final = false;
  engine::TimeRange covered;  // of a function: the window
  /// How far a point may be from the truth at most; none: not known of all of them.
  std::optional<double> error_bound = 0;
  std::vector<ResultPoint> points;  // by series
};

struct DeadLetter {
  std::uint64_t number = 0;
  std::string sink;
  std::string job_id;
  std::string series;
  engine::Time timestamp;
  engine::Value value;
  std::uint32_t revision = 0;
  std::string reason;       // why the sink refused it
  engine::Time refused_at;  // wall time
};

struct Revision {  // one emitted sample, from the ledger
  std::string job_id;
  std::string series;  // output series
  engine::Time timestamp;
  engine::Sample sample;
  std::string policy;
};

struct RevisionQuery {
  std::string tenant;
  std::string job_id;
  std::string series{};  // of the output; "" : all
  engine::TimeRange timestamps;
  std::size_t limit = 0;
  std::string after{};  // `next` of the page before; "" : from the start
};
struct Revisions {
  std::vector<Revision> found;
  /// "" : that is all. It may stand behind a page that is not full, or empty: the ledger is long, and the
  /// time of one question ended before it did.
  std::string next;
};

class Service {
 public:
  virtual ~Service() = default;
  /// The tenant of this daemon: what the API reads and writes without naming one.
  [[nodiscard]] virtual const std::string& tenant() const = 0;
  virtual boost::asio::awaitable<Outcome<Added>> add_job(std::string tenant, std::string json,
                                                         bool replace) = 0;
  /// `flush`: what is open goes out first, as it is, with reason flush.
  virtual boost::asio::awaitable<Outcome<bool>> remove_job(std::string tenant, std::string id,
                                                           bool flush = false) = 0;
  [[nodiscard]] virtual const Job* find_job(const std::string& tenant, const std::string& id) const = 0;
  [[nodiscard]] virtual std::vector<const Job*> list_jobs(const std::string& tenant, const std::string& after,
                                                          std::size_t limit) const = 0;
  [[nodiscard]] virtual JobStatus job_status(const Job& job) const = 0;
  /// `not_found` with field "unknown" or "not_ready".
  [[nodiscard]] virtual Outcome<ResultView> result(const std::string& tenant,
                                                   const std::string& store_path) const = 0;
  /// By sink; of each sink the live lane, then the backfill lane.
  [[nodiscard]] virtual std::vector<PumpStatus> outbox() const = 0;
  [[nodiscard]] virtual std::vector<DeadLetter> dead_letters(const std::string& tenant,
                                                             const std::string& sink, std::uint64_t after,
                                                             std::size_t limit) const = 0;
  /// In the order of commits. `invalid` with field "after" for what is no `next`.
  [[nodiscard]] virtual Outcome<Revisions> revisions(const RevisionQuery& query) const = 0;
  /// `json` as POSTed: docs/jobs.md. `not_found` for the job, `conflict` for a counter that has emitted.
  virtual boost::asio::awaitable<Outcome<AddedBackfill>> add_backfill(std::string tenant, std::string job_id,
                                                                      std::string json) = 0;
  /// By (created_at, id), after the id `after` ("": from the start).
  [[nodiscard]] virtual std::vector<BackfillStatus> list_backfills(const std::string& tenant,
                                                                   const std::string& job_id,
                                                                   const std::string& after,
                                                                   std::size_t limit) const = 0;
  [[nodiscard]] virtual std::optional<BackfillStatus> find_backfill(const std::string& tenant,
                                                                    const std::string& job_id,
                                                                    const std::string& id) const = 0;
  /// Answered after the commit. `conflict` when it is over already.
  virtual boost::asio::awaitable<Outcome<BackfillStatus>> steer_backfill(std::string tenant,
                                                                         std::string job_id, std::string id,
                                                                         Steer steer) = 0;
  /// Of the job's stream, by (from, scope), after the first `skip`.
  [[nodiscard]] virtual std::vector<GapStatus> gaps(const std::string& tenant, const std::string& job_id,
                                                    std::size_t skip, std::size_t limit) const = 0;
  /// Compares what was acknowledged for the job with what its sinks have, for timestamps in the range; at
  /// most `limit` mismatches in full. `invalid` for a range with too many samples.
  virtual boost::asio::awaitable<Outcome<VerifyReport>> verify(std::string tenant, std::string job_id,
                                                               engine::TimeRange timestamps,
                                                               std::size_t limit) = 0;
  /// "" when ready: every stream had a complete answer, every sink is reachable; else what is missing.
  [[nodiscard]] virtual std::string not_ready() const = 0;
  /// Prometheus text format.
  [[nodiscard]] virtual std::string metrics_text() const = 0;
  [[nodiscard]] virtual engine::Time source_now() const = 0;
};

}  // namespace settle::runner
