// Rows that come too late for a server with an out-of-order window: all of them are buried, no other one is,
// and few requests find them.
#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "tests/runner/push/pump_world.hpp"

namespace settle::test {
namespace {

using engine::Duration;
using engine::Time;
using sinks::PushVerdict;
using sinks::TooOld;
using std::chrono::hours;
using std::chrono::minutes;

/// Which samples a Prometheus takes (tsdb/head_append.go, 2.42), without values.
struct PrometheusHead {
  Duration window{};
  std::map<std::string, Time> newest;
  Time newest_of_all = Time::min();

  [[nodiscard]] TooOld refusal(const std::string& series, Time at) const {
    if (newest_of_all == Time::min()) return TooOld::no;
    const bool in_bounds = at >= newest_of_all - hours{1};
    const auto found = newest.find(series);
    if (in_bounds && (found == newest.end() || at >= found->second)) return TooOld::no;
    if (window > Duration{}) return at >= newest_of_all - window ? TooOld::no : TooOld::too_old;
    return in_bounds ? TooOld::out_of_order : TooOld::out_of_bounds;
  }
  void take(const std::string& series, Time at) {
    const auto [found, is_new] = newest.emplace(series, at);
    if (!is_new) found->second = std::max(found->second, at);
    newest_of_all = std::max(newest_of_all, at);
  }
};

/// A pump, the rules of Prometheus behind its sink, and what was refused for good.
struct LateWorld {
  explicit LateWorld(Duration window) {
    head.window = window;
    runner::PumpOptions options = pump_options();
    process = std::make_unique<Process>(directory.path(), server, kNow, options);
    process->sink.order = &order;
    process->sink.decide = [this](const std::vector<sinks::Row>& rows) { return decide(rows); };
  }
  /// All of a body or nothing of it, as Prometheus does.
  Fate decide(const std::vector<sinks::Row>& rows) {
    PrometheusHead after = head;
    for (const sinks::Row& row : rows) {
      const TooOld why = after.refusal(std::string{row.series}, row.timestamp);
      if (why != TooOld::no) {
        order.note_refused(rows, why);
        return {.verdict = PushVerdict::refused, .too_old = true};
      }
      after.take(std::string{row.series}, row.timestamp);
    }
    head = std::move(after);
    order.note_taken(rows);
    return {};
  }
  void send() {
    if (!process->pump) process->start();
    ASSERT_TRUE(process->run_until_sent());
  }
  /// Every buried row is one that would be refused now, too.
  [[nodiscard]] bool buried_only_late() {
    const auto letters = process->dead_letters();
    return std::all_of(letters.begin(), letters.end(), [this](const runner::DeadLetter& letter) {
      return head.refusal(letter.series, letter.timestamp) != TooOld::no;
    });
  }
  [[nodiscard]] std::set<FakeServer::Key> kept() {
    std::set<FakeServer::Key> keys;
    for (const auto& [key, revisions] : server.revisions()) keys.insert(key);
    return keys;
  }

  runner::StoreDirectory directory;
  FakeServer server;
  PrometheusHead head;
  sinks::RowOrder order;
  std::unique_ptr<Process> process;
};

TEST(PumpLate, OneRequestFindsWhatIsBehindWhereNothingMayBe) {
  LateWorld world{Duration{}};
  emit(*world.process, history(30, 2, 1));
  world.send();
  emit(*world.process, history(30, 0, 2));
  world.send();
  EXPECT_EQ(world.process->sink.pushes.size(), 2u);
  EXPECT_EQ(world.process->dead_letters().size(), 60u);
}

TEST(PumpLate, FewRequestsFindTheEndOfAWindow) {
  LateWorld world{minutes{30}};
  emit(*world.process, history(20, 100, 1));
  world.send();
  emit(*world.process, history(20, 0, 100));
  world.send();
  EXPECT_TRUE(world.buried_only_late());
  EXPECT_EQ(world.process->dead_letters().size(), 20u * 70u) << "of minute 70 on they are within the window";
  EXPECT_EQ(world.kept().size(), 20u * 31u);
  EXPECT_LE(world.process->sink.pushes.size(), 100u) << "of 2,020 rows";
}

TEST(PumpLate, KeepsASeriesThatIsOldButInItsOwnOrderAlsoOutsideTheWindow) {
  LateWorld world{minutes{1}};
  emit(*world.process, history(1, 100, 1));
  world.send();
  std::vector<engine::Sample> mixed;
  for (int minute = 60; minute < 80; ++minute) {
    mixed.push_back(sample(0, minute, 1));  // behind its own series
    mixed.push_back(sample(1, minute, 2));  // not behind anything of its series
  }
  emit(*world.process, mixed);
  world.send();
  EXPECT_TRUE(world.buried_only_late());
  EXPECT_EQ(world.process->dead_letters().size(), 20u);
  EXPECT_EQ(world.kept().size(), 21u);
}

TEST(PumpLate, BuriesWhatIsOutOfBoundsAndNothingElse) {
  LateWorld world{Duration{}};
  world.head.take("of somebody else", sample(0, 100, 0).bucket);
  emit(*world.process, history(3, 0, 100));
  world.send();
  EXPECT_TRUE(world.buried_only_late());
  EXPECT_EQ(world.process->dead_letters().size(), 3u * 40u) << "an hour is within bounds";
  EXPECT_EQ(world.kept().size(), 3u * 60u);
}

RC_GTEST_PROP(PumpLate, NoGoodRowIsBuriedAndNoLateOneStopsTheQueue, ()) {
  LateWorld world{*rc::gen::element<Duration>(Duration{}, minutes{1}, minutes{20}, hours{2})};
  const auto rounds = *rc::gen::inRange(1, 5);
  std::size_t emitted = 0;
  std::set<std::pair<std::uint64_t, int>> used;
  for (int round = 0; round < rounds; ++round) {
    if (*rc::gen::inRange(0, 3) == 0) {
      world.head.take("of somebody else", sample(0, *rc::gen::inRange(0, 200), 0).bucket);
    }
    std::vector<engine::Sample> samples;
    const auto rows = *rc::gen::container<std::vector<std::pair<int, int>>>(
        rc::gen::pair(rc::gen::inRange(0, 5), rc::gen::inRange(0, 200)));
    for (const auto& [series, minute] : rows) {
      if (used.insert({static_cast<std::uint64_t>(series), minute}).second) {
        samples.push_back(sample(static_cast<std::uint64_t>(series), minute, 5));
      }
    }
    // The live lane sends in the order of time, as a tick does.
    std::sort(samples.begin(), samples.end(), [](const engine::Sample& one, const engine::Sample& other) {
      return std::pair{one.bucket, one.series} < std::pair{other.bucket, other.series};
    });
    if (samples.empty()) continue;
    emitted += samples.size();
    PrometheusHead naive = world.head;  // row by row
    std::size_t refused = 0;
    for (const engine::Sample& one : samples) {
      const std::string series = "m{s=\"" + std::to_string(one.series) + "\"}";
      if (naive.refusal(series, one.bucket) != TooOld::no) {
        refused += 1;
      } else {
        naive.take(series, one.bucket);
      }
    }
    const std::size_t before = world.process->dead_letters().size();
    emit(*world.process, samples);
    world.send();
    RC_ASSERT(world.process->dead_letters().size() - before <= refused);
    RC_ASSERT(world.buried_only_late());
  }
  RC_ASSERT(world.kept().size() + world.process->dead_letters().size() == emitted);
}

}  // namespace
}  // namespace settle::test
