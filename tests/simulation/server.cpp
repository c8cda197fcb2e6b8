#include "tests/simulation/server.hpp"

#include <algorithm>
#include <chrono>

#include <xxhash.h>

namespace settle::simulation {

using engine::Duration;
using engine::Time;
using sinks::Overwrite;
using sinks::PushVerdict;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// What VictoriaMetrics was seen to lose of what it had acknowledged, when it was killed.
constexpr seconds kVolatile{7};
// A sink gives up waiting for an answer.
constexpr seconds kHangs{30};
// A request that was cut is done with on the server so long after it. Where the pump compares, it does so
// after its uncertain_wait; elsewhere it sends again after a second.
constexpr milliseconds kDelayedWhereCompared{9'500};
constexpr milliseconds kDelayed{900};

std::uint64_t per_mille(std::uint64_t seed, const sinks::Row& row) {
  const std::string_view series = row.series;
  const auto at = static_cast<std::uint64_t>(engine::epoch_ms(row.timestamp));
  return XXH3_64bits_withSeed(series.data(), series.size(), Random::mix(seed ^ at)) % 1000;
}

}  // namespace

bool Server::Kept::is(const sinks::Row& row) const {
  const bool is_marker = row.reason == engine::Reason::stale;
  return stale == is_marker && (stale || value == row.value);
}

Server::Server(ServerSpec spec, const WorldTime& world, Journal& journal)
    : spec_(std::move(spec)),
      world_(world),
      journal_(journal),
      random_(spec_.seed, "server"),
      overwrite_(spec_.overwrite),
      started_at_(world.now),
      up_from_(world.now) {}

bool Server::is_poison(const sinks::Row& row) const {
  return per_mille(spec_.seed, row) < spec_.poison;
}

bool Server::is_invalid(const sinks::Row& row) const {
  return per_mille(spec_.seed + 1, row) < spec_.invalid;
}

std::optional<Server::Kept> Server::value(const SampleKey& key) const {
  const auto found = samples_.find(key);
  if (found == samples_.end() || found->second.empty()) return std::nullopt;
  const std::vector<Kept>& all = found->second;
  if (spec_.overwrite == Overwrite::none && all.size() > 1) return std::nullopt;
  if (spec_.overwrite != Overwrite::max_wins) return all.back();
  return *std::max_element(all.begin(), all.end(),
                           [](const Kept& a, const Kept& b) { return a.value < b.value; });
}

void Server::calm() {
  is_calm_ = true;
  spec_.latency = std::min(spec_.latency, Duration{100});
}

void Server::kill(Duration downtime) {
  std::size_t lost = 0;
  if (!spec_.durable) {
    const Time since = world_.now - random_.between(Duration::zero(), kVolatile);
    for (auto& [key, kept] : samples_) {
      lost += std::erase_if(kept, [since](const Kept& one) { return one.at > since; });
    }
  }
  up_from_ = world_.now + downtime;
  if (!mutation.forgets_for_good) started_at_ = up_from_;
  starts_ += 1;
  journal_.note(world_.now, "server_killed",
                spec_.name + " for " + engine::format_duration(downtime + Duration{1}) + ", " +
                    std::to_string(lost) + " acknowledged rows lost");
}

void Server::store(const sinks::Row& row) {
  if (on_row) on_row(row);
  std::vector<Kept>& kept = samples_[{std::string{row.series}, row.timestamp}];
  const bool is_marker = row.reason == engine::Reason::stale;
  // Two streams that had an output one after the other may both say where a series ended.
  if (is_marker && std::any_of(kept.begin(), kept.end(), [](const Kept& one) { return one.stale; })) return;
  kept.push_back({.value = row.value, .revision = row.revision, .at = world_.now, .stale = is_marker});
}

void Server::apply(const std::vector<sinks::Row>& rows, std::size_t count) {
  const bool wrong = ++pushes_ % 5 == 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (wrong && i == 0 && mutation.drops_a_row) continue;
    store(rows[i]);
    if (wrong && i == 0 && mutation.stores_twice) store(rows[i]);
    if (wrong && i == 0 && mutation.alters_a_value) {
      samples_[{std::string{rows[i].series}, rows[i].timestamp}].back().value =
          engine::Value::count(987'654'321);
    }
  }
}

void Server::take_later(std::vector<sinks::Row> rows) {
  const milliseconds most = spec_.overwrite == Overwrite::none ? kDelayedWhereCompared : kDelayed;
  later_.push_back({world_.steady + random_.between(milliseconds{1}, most), starts_, std::move(rows)});
}

void Server::client_died() {
  const auto bad = std::find_if(in_flight_.begin(), in_flight_.end(),
                                [this](const sinks::Row& row) { return is_poison(row); });
  const std::size_t most = up() ? random_.below(in_flight_.size() + 1) : 0;
  in_flight_.resize(std::min(most, static_cast<std::size_t>(bad - in_flight_.begin())));
  if (in_flight_.empty()) return;
  // Late only where the next process compares before it sends: what it sends at once would be older then.
  if (spec_.overwrite == Overwrite::none && random_.percent(50)) {
    take_later(in_flight_);
  } else {
    journal_.note(world_.now, "push",
                  spec_.name + " takes " + std::to_string(in_flight_.size()) + " rows of the dead");
    apply(in_flight_, in_flight_.size());
  }
  in_flight_.clear();
}

std::optional<runner::SteadyTime> Server::next_due() const {
  std::optional<runner::SteadyTime> next;
  for (const Later& one : later_) next = std::min(next.value_or(one.at), one.at);
  return next;
}

void Server::catch_up() {
  for (auto one = later_.begin(); one != later_.end();) {
    if (one->at > world_.steady) {
      ++one;
      continue;
    }
    if (one->life == starts_) {
      journal_.note(world_.now, "push",
                    spec_.name + " takes " + std::to_string(one->rows.size()) + " rows late");
      apply(one->rows, one->rows.size());
    }
    one = later_.erase(one);
  }
}

Server::Fate Server::draw_fate(const std::vector<sinks::Row>& rows) {
  if (mutation.never_takes_any) return Fate::busy;
  Fate fate = Fate::takes;
  if (!is_calm_) {
    auto dice = random_.below(100);
    const std::pair<unsigned, Fate> fates[] = {{spec_.busy, Fate::busy},
                                               {spec_.cut, Fate::cut},
                                               {spec_.hangs, Fate::hangs},
                                               {spec_.delayed, Fate::delayed}};
    for (const auto& [chance, one] : fates) {
      if (dice < chance) {
        fate = one;
        break;
      }
      dice -= chance;
    }
  }
  const auto bad = [this](const sinks::Row& row) { return is_poison(row); };
  const bool poisoned = std::any_of(rows.begin(), rows.end(), bad);
  return poisoned && fate != Fate::busy ? Fate::refuses : fate;
}

class Server::SimSink final : public sinks::Sink {
 public:
  SimSink(Server& server, SimClocks& clocks) : server_(server), clocks_(clocks) {}

  sinks::Capabilities capabilities() const override {
    sinks::Capabilities can;
    can.overwrite = server_.overwrite_;
    can.batch_rows_max = server_.spec_.batch_rows_max;
    can.can_read_back = true;
    can.takes_stale_markers = server_.spec_.stale_markers;
    can.durable_when_acknowledged = server_.spec_.durable;
    return can;
  }
  boost::asio::awaitable<sinks::SinkHealth> check() override {
    sinks::SinkHealth health;
    health.reachable = server_.up();
    health.server = server_.up() ? server_.spec_.name : server_.spec_.name + " is down";
    health.capabilities = capabilities();
    if (server_.up()) health.started_at = server_.started_at_;
    co_return health;
  }
  std::optional<std::string> refuse(const sinks::Row& row, Time) const override {
    if (server_.is_invalid(row)) return "as it was to be";
    return std::nullopt;
  }
  boost::asio::awaitable<sinks::PushOutcome> push(std::vector<sinks::Row> rows) override {
    if (server_.on_push) server_.on_push(rows);
    const Fate fate = server_.draw_fate(rows);
    const std::uint64_t life = server_.starts_;
    const auto reached = static_cast<std::size_t>(server_.random_.below(rows.size() + 1));
    const milliseconds takes = server_.random_.between(milliseconds{0}, server_.spec_.latency);
    server_.in_flight_ = rows;
    co_await clocks_.pass(takes);
    server_.in_flight_.clear();
    sinks::PushOutcome outcome;
    // A server that is killed meanwhile cuts the connection.
    if (!server_.up() || server_.starts_ != life) {
      outcome.verdict = server_.starts_ != life ? PushVerdict::uncertain : PushVerdict::retry;
      note(rows.size(), "is down");
      co_return outcome;
    }
    switch (fate) {
      case Fate::takes:
        server_.apply(rows, rows.size());
        note(rows.size(), "takes");
        co_return outcome;
      case Fate::busy:
        outcome.verdict = PushVerdict::retry;
        outcome.retry_after = milliseconds{server_.random_.below(5'000)};
        note(rows.size(), "is busy");
        break;
      case Fate::refuses:
        outcome.verdict = PushVerdict::refused;
        note(rows.size(), "refuses");
        apply_before_fault(rows);
        break;
      case Fate::cut:
      case Fate::hangs:
        outcome.verdict = PushVerdict::uncertain;
        server_.apply(rows, reached);
        note(rows.size(),
             (fate == Fate::cut ? "cuts the connection after " : "hangs after ") + std::to_string(reached));
        if (fate == Fate::hangs) {
          const milliseconds hangs = kHangs;
          co_await clocks_.pass(hangs);
        }
        break;
      case Fate::delayed:
        outcome.verdict = PushVerdict::uncertain;
        note(rows.size(), "cuts the connection and goes on with " + std::to_string(reached));
        delay(std::move(rows), reached);
        break;
    }
    outcome.detail = "as it was to be";
    co_return outcome;
  }
  boost::asio::awaitable<engine::Result<std::vector<bool>>> holds(std::vector<sinks::Row> rows) override {
    const bool blind = !server_.is_calm_ && server_.random_.percent(server_.spec_.blind);
    if (blind || !server_.up()) co_return engine::retry_later("as it was to be");
    std::vector<bool> held;
    for (const sinks::Row& row : rows) {
      const SampleKey key{std::string{row.series}, row.timestamp};
      const auto found = server_.samples_.find(key);
      bool has = found != server_.samples_.end();
      if (server_.spec_.overwrite == Overwrite::none) {
        has = has && std::any_of(found->second.begin(), found->second.end(),
                                 [&row](const Kept& one) { return one.is(row); });
      } else {  // what was replaced is not held
        const auto newest = server_.value(key);
        has = newest && newest->is(row);
      }
      held.push_back(has);
    }
    server_.journal_.note(server_.world_.now, "looked_up",
                          server_.spec_.name + " holds " +
                              std::to_string(std::count(held.begin(), held.end(), true)) + " of " +
                              std::to_string(held.size()) + " rows");
    co_return held;
  }

 private:
  void note(std::size_t rows, const std::string& what) const {
    server_.journal_.note(
        server_.world_.now, "push",
        server_.spec_.name + " " + what + (rows > 0 ? ": " : "") + std::to_string(rows) + " rows");
  }
  /// Some servers take what stands before the row they stumble over.
  void apply_before_fault(const std::vector<sinks::Row>& rows) {
    if (server_.random_.percent(50)) return;
    const auto bad = std::find_if(rows.begin(), rows.end(),
                                  [this](const sinks::Row& row) { return server_.is_poison(row); });
    server_.apply(rows, static_cast<std::size_t>(bad - rows.begin()));
  }
  void delay(std::vector<sinks::Row> rows, std::size_t reached) {
    rows.resize(reached);
    server_.take_later(std::move(rows));
  }

  Server& server_;
  SimClocks& clocks_;
};

std::unique_ptr<sinks::Sink> Server::sink(SimClocks& clocks) {
  return std::make_unique<SimSink>(*this, clocks);
}

}  // namespace settle::simulation
