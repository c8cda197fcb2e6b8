// Records: what is saved loads to the same engine, whatever is kept is enough, and no bytes do harm.

#include <algorithm>

#include <gtest/gtest.h>

#include "engine/stabilizer/record.hpp"
#include "tests/engine/engine_polls.hpp"

namespace settle::test {
namespace {

using engine::Engine;
using engine::EngineOptions;

/// A history with growth, a late series, a vanished row and a correction; one poll each 30 s.
std::vector<PolledRow> rows_at(int poll) {
  std::vector<PolledRow> rows;
  for (int minute = 0; minute * 2 <= poll; ++minute) {
    const int age = poll - 2 * minute;
    rows.push_back({"a", minute, 100.0 * std::min(age, 4)});
    if (minute % 3 != 1) rows.push_back({"b", minute, 2.0 + (age > 12 ? 1 : 0)});
    if (age > 8) rows.push_back({"c", minute, 1.0});
  }
  return rows;
}

EngineOptions options_of(engine::Output output, engine::Corrections corrections, engine::Absent absent) {
  EngineOptions options = test_options();
  options.output = output;
  options.corrections = corrections;
  options.absent = absent;
  return options;
}

std::vector<EngineOptions> all_options() {
  std::vector<EngineOptions> all;
  for (const auto output : {engine::Output::gauge, engine::Output::counter}) {
    for (const auto corrections : {engine::Corrections::repush, engine::Corrections::hold}) {
      for (const auto absent : {engine::Absent::none, engine::Absent::zero}) {
        all.push_back(options_of(output, corrections, absent));
        all.push_back(options_of(output, corrections, absent));
        all.back().finality = engine::Learned{.error_target = 0.2, .tolerance = 0.05};
      }
    }
  }
  return all;
}

std::vector<engine::Sample> step(Engine& engine, int poll_number) {
  const auto after = 30s * poll_number;
  auto samples = poll(engine, after, rows_at(poll_number), poll_number / 2 + 1);
  const auto closed = engine.expire(kNoon + after);
  samples.insert(samples.end(), closed.begin(), closed.end());
  return samples;
}

TEST(Records, LoadingAtEveryStepChangesNothing) {
  for (const EngineOptions& options : all_options()) {
    Engine kept{options, kNoon};
    Engine loaded{options, kNoon};
    SavedEngine saved;
    for (int n = 0; n < 60; ++n) {
      ASSERT_EQ(step(kept, n), step(loaded, n)) << "poll " << n;
      ASSERT_EQ(kept.stats(), loaded.stats()) << "poll " << n;
      saved.save(loaded);
      auto again = saved.load(options);
      ASSERT_TRUE(again) << again.error().detail;
      loaded = *std::move(again);
    }
    EXPECT_GT(kept.stats().sealed, 0u);
  }
}

TEST(Records, RenewedOldestFirstTheLogStaysShort) {
  for (const EngineOptions& options : all_options()) {
    Engine engine{options, kNoon};
    SavedEngine saved;
    for (int n = 0; n < 60; ++n) {
      (void)step(engine, n);
      if (saved.records.size() >= 4) {
        ASSERT_TRUE(engine.renew(saved.records.front()));
        saved.save(engine);
        saved.records.erase(saved.records.begin());
      } else {
        saved.save(engine);
      }
      auto loaded = saved.load(options);
      ASSERT_TRUE(loaded) << loaded.error().detail;
      Engine copy = engine.clone();
      ASSERT_EQ(step(copy, n + 1), step(*loaded, n + 1)) << "poll " << n;
      ASSERT_EQ(copy.stats(), loaded->stats());
    }
  }
}

TEST(Records, DoNotDependOnTheOrderOfRows) {
  Engine forward{test_options(), kNoon};
  Engine backward{test_options(), kNoon};
  for (int n = 0; n < 20; ++n) {
    auto rows = rows_at(n);
    (void)poll(forward, 30s * n, rows);
    std::reverse(rows.begin(), rows.end());
    (void)poll(backward, 30s * n, rows);
    ASSERT_EQ(forward.drain_changes().record, backward.drain_changes().record);
  }
}

SavedEngine one_of_everything(const EngineOptions& options) {
  Engine engine{options, kNoon};
  SavedEngine saved;
  for (int n = 0; n < 40; ++n) (void)step(engine, n);
  saved.save(engine);
  return saved;
}

TEST(Records, CutAnywhereAreCorrupt) {
  for (const EngineOptions& options : all_options()) {
    const SavedEngine saved = one_of_everything(options);
    for (std::size_t size = 0; size < saved.records[0].size(); ++size) {
      SavedEngine cut = saved;
      cut.records[0].resize(size);
      const auto loaded = cut.load(options);
      ASSERT_FALSE(loaded) << size;
      EXPECT_EQ(loaded.error().kind, engine::ErrorKind::corrupt);
    }
  }
}

TEST(Records, ChangedBytesNeverCrash) {
  for (const EngineOptions& options : all_options()) {
    const SavedEngine saved = one_of_everything(options);
    for (std::size_t at = 0; at < saved.records[0].size(); ++at) {
      for (const int bits : {0x01, 0x10, 0x80, 0xff}) {
        SavedEngine hurt = saved;
        hurt.records[0][at] = static_cast<char>(hurt.records[0][at] ^ bits);
        auto loaded = hurt.load(options);
        if (!loaded) continue;
        (void)step(*loaded, 41);
        (void)loaded->renew(saved.records[0]);
        (void)loaded->drain_changes();
      }
    }
  }
}

TEST(Records, OfAnotherShapeOrOrderAreRefused) {
  const SavedEngine saved = one_of_everything(test_options());
  EngineOptions other = test_options();
  other.granularity = 2min;
  EXPECT_FALSE(saved.load(other));
  EXPECT_FALSE(
      saved.load(options_of(engine::Output::counter, engine::Corrections::repush, engine::Absent::none)));
  SavedEngine twice = saved;
  twice.records.push_back(saved.records[0]);
  EXPECT_FALSE(twice.load(test_options()));
  SavedEngine unknown = saved;
  unknown.series.pop_back();
  EXPECT_FALSE(unknown.load(test_options()));
  EXPECT_FALSE(SavedEngine{}.load(test_options()));
}

TEST(Records, AChangedCellTakesFewBytes) {
  Engine engine{test_options(), kNoon};
  std::vector<std::string> names;
  for (int n = 0; n < 1000; ++n) names.push_back("m{s=\"" + std::to_string(10000 + n) + "\"}");
  std::vector<PolledRow> rows;
  for (const std::string& name : names) rows.push_back({name.c_str(), 0, 123456});
  (void)poll(engine, 60s, rows, 1);
  (void)engine.drain_changes();
  for (PolledRow& row : rows) row.value += 1000;
  (void)poll(engine, 90s, rows, 1);
  const auto changes = engine.drain_changes();
  EXPECT_EQ(changes.cells, 1000u);
  EXPECT_LT(changes.record.size(), 16'000u);
}

}  // namespace
}  // namespace settle::test
