// tests/simulation/source.hpp: a source whose whole truth is known: every value of every cell, when it
// becomes visible, and all that goes wrong between the source and whoever asks it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/model/value.hpp"
#include "fetchers/fetcher.hpp"
#include "tests/simulation/clocks.hpp"
#include "tests/simulation/journal.hpp"
#include "tests/simulation/random.hpp"

namespace settle::simulation {

struct SeriesSpec {
  std::string text;
  std::string scope;
  engine::TimeRange life;  // of its buckets
  unsigned present = 100;  // percent of its buckets that have a row
  unsigned vanishes = 0;   // percent of its rows that are gone in the end
  bool whole = true;       // counts only
};

/// Something that goes wrong for a while.
struct SourceFault {
  enum class Kind : std::uint8_t { unreachable, scope_fails, truncated, late, repeats, old_fails };
  Kind kind = Kind::unreachable;
  engine::TimeRange when;
  std::string scope;         // scope_fails, truncated, old_fails: where only old buckets are asked for
  engine::Duration delay{};  // late: until the answer arrives; repeats: how old it is
};

struct SourceSpec {
  std::string name;
  std::uint64_t seed = 0;
  engine::Duration granularity{};
  std::vector<std::string> scopes;  // sorted
  std::vector<SeriesSpec> series;
  engine::Duration first_after{};  // a cell's first value is visible between first_from and first_after of
  engine::Duration first_from{};   // the bucket's end; negative: in part before it has ended
  engine::Duration last_after{};   // no change later than this after the bucket's end
  unsigned revisions_max = 0;
  bool has_frontier = false;
  engine::Duration batch{};               // publishes only every so often; zero: at once
  std::vector<engine::TimeRange> stalls;  // publishes nothing new
  std::optional<engine::Duration> keeps;  // forgets older buckets
  std::vector<SourceFault> faults;
};

/// What an answer said, for those who check what became of it.
struct Told {
  struct Row {
    std::size_t series = 0;
    engine::Time bucket;
    engine::Value value;
  };
  struct Scope {
    std::string name;
    engine::TimeRange covered;
    bool complete = true;
    std::optional<engine::Time> frontier;
    std::vector<Row> rows;
  };
  engine::Time now;  // source time of the request
  engine::TimeRange range;
  std::vector<Scope> scopes;
};

/// Faults of the world itself: the daemon is told something else than the witness.
struct SourceMutation {
  bool drops_a_row = false;    // of every fifth answer
  bool frontier_lies = false;  // it is a minute ahead
  // Of what the backfill lane asks for: no live poll ends before the last bucket that has.
  bool misses_a_bucket = false;
  bool counts_though_failed = false;
};

class Source {
 public:
  Source(SourceSpec spec, const WorldTime& world, Journal& journal);

  struct Version {
    engine::Time at;                     // visible from here on
    std::optional<engine::Value> value;  // none: the row is gone
  };
  [[nodiscard]] const std::vector<Version>& history(std::size_t series, engine::Time bucket);
  /// The value in the end; none: no row.
  [[nodiscard]] std::optional<engine::Value> truth(std::size_t series, engine::Time bucket);
  [[nodiscard]] const SourceSpec& spec() const { return spec_; }
  /// Indices of the series that a selector matches.
  [[nodiscard]] const std::vector<std::size_t>& selected(const engine::Selector& selector);
  /// From now on nothing goes wrong any more.
  void calm() { calm_since_ = world_.now; }

  SourceMutation mutation;

  /// What is told on the way of an answer, by the text of the selector.
  using Listener = std::function<void(const std::string& selector, const Told& told)>;
  [[nodiscard]] std::shared_ptr<fetchers::Fetcher> fetcher(SimClocks& clocks, Listener listener);

 private:
  class SimFetcher;
  [[nodiscard]] engine::Time published(engine::Time at) const;
  [[nodiscard]] const SourceFault* fault(SourceFault::Kind kind, const std::string& scope = {}) const;
  [[nodiscard]] Told answer(const fetchers::FetchRequest& request, engine::Time taken);
  [[nodiscard]] std::vector<std::string> failed_scopes(const fetchers::FetchRequest& request) const;

  SourceSpec spec_;
  const WorldTime& world_;
  Journal& journal_;
  Random random_;
  std::uint64_t answers_ = 0;
  std::optional<engine::Time> calm_since_;
  std::vector<std::map<engine::Time, std::vector<Version>>> cells_;  // by series
  std::map<std::string, std::vector<std::size_t>> selected_;         // by the selector's text
};

}  // namespace settle::simulation
