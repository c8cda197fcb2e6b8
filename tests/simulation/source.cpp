#include "tests/simulation/source.hpp"

#include <algorithm>
#include <utility>

#include "engine/model/series.hpp"

namespace settle::simulation {

using engine::Duration;
using engine::Time;
using engine::TimeRange;
using engine::Value;

namespace {

Value make_value(Random& random, const SeriesSpec& series, std::optional<Value> before) {
  const std::uint64_t size = random.percent(10) ? 1'000'000 : 100;
  if (!series.whole) return Value::number(static_cast<double>(random.between(-500, 500)) / 8.0);
  if (!before || random.percent(25)) return Value::count(random.below(size));
  return Value::count(before->as_count() + 1 + random.below(size));
}

/// The live lane never asks so.
bool is_old(const fetchers::FetchRequest& request) {
  return request.range.to + 2 * request.granularity <= request.now;
}

}  // namespace

Source::Source(SourceSpec spec, const WorldTime& world, Journal& journal)
    : spec_(std::move(spec)),
      world_(world),
      journal_(journal),
      random_(spec_.seed, "answers"),
      cells_(spec_.series.size()) {}

const std::vector<Source::Version>& Source::history(std::size_t series, Time bucket) {
  const auto [found, is_new] = cells_[series].try_emplace(bucket);
  std::vector<Version>& versions = found->second;
  const SeriesSpec& one = spec_.series[series];
  if (!is_new || !one.life.contains(bucket)) return versions;
  const auto place = static_cast<std::uint64_t>(engine::epoch_ms(bucket));
  Random random{Random::mix(spec_.seed + series) ^ place};
  if (!random.percent(one.present)) return versions;
  const Time end = bucket + spec_.granularity;
  Time at = end + random.between(spec_.first_from, spec_.first_after);
  versions.push_back({at, make_value(random, one, std::nullopt)});
  const Time last = end + spec_.last_after;
  for (auto left = random.below(spec_.revisions_max + 1); left > 0 && at < last; --left) {
    at += random.between(Duration{1}, last - at);
    versions.push_back({at, make_value(random, one, versions.back().value)});
  }
  if (random.percent(one.vanishes) && at < last) {
    at += random.between(Duration{1}, last - at);
    const std::optional<Value> before = versions.back().value;
    versions.push_back({at, std::nullopt});
    if (random.percent(30) && at < last) {  // and comes back
      versions.push_back({at + random.between(Duration{1}, last - at), before});
    }
  }
  return versions;
}

std::optional<Value> Source::truth(std::size_t series, Time bucket) {
  const std::vector<Version>& versions = history(series, bucket);
  return versions.empty() ? std::nullopt : versions.back().value;
}

const std::vector<std::size_t>& Source::selected(const engine::Selector& selector) {
  const auto [found, is_new] = selected_.try_emplace(selector.text());
  if (is_new) {
    for (std::size_t i = 0; i < spec_.series.size(); ++i) {
      if (selector.matches(*engine::parse_series(spec_.series[i].text))) found->second.push_back(i);
    }
  }
  return found->second;
}

Time Source::published(Time at) const {
  if (spec_.batch > Duration::zero()) at = engine::floor_to(at, spec_.batch);
  for (auto stall = spec_.stalls.rbegin(); stall != spec_.stalls.rend(); ++stall) {
    if (stall->contains(at)) at = stall->from;
  }
  return at;
}

const SourceFault* Source::fault(SourceFault::Kind kind, const std::string& scope) const {
  if (calm_since_) return nullptr;
  for (const SourceFault& one : spec_.faults) {
    if (one.kind == kind && one.scope == scope && one.when.contains(world_.now)) return &one;
  }
  return nullptr;
}

std::vector<std::string> Source::failed_scopes(const fetchers::FetchRequest& request) const {
  if (fault(SourceFault::Kind::unreachable) != nullptr) return spec_.scopes;
  std::vector<std::string> failed;
  for (const std::string& scope : spec_.scopes) {
    const bool old_fails = is_old(request) && fault(SourceFault::Kind::old_fails, scope) != nullptr;
    if (old_fails || fault(SourceFault::Kind::scope_fails, scope) != nullptr) failed.push_back(scope);
  }
  return failed;
}

Told Source::answer(const fetchers::FetchRequest& request, Time taken) {
  const Time state = published(taken);
  Told told{.now = request.now, .range = request.range, .scopes = {}};
  TimeRange covered = request.range;
  // An answer taken earlier knows nothing of buckets that had not begun.
  covered.to = std::min(covered.to, engine::ceil_to(taken, spec_.granularity));
  if (spec_.keeps) {
    covered.from = std::max(covered.from, engine::ceil_to(taken - *spec_.keeps, spec_.granularity));
  }
  if (covered.empty()) covered.to = covered.from;
  const std::vector<std::string> failed = failed_scopes(request);
  for (const std::string& name : spec_.scopes) {
    if (std::find(failed.begin(), failed.end(), name) != failed.end()) continue;
    Told::Scope scope{.name = name, .covered = covered, .complete = true, .frontier = {}, .rows = {}};
    scope.complete = fault(SourceFault::Kind::truncated, name) == nullptr;
    if (spec_.has_frontier) scope.frontier = state - spec_.first_after;
    for (const std::size_t i : selected(request.selector)) {
      if (spec_.series[i].scope != name) continue;
      for (Time bucket = covered.from; bucket < covered.to; bucket += spec_.granularity) {
        const std::vector<Version>& versions = history(i, bucket);
        const auto newer = std::find_if(versions.begin(), versions.end(),
                                        [state](const Version& one) { return one.at > state; });
        if (newer == versions.begin() || !std::prev(newer)->value) continue;
        if (!scope.complete && random_.percent(40)) continue;
        scope.rows.push_back({.series = i, .bucket = bucket, .value = *std::prev(newer)->value});
      }
    }
    told.scopes.push_back(std::move(scope));
  }
  return told;
}

class Source::SimFetcher final : public fetchers::Fetcher {
 public:
  SimFetcher(Source& source, SimClocks& clocks, Listener listener)
      : source_(source), clocks_(clocks), listener_(std::move(listener)) {}

  boost::asio::awaitable<fetchers::FetchResult> fetch(fetchers::FetchRequest request) override {
    const Time asked = source_.world_.now;
    const SourceFault* repeats = source_.fault(SourceFault::Kind::repeats);
    const Time taken = repeats == nullptr ? asked : asked - repeats->delay;
    const Told told = source_.answer(request, taken);
    const std::vector<std::string> failed = source_.failed_scopes(request);
    if (const SourceFault* late = source_.fault(SourceFault::Kind::late)) {
      const Duration delay = late->delay;
      co_await clocks_.pass(delay);
    }
    note(request, told, taken);
    listener_(request.selector.text(), told);
    co_return result(told, failed, request);
  }
  engine::Result<void> accepts(const engine::Selector&, Duration) const override { return {}; }
  engine::Liveness liveness() const override { return engine::Liveness::automatic; }

 private:
  [[nodiscard]] fetchers::FetchResult result(const Told& told, const std::vector<std::string>& failed,
                                             const fetchers::FetchRequest& request) const {
    fetchers::FetchResult out;
    const bool is_reread = is_old(request);
    const bool misses = is_reread && source_.mutation.misses_a_bucket;
    const bool drops = ++source_.answers_ % 5 == 0 && source_.mutation.drops_a_row;
    for (const Told::Scope& from : told.scopes) {
      engine::ScopeAnswer scope;
      scope.scope = from.name;
      scope.covered = from.covered;
      scope.completeness = from.complete ? engine::Completeness::complete : engine::Completeness::truncated;
      scope.frontier = from.frontier;
      if (source_.mutation.frontier_lies && scope.frontier) *scope.frontier += std::chrono::minutes{1};
      for (const Told::Row& row : from.rows) {
        if (drops && &row == &from.rows.back()) continue;
        if (misses && row.bucket + request.granularity == request.range.to) continue;
        scope.rows.push_back({.series = out.answer.texts.keep(source_.spec_.series[row.series].text),
                              .bucket = row.bucket,
                              .value = row.value});
      }
      out.answer.scopes.push_back(std::move(scope));
    }
    for (const std::string& scope : failed) {
      if (is_reread && source_.mutation.counts_though_failed) {
        engine::ScopeAnswer nothing;
        nothing.scope = scope;
        nothing.covered = request.range;
        nothing.frontier = request.now;
        out.answer.scopes.push_back(std::move(nothing));
        continue;
      }
      out.failures.push_back(
          {.scope = scope, .failure = fetchers::FetchFailure::unreachable, .detail = "as it was to be"});
    }
    return out;
  }

  void note(const fetchers::FetchRequest& request, const Told& told, Time taken) const {
    std::string text = source_.spec_.name + " asked for " + engine::format_time(request.range.from) + " to " +
                       engine::format_time(request.range.to);
    if (taken != source_.world_.now) text += " (as of " + engine::format_time(taken) + ")";
    if (told.scopes.empty()) text += ": nobody answers";
    for (const Told::Scope& scope : told.scopes) {
      text += "; scope " + scope.name + (scope.complete ? ": " : ", truncated: ") +
              std::to_string(scope.rows.size()) + " rows";
      if (scope.frontier) text += ", frontier " + engine::format_time(*scope.frontier);
    }
    source_.journal_.note(source_.world_.now, "answer", text);
  }

  Source& source_;
  SimClocks& clocks_;
  Listener listener_;
};

std::shared_ptr<fetchers::Fetcher> Source::fetcher(SimClocks& clocks, Listener listener) {
  return std::make_shared<SimFetcher>(*this, clocks, std::move(listener));
}

}  // namespace settle::simulation
