// runner/backfill/backfill_lane_impl.hpp: the inside of the backfill lane, shared by its source files only:
// backfill_lane.cpp (life, and what is next), backfill_step.cpp and backfill_chunks.cpp (asked ranges),
// backfill_claims.cpp (who does what), gap_fills.cpp (gaps), gap_joins.cpp and gap_closing.cpp (before and
// after a fill), backfill_service.cpp (what the outside asks).
#pragma once

#include <deque>
#include <set>
#include <span>
#include <utility>

#include "runner/backfill/backfill_lane.hpp"
#include "runner/backfill/backfill_record.hpp"
#include "runner/backfill/backfill_work.hpp"
#include "runner/backfill/gaps.hpp"
#include "runner/turns.hpp"

namespace settle::runner {

using BackfillId = std::pair<std::string, std::string>;  // job id, id
using GapStream = std::pair<std::string, std::string>;   // tenant, stream id

/// When something is tried again, and why it was not done.
struct Wait {
  SteadyTime until{};
  std::string why;                            // "" : nothing holds it up
  std::uint32_t attempts = 0;                 // in a row that failed
  std::optional<engine::Time> failing_since;  // source time of the first of them
  std::optional<SteadyTime> live_fails_since;
};

/// An answer that was asked for while the chunk before it was worked on.
struct FetchedAhead {
  engine::TimeRange range;
  engine::Time now;  // source time of the question
  fetchers::FetchResult result;
};

/// How much is asked for at once after an answer that was too large. Grows again with what is answered.
struct Longest {
  std::optional<engine::Duration> length;  // none: whatever
  std::uint32_t hold = 0;                  // answers before it grows

  void answered() {
    if (hold > 0) {
      hold -= 1;
    } else if (length) {
      *length *= 2;
    }
  }
};

struct BackfillItem {
  BackfillRecord record;
  Wait wait;
  Longest longest;
  std::optional<double> samples_per_bucket;  // of the chunk before
  engine::Duration chunk{};                  // in force
  std::uint64_t served_at = 0;               // order in which backfills had their turns
  SteadyTime begun_at{};                     // of the chunk in hand
  SteadyTime paced_until{};                  // with a rate: when its samples will be worth their time
  std::optional<FetchedAhead> ahead;         // what comes after it
  bool in_hand = false;                      // a chunk of it is under way: not to be forgotten
  struct Step {
    SteadyTime at;
    std::uint64_t samples = 0;
    std::uint64_t buckets = 0;
  };
  std::deque<Step> steps;  // of late
};

struct GapItem {
  GapEntry entry;  // without its cells
  Wait wait;
  Longest longest;
  SteadyTime slowly{};                   // it often failed: not before, or
  std::optional<engine::Time> awaits{};  // as soon as the frontier of its scope is here
};

/// Sinks for which a range is too old.
struct Late {
  std::string sinks;              // their names, with commas
  std::vector<std::string> jobs;  // that have no other
};
[[nodiscard]] std::string late_reason(const Late& late);

/// Of a wait for the rate.
inline constexpr const char* kWhyPaced = "the rate that was asked for";

/// What of a chunk the source did not answer for good.
struct Unanswered {
  std::string scope;
  engine::Ranges buckets;
  enum class Why : std::uint8_t { failed, truncated, not_covered, not_reached } why = Why::failed;
  std::string detail;
  bool perhaps_too_large = false;
};
struct Verdict {
  bool spoke = false;      // at least one scope is in the answer
  bool too_large = false;  // a shorter range may be answered
  std::vector<Unanswered> missing;
};
/// The chunk failed for what may be its size, not for the first time: the next one is half of it.
bool shrink(Longest& longest, const Wait& wait, std::span<const Unanswered> missing, engine::Duration length,
            engine::Duration granularity);
[[nodiscard]] Verdict judge_chunk(std::span<const engine::ClosedHistory::Scope> scopes,
                                  std::span<const fetchers::ScopeFailure> failures, engine::TimeRange range,
                                  engine::Duration granularity);

/// How far the live lane saw the scope of a gap: through all of them for a gap of all.
[[nodiscard]] std::optional<engine::Time> frontier_of(const StreamStatus* status, const std::string& scope);

/// What a gap says where the source has lost buckets of it.
[[nodiscard]] const char* lost_reason(const Stream* stream);

struct BackfillLane::Impl {
  Parts parts;
  BackfillOptions options;
  std::map<BackfillId, BackfillItem> backfills{};
  std::map<GapStream, std::map<std::string, GapItem>> gap_items{};  // by key in Table::gaps
  std::set<std::string> busy{};                                     // sources with a chunk in hand
  std::map<std::string, std::shared_ptr<SentIndex>> sent{};         // by output
  std::size_t working = 0;
  std::uint64_t turns_given = 0;
  bool starting = false;  // start_due() is on its way
  bool stopped = false;
  SteadyTime next_prune{};
  std::uint64_t made = 0;  // ids
  Turns commits{};         // a record changes in one place at a time

  // backfill_lane.cpp
  [[nodiscard]] engine::Result<void> load();
  void load_gaps(const GapStream& stream);
  void kick();
  void start_due();
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> work(std::string source);
  [[nodiscard]] bool is_paced() const;
  struct Pick {
    bool gap = false;
    BackfillId backfill;
    GapStream stream;
    std::string key;
  };
  [[nodiscard]] std::optional<Pick> next_for(const std::string& source);
  [[nodiscard]] std::optional<Pick> next_gap(const std::string& source);
  [[nodiscard]] std::string source_of(const BackfillRecord& record) const;  // "" : the job is gone
  /// May something of the stream be done now? Says in `wait` why not.
  [[nodiscard]] bool may_start(Wait& wait, const Stream& stream, std::span<const Job* const> jobs);
  [[nodiscard]] bool due(const Wait& wait) const { return wait.until <= parts.clocks.steady_now(); }
  [[nodiscard]] bool due(const GapItem& item, const StreamStatus* status) const;
  /// Shared by all chunks of the output.
  [[nodiscard]] std::shared_ptr<SentIndex> sent_of(const Job& job);
  void fail(Wait& wait, const std::string& id, std::string why);
  [[nodiscard]] std::vector<const Job*> jobs_of(const Stream& stream) const;
  // backfill_late.cpp
  /// Rows before it are refused by the sink when they get there; none: it takes rows of any age.
  [[nodiscard]] std::optional<engine::Time> oldest_taken(const std::string& sink) const;
  /// The beginning of the range that every sink of the job takes, or does not take, as a whole.
  [[nodiscard]] engine::TimeRange cut_for_sinks(engine::TimeRange range, const JobSpec& spec) const;
  /// Takes sinks for which a target's range is too old away, and targets with no other.
  [[nodiscard]] Late leave_out_late(std::vector<FillTarget>& targets) const;
  boost::asio::awaitable<void> give_up(BackfillId id, engine::TimeRange range, std::string why);
  [[nodiscard]] std::optional<engine::Time> served_from(const Job& job) const;
  /// Commits, also when other jobs of the stream change meanwhile. False: nothing was committed, for the
  /// reason in `why`: a job of `job_ids` is gone, or the store did not take it.
  boost::asio::awaitable<bool> commit(WriteBatch batch, GapStream stream, std::vector<std::string> job_ids,
                                      std::string* why);
  void count(const ChunkDone& done);

  // backfill_claims.cpp
  using Listed = const BackfillItem*;
  [[nodiscard]] std::vector<Listed> of_job(const std::string& job_id) const;
  [[nodiscard]] engine::Ranges done_for(const std::string& job_id) const;
  [[nodiscard]] std::vector<BackfillRecord> without(const BackfillId& by, engine::TimeRange range) const;
  [[nodiscard]] std::vector<BackfillId> too_many(const std::string& job_id) const;
  boost::asio::awaitable<void> prune();
  [[nodiscard]] std::optional<Refusal> refuse_more(const std::string& job_id) const;
  [[nodiscard]] static SteadyTime pace(const BackfillItem& item, std::uint64_t samples);
  void keep_pace(BackfillItem& item) const;

  // backfill_chunks.cpp
  struct Asked {
    std::shared_ptr<fetchers::Fetcher> source;
    fetchers::FetchRequest request;
    ChunkWork work;
    Late late;  // asked for, but not for these
  };
  boost::asio::awaitable<void> step(BackfillId id);
  boost::asio::awaitable<void> finish(BackfillId id, BackfillState state, std::string why);
  /// In the store, and then in its place. False: the store did not take it, and the item waits.
  boost::asio::awaitable<bool> save(BackfillRecord record);
  void say_over(const BackfillRecord& record) const;
  [[nodiscard]] Asked ask(const Stream& stream, engine::TimeRange range) const;
  [[nodiscard]] Asked ask_chunk(BackfillItem& item, const Job& job, const Stream& stream,
                                const engine::Ranges& todo);
  [[nodiscard]] std::optional<FetchedAhead> take_ahead(BackfillItem& item, Asked& asked) const;
  boost::asio::awaitable<void> digest(BackfillId id, fetchers::FetchResult fetched, ChunkWork work);
  boost::asio::awaitable<void> fetch_ahead(BackfillId id, engine::TimeRange after);
  boost::asio::awaitable<void> widen(BackfillId id, engine::Time served, engine::Duration granularity);
  [[nodiscard]] bool accept(BackfillItem& item, const Verdict& verdict, engine::TimeRange range);
  boost::asio::awaitable<void> commit_chunk(BackfillId id, engine::TimeRange range, Verdict verdict,
                                            ChunkDone done);

  // gap_fills.cpp
  boost::asio::awaitable<void> fill_gap(GapStream stream, std::string key);
  [[nodiscard]] std::vector<FillTarget> targets_of(const GapEntry& entry, const Stream& stream,
                                                   engine::TimeRange chunk);
  [[nodiscard]] engine::TimeRange gap_chunk(GapItem& item, const Stream& stream) const;
  void slow_down(const GapStream& of, GapItem& item, engine::TimeRange range, const Unanswered& why) const;
  boost::asio::awaitable<void> note_attempt(GapStream stream, std::string key, GapEntry entry, ChunkWork work,
                                            Unanswered why, bool shorter);
  // gap_joins.cpp
  /// Gaps of one scope that touch become one, so that a long outage is asked for in large pieces.
  boost::asio::awaitable<bool> join_gaps(GapStream stream, std::string key);
  // gap_closing.cpp
  boost::asio::awaitable<bool> commit_part(WriteBatch batch, GapStream stream, engine::Amounts amounts,
                                           std::string* why);
  boost::asio::awaitable<void> close_part(GapStream stream, std::string key, GapEntry entry, ChunkDone done,
                                          GapEntry closed, Late late);
  // backfill_service.cpp
  boost::asio::awaitable<Outcome<AddedBackfill>> add(std::string tenant, std::string job_id,
                                                     std::string json);
  boost::asio::awaitable<Outcome<BackfillStatus>> steer(std::string tenant, std::string job_id,
                                                        std::string id, Steer steer);
  [[nodiscard]] std::optional<Refusal> refuse(const Job& job, const BackfillRequest& request,
                                              engine::Time live_from) const;
  [[nodiscard]] BackfillRecord draft(const Job& job, const BackfillRequest& request, engine::Time live_from);
  [[nodiscard]] BackfillStatus status(const BackfillItem& item) const;
};

}  // namespace settle::runner
