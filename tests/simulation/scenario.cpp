#include "tests/simulation/scenario.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace settle::simulation {

using engine::Duration;
using engine::format_duration;
using sinks::Overwrite;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr engine::Time kStart = engine::from_epoch_ms(1'800'000'000'000);
constexpr seconds kGranularity{10};

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : seed_(seed), random_(seed, "scenario") { out_.seed = seed; }

  Scenario make() {
    out_.start = kStart + random_.between(milliseconds{0}, milliseconds{kGranularity});
    out_.busy = kGranularity * random_.between(25, 70);
    const auto sources = 1 + random_.below(2);
    for (std::size_t i = 0; i < sources; ++i) add_source(i);
    const auto servers = 1 + random_.below(3);
    for (std::size_t i = 0; i < servers; ++i) add_server(i);
    const auto streams = 1 + random_.below(3);
    for (std::size_t i = 0; i < streams; ++i) add_stream();
    const auto jobs = streams + random_.below(2);
    for (std::size_t i = 0; i < jobs; ++i) add_job(i);
    if (random_.percent(15)) out_.queue_rows_max = 20;
    add_happenings();
    if (random_.percent(30)) add_replacement();
    add_backfills();
    add_clock_steps();
    std::stable_sort(out_.happenings.begin(), out_.happenings.end(),
                     [](const Happening& a, const Happening& b) { return a.at < b.at; });
    Duration longest{};
    for (const StreamSpec& one : out_.streams) longest = std::max({longest, one.watch, one.absent_for});
    out_.calm = 3 * longest + std::chrono::minutes{6};
    return std::move(out_);
  }

 private:
  Duration buckets(std::int64_t low, std::int64_t high) { return kGranularity * random_.between(low, high); }
  Duration moment() { return random_.between(Duration::zero(), out_.busy); }
  engine::TimeRange window(Duration longest) {
    const engine::Time from = out_.start + moment();
    return {from, from + random_.between(Duration{seconds{1}}, longest)};
  }

  void add_source(std::size_t number) {
    SourceSpec one;
    one.name = "source" + std::to_string(number);
    one.seed = Random::mix(seed_ + number * 7);
    one.granularity = kGranularity;
    const auto scopes = 1 + random_.below(3);
    for (std::size_t i = 0; i < scopes; ++i) one.scopes.push_back("scope" + std::to_string(i));
    one.has_frontier = random_.percent(60);
    one.first_from = random_.percent(50) ? -Duration{kGranularity} / 2 : Duration::zero();
    one.first_after = random_.between(Duration{seconds{1}}, Duration{seconds{25}});
    one.revisions_max = static_cast<unsigned>(random_.below(4));
    one.last_after = one.first_after + random_.between(Duration{seconds{1}}, Duration{seconds{60}});
    if (random_.percent(25)) one.batch = buckets(1, 3);
    const unsigned vanishes = random_.percent(25) ? 15 : 0;
    const unsigned present = random_.percent(50) ? 100 : 60;
    const bool whole = random_.percent(70);
    const auto count = 2 + random_.below(4);
    for (std::size_t i = 0; i < count; ++i) add_series(one, i, present, vanishes, whole);
    add_source_faults(one);
    out_.sources.push_back(std::move(one));
  }

  void add_series(SourceSpec& source, std::size_t i, unsigned present, unsigned vanishes, bool whole) {
    SeriesSpec series;
    series.scope = source.scopes[random_.below(source.scopes.size())];
    series.text = "requests{group=\"" + std::to_string(i % 2) + "\",n=\"" + std::to_string(i) + "\",zone=\"" +
                  series.scope + "\"}";
    const engine::Time early = engine::floor_to(out_.start - std::chrono::hours{24}, kGranularity);
    const engine::Time late = engine::floor_to(out_.start + 10 * out_.busy, kGranularity);
    series.life = {early, late};
    if (random_.percent(20)) series.life.from = engine::floor_to(out_.start + moment(), kGranularity);
    if (random_.percent(20)) {
      series.life.to = std::max(series.life.from, engine::floor_to(out_.start + moment(), kGranularity));
    }
    series.present = present;
    series.vanishes = vanishes;
    series.whole = whole;
    source.series.push_back(std::move(series));
  }

  void add_source_faults(SourceSpec& source) {
    using Kind = SourceFault::Kind;
    const auto faults = random_.below(6);
    for (std::size_t i = 0; i < faults; ++i) {
      SourceFault one;
      constexpr std::array kKinds{Kind::unreachable, Kind::scope_fails, Kind::truncated, Kind::late,
                                  Kind::repeats};
      one.kind = kKinds[random_.below(kKinds.size())];
      const bool is_long = one.kind != Kind::repeats && random_.percent(15);
      one.when = window(is_long ? buckets(10, 60) : buckets(1, 8));
      if (one.kind == Kind::scope_fails || one.kind == Kind::truncated) {
        one.scope = source.scopes[random_.below(source.scopes.size())];
      }
      one.delay = random_.between(milliseconds{100}, milliseconds{seconds{25}});
      source.faults.push_back(std::move(one));
    }
    Random random{source.seed, "old"};
    for (const std::string& scope : source.scopes) {
      if (!random.percent(25)) continue;
      const engine::Time from = out_.start + random.between(Duration::zero(), out_.busy);
      source.faults.push_back({.kind = Kind::old_fails,
                               .when = {from, from + kGranularity * random.between(10, 50)},
                               .scope = scope,
                               .delay = {}});
    }
    for (auto stalls = random_.below(3); stalls > 0; --stalls)
      source.stalls.push_back(window(buckets(1, 12)));
    std::sort(source.stalls.begin(), source.stalls.end());
  }

  void add_server(std::size_t number) {
    ServerSpec one;
    one.name = "server" + std::to_string(number);
    one.seed = Random::mix(seed_ + number * 13 + 1);
    constexpr std::array kKinds{Overwrite::last_wins, Overwrite::none, Overwrite::append_log,
                                Overwrite::last_wins, Overwrite::max_wins};
    one.overwrite = kKinds[random_.below(kKinds.size())];
    one.durable = one.overwrite == Overwrite::append_log || random_.percent(40);
    one.batch_rows_max = random_.percent(50) ? 1 + random_.below(10) : 1'000;
    one.latency = random_.between(Duration{1}, Duration{random_.percent(20) ? 8'000 : 300});
    if (random_.percent(30)) one.poison = 30;
    if (random_.percent(20)) one.invalid = 20;
    if (random_.percent(60)) {
      one.busy = static_cast<unsigned>(random_.below(30));
      one.cut = static_cast<unsigned>(random_.below(20));
      one.hangs = static_cast<unsigned>(random_.below(8));
      one.delayed = static_cast<unsigned>(random_.below(10));
      one.blind = static_cast<unsigned>(random_.below(40));
    }
    one.stale_markers = Random{one.seed, "markers"}.percent(30);
    out_.servers.push_back(std::move(one));
  }

  void add_stream() {
    StreamSpec one;
    one.source = random_.below(out_.sources.size());
    const SourceSpec& source = out_.sources[one.source];
    const std::string group =
        random_.percent(50) ? "group=\"" + std::to_string(random_.below(2)) + "\"," : "";
    one.query = "requests{" + group + "k!=\"" + std::to_string(out_.streams.size()) + "\"}";
    one.granularity = kGranularity;
    one.watch = buckets(6, 15);
    one.ttl = random_.percent(50) ? one.watch : buckets(3, one.watch / kGranularity);
    constexpr std::array kPolls{1, 1, 1, 2};
    one.poll = random_.percent(30) ? Duration{kGranularity} / 2 : kGranularity * kPolls[random_.below(4)];
    one.finality = random_.percent(60) ? "consecutive:" + std::to_string(1 + random_.below(4))
                                       : "fixed:" + format_duration(buckets(1, 6));
    one.zero = random_.percent(30);
    one.absent_for = buckets(2, 12);
    const bool whole = std::all_of(source.series.begin(), source.series.end(),
                                   [](const SeriesSpec& series) { return series.whole; });
    one.counter = whole && random_.percent(30);
    Random random{seed_ + out_.streams.size(), "learned"};
    if (!one.counter && random.percent(20)) one.finality = "learned";
    if (one.finality == "learned" && random.percent(40)) one.finality = "learned:0.05,tolerance=0.2";
    one.ledger = !one.counter && random.percent(20);
    out_.streams.push_back(std::move(one));
  }

  void add_job(std::size_t number) {
    JobPlan one;
    one.stream = number < out_.streams.size() ? number : random_.below(out_.streams.size());
    StreamSpec& stream = out_.streams[one.stream];
    one.path = "job/" + std::to_string(number);
    one.record = "out" + std::to_string(number);
    one.stamp_end = random_.percent(30);
    bool can_repush = true;
    bool can_grow = true;
    for (std::size_t i = 0; i < out_.servers.size(); ++i) {
      if (one.servers.empty() ? i + 1 < out_.servers.size() && random_.percent(40) : random_.percent(60))
        continue;
      const Overwrite overwrite = out_.servers[i].overwrite;
      const bool overwrites = overwrite == Overwrite::last_wins || overwrite == Overwrite::append_log;
      one.servers.push_back(i);
      can_repush = can_repush && overwrites;
      can_grow = can_grow && (overwrites || overwrite == Overwrite::max_wins);
    }
    // The first job of a stream says what its corrections are; the others share it only if theirs are the
    // same.
    if (number < out_.streams.size()) {
      stream.repush = can_repush && random_.percent(85);
      Random random{seed_ + number, "growing"};
      stream.growing = can_grow && !can_repush && !stream.counter && random.percent(70);
      stream.repush = stream.repush || stream.growing;
    } else if (stream.growing || (stream.repush && !can_repush)) {
      one.servers = out_.jobs[one.stream].servers;
    }
    one.json = json(stream, one);
    out_.jobs.push_back(std::move(one));
  }

  /// A job on the path of another one, under the same output, of another stream of the same series.
  void add_replacement() {
    const std::size_t old = random_.below(out_.jobs.size());
    StreamSpec stream = out_.streams[out_.jobs[old].stream];
    const std::string number = std::to_string(out_.streams.size());
    stream.query = stream.query.substr(0, stream.query.find("k!=")) + "k!=\"" + number + "\"}";
    stream.finality = "consecutive:" + std::to_string(1 + random_.below(5));
    stream.watch = buckets(6, 15);
    stream.ttl = stream.watch;
    stream.counter = false;
    if (out_.streams[out_.jobs[old].stream].counter) return;
    JobPlan job = out_.jobs[old];
    job.stream = out_.streams.size();
    out_.streams.push_back(stream);
    job.json = json(stream, job);
    out_.jobs.push_back(std::move(job));
    const Duration at = moment();
    add(Happening::Kind::replace, at, {}, out_.jobs.size() - 1);
    Random random{seed_, "returns"};  // and perhaps back
    if (random.percent(40)) add(Happening::Kind::replace, random.between(at, out_.busy), {}, old);
  }

  [[nodiscard]] std::string json(const StreamSpec& stream, const JobPlan& job) const {
    std::string query;
    for (const char c : stream.query) query += c == '"' ? std::string{"\\\""} : std::string{c};
    const auto field = [](const char* name, const std::string& value) {
      return std::string{",\""} + name + "\":\"" + value + '"';
    };
    std::string text = "{\"query\":\"" + query + "\",\"sketch_type\":\"scalar\"";
    text += field("granularity", format_duration(stream.granularity));
    text += field("source", out_.sources[stream.source].name);
    text += field("store_path", job.path) + field("record", job.record);
    text += field("watch", format_duration(stream.watch)) + field("ttl", format_duration(stream.ttl));
    text += field("poll_interval", format_duration(stream.poll)) + field("finality", stream.finality);
    text += field("output", stream.counter ? "counter" : "gauge");
    text += field("timestamp", job.stamp_end ? "end" : "start");
    text += field("corrections", stream.ledger ? "ledger" : stream.repush ? "repush" : "hold");
    if (stream.growing) text += field("values", "growing");
    if (stream.zero)
      text += field("absent", "zero") + field("absent_for", format_duration(stream.absent_for));
    text += ",\"sinks\":[";
    for (const std::size_t server : job.servers) {
      text += (text.back() == '[' ? "\"" : ",\"") + out_.servers[server].name + '"';
    }
    return text + "]}";
  }

  void add(Happening::Kind kind, Duration at, Duration length = {}, std::size_t which = 0) {
    Happening one;
    one.kind = kind;
    one.at = at;
    one.length = length;
    one.which = which;
    out_.happenings.push_back(one);
  }

  void add_happenings() {
    using Kind = Happening::Kind;
    for (std::size_t i = 0; i < out_.jobs.size(); ++i) {
      add(Kind::post, random_.percent(80) ? Duration{seconds{1}} : moment() / 2, {}, i);
    }
    for (auto crashes = random_.below(7); crashes > 0; --crashes) {
      const Duration down = random_.percent(80)
                                ? random_.between(milliseconds{1'000}, milliseconds{seconds{20}})
                                : buckets(3, 50);
      add(random_.percent(85) ? Kind::crash : Kind::restart, moment(), down);
      Happening& crash = out_.happenings.back();
      crash.steps = random_.below(40);
      crash.moment = static_cast<Happening::Moment>(random_.below(3));
    }
    if (random_.percent(25)) {
      const std::size_t job = random_.below(out_.jobs.size());
      const Duration at = moment();
      add(Kind::remove, at, {}, job);
      out_.happenings.back().steps = Random{seed_, "flush"}.percent(40) ? 1 : 0;
      add(Kind::post, at + random_.between(Duration::zero(), buckets(1, 30)), {}, job);
    }
    if (random_.percent(15)) {
      add(Kind::drop_source, moment(), buckets(1, 40), random_.below(out_.sources.size()));
    }
    if (random_.percent(20)) {
      const Duration at = moment();
      add(Kind::skew, at, random_.between(milliseconds{seconds{-50}}, milliseconds{seconds{50}}));
      if (random_.percent(50)) add(Kind::skew, at + buckets(1, 10), Duration::zero());
    }
    for (std::size_t i = 0; i < out_.servers.size(); ++i) {
      if (out_.servers[i].overwrite != Overwrite::last_wins || !random_.percent(15)) continue;
      // A crash while a capability is lost re-sends revisions that had been replaced.
      const bool crashes = std::any_of(
          out_.happenings.begin(), out_.happenings.end(),
          [](const Happening& one) { return one.kind == Kind::crash || one.kind == Kind::restart; });
      if (crashes || !out_.servers[i].durable) continue;
      add(Kind::lose_overwrite, moment(), buckets(2, 20), i);
    }
    if (random_.percent(15)) add(Kind::sleep, moment(), buckets(2, 60));
    if (random_.percent(30)) add(Kind::slow_pool, moment(), random_.between(Duration{1}, buckets(1, 3)));
    if (random_.percent(40)) add(Kind::slow_disk, moment(), random_.between(Duration{1}, buckets(1, 3)));
    if (random_.percent(20)) add(Kind::full_disk, moment(), random_.between(Duration{1}, buckets(1, 4)));
    for (std::size_t i = 0; i < out_.servers.size(); ++i) {
      for (auto kills = random_.below(3); kills > 0; --kills) {
        add(Kind::kill_server, moment(), random_.between(Duration{100}, buckets(1, 6)), i);
      }
    }
  }

  /// The machine's clock is wrong by hours for a while.
  void add_clock_steps() {
    Random random{seed_, "clock steps"};
    for (auto left = random.percent(6) ? 1 + random.below(2) : 0; left > 0; --left) {
      const milliseconds most = std::chrono::hours{3};
      const Duration at = random.between(Duration::zero(), out_.busy);
      add(Happening::Kind::skew, at, random.between(-most, most));
      add(Happening::Kind::skew, at + kGranularity * random.between(0, 40), Duration::zero());
    }
  }

  /// With chance of its own: the rest of the world stays as it is.
  void add_backfills() {
    using Kind = Happening::Kind;
    Random random{seed_, "backfills"};
    for (auto left = random.percent(40) ? 1 + random.below(3) : 0; left > 0; --left) {
      const std::size_t job = random.below(out_.jobs.size());
      const Duration at = random.between(Duration{seconds{5}}, out_.busy);
      if (out_.streams[out_.jobs[job].stream].counter) continue;  // their base would be another one
      add(Kind::backfill, at, kGranularity * random.between(1, 60), job);
      out_.happenings.back().steps = random.percent(30) ? 1 : 0;
      if (random.percent(30)) {  // the same once more
        out_.happenings.push_back(out_.happenings.back());
        out_.happenings.back().at += random.between(Duration::zero(), Duration{seconds{9}});
      }
      if (!random.percent(40)) continue;
      const Duration paused = at + random.between(Duration::zero(), Duration{seconds{20}});
      add(Kind::pause, paused, {}, job);
      add(Kind::resume, paused + random.between(Duration{1}, Duration{seconds{90}}), {}, job);
    }
  }

  std::uint64_t seed_;
  Random random_;
  Scenario out_;
};

}  // namespace

Scenario make_scenario(std::uint64_t seed) {
  return Maker{seed}.make();
}

}  // namespace settle::simulation
