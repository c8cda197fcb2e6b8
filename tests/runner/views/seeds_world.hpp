// tests/runner/views/seeds_world.hpp: a source whose whole life follows from one seed, the jobs that read it,
// and what befalls them.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "engine/model/series.hpp"
#include "engine/model/time.hpp"
#include "engine/query/view_spec.hpp"
#include "fetchers/fetcher.hpp"

namespace settle::runner::seeds {

using engine::Duration;
using engine::Time;
using engine::TimeRange;

inline constexpr Duration kGranularity = std::chrono::minutes{1};
inline constexpr Duration kWatch = std::chrono::minutes{10};

/// The same for the same words, on any machine.
[[nodiscard]] std::uint64_t chance(std::initializer_list<std::uint64_t> words);

/// Draws one after the other.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : seed_(seed) {}
  std::uint64_t below(std::uint64_t end) { return chance({seed_, ++drawn_}) % end; }
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most - least + 1)));
  }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::uint64_t seed_;
  std::uint64_t drawn_ = 0;
};

struct RawSeries {
  std::string text;
  engine::Labels labels;
  std::size_t scope = 0;
  std::uint64_t key = 0;
  TimeRange life;
};

/// What a source says of one cell in the course of time; ages count from the bucket's end.
struct Cell {
  double value = 0;                   // from `settles` on
  Duration settles{};                 // before, it changes from second to second
  Duration appears{};                 // 0: as soon as the bucket has ended
  std::optional<Duration> revised{};  // within watch: before, it stood still at another value
  std::optional<Duration> late{};     // after watch
  /// An ordinary poll may have taken it for final before it was.
  [[nodiscard]] bool deceives() const { return revised.has_value() || appears > Duration::zero(); }
};

enum class Frontier : std::uint8_t { none, now, behind };

struct Trouble {
  enum class Kind : std::uint8_t { down, scope_down, truncated, stalled };
  Kind kind = Kind::down;
  std::size_t scope = 0;
  TimeRange at;
};

struct JobPlan {
  std::string path;
  std::string json;
  engine::JobQuery query;
  query::CellSpec cells;
  std::optional<std::vector<std::string>> by;
  bool hold = false;  // its sink is the one that takes no second value
  std::optional<std::size_t> twin_of;
  [[nodiscard]] std::string record() const;
};

struct Step {
  enum class Kind : std::uint8_t { pass, crash, crash_within, restart, away, post, remove, backfill };
  Kind kind = Kind::pass;
  Duration time{};  // pass, away
  std::size_t job = 0;
  int handlers = 0;
  TimeRange range{};  // backfill
};

class World {
 public:
  World(std::uint64_t seed, Time start);

  /// As a fetcher; what time it is, the request says.
  [[nodiscard]] fetchers::FetchResult answer(const fetchers::FetchRequest& request);

  [[nodiscard]] const std::vector<RawSeries>& series() const { return series_; }
  /// None: there never is a row.
  [[nodiscard]] std::optional<Cell> cell(const RawSeries& series, Time bucket) const;
  [[nodiscard]] const std::vector<JobPlan>& jobs() const { return jobs_; }
  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }  // then there is peace
  [[nodiscard]] bool any_scope_fails() const;
  [[nodiscard]] std::string story() const;
  /// The highest that was told to anybody.
  [[nodiscard]] std::optional<Time> frontier_told() const { return frontier_told_; }
  [[nodiscard]] bool has_frontier() const { return frontier_ != Frontier::none; }

 private:
  void make_series(Dice& dice);
  void make_jobs(Dice& dice);
  void make_steps(Dice& dice);
  void make_troubles(Dice& dice);
  [[nodiscard]] bool troubled(Trouble::Kind kind, std::size_t scope, Time now) const;
  [[nodiscard]] std::optional<double> shown(const RawSeries& series, Time bucket, Time now) const;
  [[nodiscard]] Time frontier_of(std::size_t scope, Time now) const;

  std::uint64_t seed_;
  Time start_;
  Time peace_;  // no troubles from then on
  std::size_t scopes_ = 1;
  Frontier frontier_ = Frontier::now;
  Duration frontier_lag_{};
  Duration settles_max_{};
  bool fractions_ = false;
  bool negatives_ = false;
  bool revisions_ = false;
  std::vector<RawSeries> series_;
  std::vector<Trouble> troubles_;
  std::vector<JobPlan> jobs_;
  std::vector<Step> steps_;
  std::optional<Time> frontier_told_;
};

}  // namespace settle::runner::seeds
