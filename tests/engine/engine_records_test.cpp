// What the engine reads back: whole records in order, or an error; never a crash and never a silent loss.

#include <gtest/gtest.h>

#include "tests/support/engine_driver.hpp"

namespace settle::test {
namespace {

using engine::Engine;
using engine::ErrorKind;
using engine::NewSeries;
using namespace std::chrono_literals;

/// A log of some records and the series table that belongs to it.
struct Log {
  engine::EngineOptions options;
  std::map<engine::SeriesNumber, std::string> table;
  std::vector<std::string> records;

  [[nodiscard]] engine::Result<Engine> load() const {
    std::vector<NewSeries> series;
    for (const auto& [number, text] : table) series.push_back({.number = number, .text = text});
    const std::vector<std::string_view> views{records.begin(), records.end()};
    return Engine::load(options, series, views);
  }
};

Log make_log(std::uint64_t seed) {
  const History history = make_history(seed, Mix{.restarts = false}, 25);
  Log log{.options = history.options, .table = {}, .records = {}};
  Engine engine{history.options, history.live_from};
  const auto save = [&] {
    auto changes = engine.drain_changes();
    for (auto& one : changes.series_added) log.table[one.number] = std::move(one.text);
    for (const auto number : changes.series_retired) log.table.erase(number);
    log.records.push_back(std::move(changes.record));
  };
  for (const HistoryStep& step : history.steps) {
    switch (step.kind) {
      case HistoryStep::Kind::ingest:
        (void)engine.ingest(make_answer(step.parts), step.at);
        break;
      case HistoryStep::Kind::expire:
        (void)engine.expire(step.at);
        break;
      case HistoryStep::Kind::release:
        (void)engine.release(step.at);
        break;
      default:
        break;
    }
    if (step.kind == HistoryStep::Kind::expire) save();
  }
  save();
  return log;
}

/// Uses everything that walks the state.
void use(Engine& engine, Time now) {
  (void)engine.cells();
  (void)engine.newest_final_bucket();
  (void)engine.frontier();
  (void)engine.expire(now);
  (void)engine.drain_changes();
  (void)engine.flush(now);
  (void)engine.release(engine.live_from() + engine.options().granularity);
  (void)engine.drain_changes();
}

TEST(EngineRecords, AreRefusedWhenOneIsCutShort) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Log log = make_log(seed);
    ASSERT_TRUE(log.load());
    Log cut = log;
    for (std::size_t length = 0; length < log.records.back().size(); ++length) {
      cut.records.back() = log.records.back().substr(0, length);
      const auto loaded = cut.load();
      ASSERT_FALSE(loaded) << "seed " << seed << ", " << length << " bytes";
      EXPECT_EQ(loaded.error().kind, ErrorKind::corrupt);
    }
  }
}

TEST(EngineRecords, AreRefusedWhenBytesFollow) {
  Log log = make_log(1);
  log.records.back() += '\0';
  EXPECT_FALSE(log.load());
}

TEST(EngineRecords, AreRefusedOutOfOrder) {
  Log log = make_log(2);
  ASSERT_GT(log.records.size(), 2U);
  std::swap(log.records[0], log.records[1]);
  EXPECT_FALSE(log.load());
}

TEST(EngineRecords, AreRefusedWhenThereAreNone) {
  Log log = make_log(3);
  log.records.clear();
  EXPECT_FALSE(log.load());
}

TEST(EngineRecords, AreRefusedWithoutTheSeriesThatTheyName) {
  bool some = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Log log = make_log(seed);
    const auto whole = log.load();
    ASSERT_TRUE(whole);
    if (whole->cells().empty()) continue;
    log.table.erase(whole->cells().front().number);
    EXPECT_FALSE(log.load()) << "seed " << seed;
    some = true;
  }
  EXPECT_TRUE(some);
}

TEST(EngineRecords, AreRefusedByAnEngineOfAnotherGranularity) {
  Log log = make_log(4);
  log.options.granularity *= 7;
  EXPECT_FALSE(log.load());
}

/// Not every flipped bit can be told from a true value; but whatever is loaded must be usable.
TEST(EngineRecords, WithFlippedBitsAreRefusedOrUsable) {
  std::size_t refused = 0;
  EXPECT_TRUE(holds_for_seeds("flipped bits", [&](std::uint64_t seed) {
    Dice dice{seed};
    Log log = make_log(dice.below(50));
    const auto last = log.load();
    for (int i = 0; i < 20; ++i) {
      Log flipped = log;
      std::string& record = flipped.records[dice.below(log.records.size())];
      record[dice.below(record.size())] ^= static_cast<char>(1U << dice.below(8));
      auto loaded = flipped.load();
      if (!loaded) {
        ++refused;
        if (loaded.error().kind != ErrorKind::corrupt || loaded.error().detail.empty()) return "bad error";
        continue;
      }
      use(*loaded, last->live_from() + 20min);
    }
    return "";
  }));
  EXPECT_GT(refused, 0U);
}

TEST(EngineRecords, AreTheSameBytesForTheSameHistory) {
  EXPECT_EQ(make_log(5).records, make_log(5).records);
}

TEST(EngineRecords, OfNothingNewAreSmallAndLoad) {
  Log log = make_log(6);
  auto loaded = log.load();
  ASSERT_TRUE(loaded);
  const auto changes = loaded->drain_changes();
  EXPECT_EQ(changes.cells, 0U);
  EXPECT_TRUE(changes.series_added.empty());
  EXPECT_TRUE(changes.series_retired.empty());
  log.records.push_back(changes.record);
  auto again = log.load();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->stats(), loaded->stats());
}

TEST(EngineClone, GoesItsOwnWayFromTheSameState) {
  for (std::uint64_t seed = 100; seed < 130; ++seed) {
    const History history = make_history(seed, Mix{.restarts = false}, 30);
    Engine engine{history.options, history.live_from};
    const std::size_t half = history.steps.size() / 2;
    for (std::size_t i = 0; i < half; ++i) {
      if (history.steps[i].kind == HistoryStep::Kind::ingest) {
        (void)engine.ingest(make_answer(history.steps[i].parts), history.steps[i].at);
      } else {
        (void)engine.expire(history.steps[i].at);
      }
    }
    Engine clone = engine.clone();
    std::vector<engine::Sample> expected;
    std::vector<engine::Sample> got;
    for (std::size_t i = half; i < history.steps.size(); ++i) {
      const auto answer = make_answer(history.steps[i].parts);
      const auto samples = engine.ingest(answer, history.steps[i].at);
      expected.insert(expected.end(), samples.begin(), samples.end());
    }
    for (std::size_t i = half; i < history.steps.size(); ++i) {
      const auto samples = clone.ingest(make_answer(history.steps[i].parts), history.steps[i].at);
      got.insert(got.end(), samples.begin(), samples.end());
    }
    EXPECT_EQ(got, expected) << "seed " << seed;
    EXPECT_EQ(clone.stats(), engine.stats()) << "seed " << seed;
    EXPECT_EQ(clone.drain_changes().record, engine.drain_changes().record) << "seed " << seed;
  }
}

}  // namespace
}  // namespace settle::test
