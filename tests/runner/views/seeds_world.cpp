#include "tests/runner/views/seeds_world.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <xxhash.h>

#include "engine/promql/parser.hpp"

namespace settle::runner::seeds {

using namespace std::chrono_literals;
using query::SketchType;

namespace {

// So many words that no two draws share a purpose.
enum Purpose : std::uint64_t { kHole = 1, kLate, kRevised, kAppears, kSettles, kValue, kOmitted, kAge };

constexpr std::array<const char*, 2> kScopes{"east", "west"};

std::uint64_t word(Time at) {
  return static_cast<std::uint64_t>(engine::epoch_ms(at));
}

std::string minutes(std::int64_t n) {
  return std::to_string(n) + "m";
}

struct Asked {
  std::string query;
  std::string type;
  SketchType kind;
  std::string item;
};

Asked draw_query(Dice& dice, bool negatives) {
  const std::int64_t buckets = dice.between(1, 12);
  const std::string window = "[" + minutes(buckets) + "]";
  const std::string metric = dice.one_in(2) ? "requests" : "events";
  const std::string of = metric + window;
  const std::uint64_t which = dice.below(12);
  constexpr std::array<const char*, 8> kStats{
      "sum_over_time", "count_over_time", "avg_over_time", "min_over_time",
      "max_over_time", "last_over_time",  "increase",      "rate"};
  if (which < 6) {
    const std::uint64_t rises = buckets == 1 ? 2 : 0;  // of one sample there is no result
    return {std::string{kStats.at(dice.below(8 - rises))} + "(" + of + ")", "stats", SketchType::stats, ""};
  }
  if (which < 8) {
    constexpr std::array<const char*, 4> kQuantiles{"0", "0.5", "0.9", "1"};
    return {std::string{"quantile_over_time("} + kQuantiles.at(dice.below(4)) + "," + of + ")", "ddsketch",
            SketchType::ddsketch, ""};
  }
  if (which == 8) return {"count_distinct_over_time(" + of + ")", "hll", SketchType::hll, ""};
  if (which == 9) return {"count_distinct_over_time(events" + window + ")", "hll", SketchType::hll, "user"};
  const bool min = negatives || dice.one_in(2);
  return {"top_k_over_time(" + std::to_string(dice.between(1, 3)) + ",events" + window + ")",
          min ? "countminsketch" : "countsketch", min ? SketchType::countminsketch : SketchType::countsketch,
          "user"};
}

}  // namespace

std::uint64_t chance(std::initializer_list<std::uint64_t> words) {
  return XXH3_64bits(words.begin(), words.size() * sizeof(std::uint64_t));
}

std::string JobPlan::record() const {
  std::string record = path;
  std::replace(record.begin(), record.end(), '/', '_');
  return record;
}

World::World(std::uint64_t seed, Time start) : seed_(seed), start_(start) {
  Dice dice{seed};
  scopes_ = 1 + dice.below(2);
  frontier_ = static_cast<Frontier>(dice.below(3));
  frontier_lag_ = std::chrono::seconds{dice.between(0, 90)};
  settles_max_ = std::chrono::seconds{dice.between(0, 240)};
  fractions_ = dice.one_in(2);
  negatives_ = dice.one_in(4);
  revisions_ = !dice.one_in(3);
  make_series(dice);
  make_jobs(dice);
  make_steps(dice);
  make_troubles(dice);
}

void World::make_series(Dice& dice) {
  const std::uint64_t pods = 1 + dice.below(5);
  for (std::uint64_t pod = 0; pod < pods; ++pod) {
    const std::size_t scope = pod % scopes_;
    const std::string labels = "pod=\"" + std::to_string(pod) + "\",";
    const std::string zone = std::string{",zone=\""} + (dice.one_in(2) ? "a" : "b") + "\"}";
    TimeRange life{start_ - 10h, start_ + 24h};
    if (pod >= scopes_ && dice.one_in(2)) life.from = start_ + std::chrono::minutes{dice.between(-40, 60)};
    if (pod >= scopes_ && dice.one_in(2)) life.to = start_ + std::chrono::minutes{dice.between(-20, 150)};
    const auto add = [&](std::string text) {
      series_.push_back({.text = text,
                         .labels = *engine::parse_series(text),
                         .scope = scope,
                         .key = chance({seed_, 77, series_.size()}),
                         .life = life});
    };
    add("requests{" + labels.substr(0, labels.size() - 1) + zone);
    const std::uint64_t users = 1 + dice.below(4);
    for (std::uint64_t user = 0; user < users; ++user) {
      add("events{" + labels + "user=\"u" + std::to_string(user) + "\"" + zone);
    }
  }
}

void World::make_jobs(Dice& dice) {
  const std::uint64_t count = 1 + dice.below(4);
  const bool any_hold = dice.one_in(3);
  const std::int64_t ttl = dice.one_in(3) ? dice.between(5, 9) : 0;
  for (std::uint64_t at = 0; at < count; ++at) {
    JobPlan job;
    job.path = "job/" + std::to_string(at);
    const std::string path = R"(","store_path":")" + job.path + '"';
    if (at > 0 && !jobs_.back().hold && dice.one_in(5)) {
      const std::size_t twin_of = jobs_.back().twin_of.value_or(at - 1);
      const std::string old = jobs_.back().path;
      const std::string name = job.path;
      job = jobs_.back();
      job.json.replace(job.json.find(old), old.size(), name);
      job.path = name;
      job.twin_of = twin_of;
      jobs_.push_back(job);
      continue;
    }
    const Asked asked = draw_query(dice, negatives_);
    job.query = *engine::parse_job_query(asked.query);
    job.cells.type = asked.kind;
    job.cells.item = asked.item;
    job.hold = any_hold && dice.one_in(2);
    job.json = R"({"query":")" + asked.query + R"(","granularity":"1m","source":"source","sketch_type":")" +
               asked.type + path + R"(,"watch":"10m","poll_interval":")" +
               (dice.one_in(3) ? "1m" : (dice.one_in(2) ? "15s" : "30s")) + R"(","finality":"consecutive:)" +
               std::to_string(dice.between(2, 4)) + '"';
    if (ttl > 0 && dice.one_in(2)) job.json += R"(,"ttl":")" + minutes(ttl) + '"';
    if (!asked.item.empty()) job.json += R"(,"item":"user")";
    if (!asked.item.empty() && asked.kind != SketchType::hll && !negatives_ && dice.one_in(2)) {
      job.json += R"(,"values":"growing")";
      job.cells.building.weighted = true;
    }
    if (asked.kind == SketchType::hll && dice.one_in(2)) {
      job.cells.building.precision = 4;
      job.json += R"(,"precision":4)";
    }
    const std::uint64_t by = dice.below(4);
    if (by == 0) job.by.emplace();
    if (by == 1) job.by = {"zone"};
    if (by == 0) job.json += R"(,"by":[])";
    if (by == 1) job.json += R"(,"by":["zone"])";
    job.json += job.hold ? R"(,"sink":"other")" : R"(,"sink":"memory")";
    job.json += "}";
    jobs_.push_back(std::move(job));
  }
}

void World::make_steps(Dice& dice) {
  Time now = start_;
  const auto pass = [&](Duration time) {
    steps_.push_back({.kind = Step::Kind::pass, .time = time});
    now += time;
  };
  std::vector<std::size_t> later;
  for (std::size_t job = 0; job < jobs_.size(); ++job) {
    if (job > 0 && !jobs_[job].twin_of && dice.one_in(4)) {
      later.push_back(job);
    } else {
      steps_.push_back({.kind = Step::Kind::post, .job = job});
    }
  }
  std::vector<bool> backfilled(jobs_.size());
  const Duration chaos = std::chrono::minutes{dice.between(40, 110)};
  while (now < start_ + chaos) {
    pass(std::chrono::seconds{dice.between(2, dice.one_in(3) ? 400 : 90) * 5});
    const std::uint64_t what = dice.below(10);
    const std::size_t job = dice.below(jobs_.size());
    if (what < 2) steps_.push_back({.kind = Step::Kind::crash});
    if (what == 2) steps_.push_back({.kind = Step::Kind::restart});
    if (what > 2 && what < 6) {
      // Ticks come at whole phases: some steps on the way meet one.
      for (std::int64_t n = dice.between(1, 4); n > 0; --n) {
        const int handlers = static_cast<int>(dice.between(1, 60));
        steps_.push_back({.kind = Step::Kind::crash_within, .time = 15s, .handlers = handlers});
        now += 15s;
      }
    }
    if (what == 6) {
      const Duration away = std::chrono::minutes{dice.one_in(3) ? dice.between(20, 45) : dice.between(1, 19)};
      steps_.push_back({.kind = Step::Kind::away, .time = away});
      now += away;
    }
    const bool posted = std::find(later.begin(), later.end(), job) == later.end();
    if (what == 7 && posted && !backfilled[job]) {
      const Time from = start_ - std::chrono::minutes{dice.between(40, 120)};
      steps_.push_back({.kind = Step::Kind::backfill,
                        .job = job,
                        .range = {from, from + std::chrono::minutes{dice.between(5, 130)}}});
      backfilled[job] = true;
    }
    if (what == 8 && posted) {
      steps_.push_back({.kind = Step::Kind::remove, .job = job});
      pass(std::chrono::seconds{dice.one_in(3) ? dice.between(1, 500) * 5 : dice.between(0, 60) * 5});
      steps_.push_back({.kind = Step::Kind::post, .job = job});
    }
    if (what == 9 && !later.empty()) {
      steps_.push_back({.kind = Step::Kind::post, .job = later.back()});
      later.pop_back();
    }
  }
  for (const std::size_t job : later) steps_.push_back({.kind = Step::Kind::post, .job = job});
  peace_ = now;
}

void World::make_troubles(Dice& dice) {
  const auto span = (peace_ - start_) / 1min;
  for (std::uint64_t left = dice.below(4); left > 0; --left) {
    const Time from = start_ + std::chrono::seconds{60 * dice.between(1, span) + dice.between(0, 59)};
    const auto kind = static_cast<Trouble::Kind>(dice.below(4));
    const bool is_long = dice.one_in(3);
    const Duration time = std::chrono::seconds{is_long ? dice.between(1'100, 2'700) : dice.between(10, 900)};
    troubles_.push_back(
        {.kind = kind, .scope = dice.below(scopes_), .at = {from, std::min(from + time, peace_)}});
  }
}

std::string World::story() const {
  constexpr std::array<const char*, 3> kFrontiers{"no frontier", "a frontier", "a frontier that lags"};
  constexpr std::array<const char*, 4> kKinds{"all down", "scope down", "truncated", "stalled"};
  std::string text = std::to_string(scopes_) + " scopes, " +
                     kFrontiers.at(static_cast<std::size_t>(frontier_)) + ", peace from " +
                     engine::format_time(peace_) + '\n';
  for (const Trouble& one : troubles_) {
    text += std::string{kKinds.at(static_cast<std::size_t>(one.kind))} + " " + kScopes.at(one.scope) +
            " from " + engine::format_time(one.at.from) + " to " + engine::format_time(one.at.to) + '\n';
  }
  for (const JobPlan& job : jobs_) text += job.json + '\n';
  constexpr std::array<const char*, 8> kSteps{"pass", "crash", "crash within", "restart",
                                              "away", "post",  "remove",       "backfill"};
  Time now = start_;
  for (const Step& step : steps_) {
    if (step.kind != Step::Kind::pass && step.kind != Step::Kind::crash_within) {
      text += engine::format_time(now) + " " + kSteps.at(static_cast<std::size_t>(step.kind)) + " " +
              std::to_string(step.job) + " " + std::to_string(step.time / 1s) + "s" + '\n';
    }
    now += step.time;
  }
  return text;
}

bool World::any_scope_fails() const {
  return scopes_ > 1 && std::any_of(troubles_.begin(), troubles_.end(),
                                    [](const Trouble& one) { return one.kind == Trouble::Kind::scope_down; });
}

bool World::troubled(Trouble::Kind kind, std::size_t scope, Time now) const {
  return std::any_of(troubles_.begin(), troubles_.end(), [&](const Trouble& one) {
    return one.kind == kind && one.at.contains(now) && (kind == Trouble::Kind::down || one.scope == scope);
  });
}

std::optional<Cell> World::cell(const RawSeries& series, Time bucket) const {
  if (!series.life.contains(bucket)) return std::nullopt;
  const auto draw = [&](Purpose purpose) { return chance({series.key, word(bucket), purpose}); };
  if (draw(kHole) % 12 == 0) return std::nullopt;
  Cell cell;
  cell.value = static_cast<double>(1'000 + draw(kValue) % (series.key % 2 == 0 ? 20 : 100'000));
  if (fractions_) cell.value += static_cast<double>(draw(kValue) % 1'000) / 1'000;
  if (negatives_ && draw(kValue) % 3 == 0) cell.value = -cell.value;
  cell.settles = Duration{
      static_cast<std::int64_t>(draw(kSettles) % (static_cast<std::uint64_t>(settles_max_.count()) + 1))};
  if (!revisions_) return cell;
  const auto age = [&](std::uint64_t least, std::uint64_t most) {
    return std::chrono::seconds{static_cast<std::int64_t>(least + draw(kAge) % (most - least))};
  };
  if (draw(kAppears) % 30 == 0) cell.appears = age(5, 480);
  cell.settles = std::max(cell.settles, cell.appears);
  if (draw(kRevised) % 30 == 0) cell.revised = age(300, 520);
  if (draw(kLate) % 100 == 0) cell.late = age(780, 4'000);
  return cell;
}

std::optional<double> World::shown(const RawSeries& series, Time bucket, Time now) const {
  const auto cell = this->cell(series, bucket);
  const Duration age = now - (bucket + kGranularity);
  if (!cell || age < cell->appears) return std::nullopt;
  if (cell->late && age >= *cell->late) return cell->value + 500;
  if (age < cell->settles) return cell->value - static_cast<double>((cell->settles - age) / 1s + 1);
  if (cell->revised && age < *cell->revised) return cell->value - 300;
  return cell->value;
}

Time World::frontier_of(std::size_t scope, Time now) const {
  Time at = now;
  for (bool moved = true; moved;) {
    moved = false;
    for (const Trouble& one : troubles_) {
      const bool stalls = one.kind == Trouble::Kind::stalled && one.scope == scope;
      if (stalls && one.at.from < at && at < one.at.to) {
        at = one.at.from;
        moved = true;
      }
    }
  }
  return at - (frontier_ == Frontier::behind ? frontier_lag_ : Duration::zero());
}

fetchers::FetchResult World::answer(const fetchers::FetchRequest& request) {
  fetchers::FetchResult result;
  for (std::size_t scope = 0; scope < scopes_; ++scope) {
    const Time now = request.now;
    if (troubled(Trouble::Kind::down, scope, now) || troubled(Trouble::Kind::scope_down, scope, now)) {
      result.failures.push_back({.scope = kScopes.at(scope),
                                 .failure = fetchers::FetchFailure::unreachable,
                                 .detail = "as the seed says"});
      continue;
    }
    const bool truncated = troubled(Trouble::Kind::truncated, scope, now);
    engine::ScopeAnswer& out = result.answer.scopes.emplace_back();
    out.scope = kScopes.at(scope);
    out.covered = request.range;
    if (truncated) out.completeness = engine::Completeness::truncated;
    if (frontier_ != Frontier::none) {
      out.frontier = frontier_of(scope, now);
      frontier_told_ = std::max(frontier_told_.value_or(Time::min()), *out.frontier);
    }
    for (const RawSeries& series : series_) {
      if (series.scope != scope || !request.selector.matches(series.labels)) continue;
      for (Time bucket = request.range.from; bucket < request.range.to; bucket += kGranularity) {
        const auto value = shown(series, bucket, now);
        if (!value || (truncated && chance({series.key, word(bucket), word(now), kOmitted}) % 3 == 0))
          continue;
        out.rows.push_back({.series = result.answer.texts.keep(series.text),
                            .bucket = bucket,
                            .value = engine::Value::number(*value)});
      }
    }
  }
  return result;
}

}  // namespace settle::runner::seeds
