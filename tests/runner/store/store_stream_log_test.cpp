#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runner/store/keys.hpp"
#include "runner/store/stream_log.hpp"
#include "tests/runner/store/store_directory.hpp"

namespace settle::runner {
namespace {

using engine::Duration;
using engine::Time;
using testing::HasSubstr;

constexpr Duration kMinute = std::chrono::minutes{1};
constexpr Time kStart = engine::from_epoch_ms(1'782'000'000'000);

/// A source of `series` series whose newest ten buckets grow for three minutes, polled every 30 s.
class Source {
 public:
  explicit Source(std::size_t series) {
    for (std::size_t i = 0; i < series; ++i)
      names_.push_back("m{host=\"h" + std::to_string(10'000 + i) + "\"}");
  }

  engine::Answer answer(Time now) {
    engine::Answer answer;
    const Time newest = engine::floor_to(now, kMinute);
    engine::ScopeAnswer scope;
    scope.scope = "";
    scope.covered = {.from = std::max(kStart, newest - 9 * kMinute), .to = newest};
    scope.frontier = newest;
    for (Time bucket = scope.covered.from; bucket < scope.covered.to; bucket += kMinute) {
      const std::uint64_t grown =
          std::min<std::uint64_t>(6, static_cast<std::uint64_t>((now - bucket) / (kMinute / 2)));
      for (std::size_t i = 0; i < names_.size(); ++i) {
        const std::uint64_t value = 1000 * (i + 1) + (i % 3 == 0 ? grown : 0);
        scope.rows.push_back({.series = names_[i], .bucket = bucket, .value = engine::Value::count(value)});
      }
    }
    answer.scopes.push_back(std::move(scope));
    return answer;
  }

 private:
  std::vector<std::string> names_;
};

engine::EngineOptions short_watch() {
  engine::EngineOptions options;
  options.watch = 8 * kMinute;
  options.ttl = 8 * kMinute;
  return options;
}

struct Log : testing::Test {
  StoreDirectory directory;
  std::unique_ptr<Store> store;
  engine::Engine engine{short_watch(), kStart};
  StreamLog log{"default", "s1"};
  std::size_t bytes_drained = 0;
  std::size_t bytes_most = 0;

  void SetUp() override { open(); }

  void open() {
    store.reset();
    auto opened = Store::open({.directory = directory.path(), .bytes_max = std::size_t{256} << 20});
    ASSERT_TRUE(opened) << opened.error().detail;
    store = std::move(*opened);
  }

  void commit(const WriteBatch& batch) {
    const auto committed = store->commit_now(batch);
    ASSERT_TRUE(committed) << committed.error().detail;
    log.committed(committed->sequence);
  }

  void drain() {
    WriteBatch batch;
    const auto drained = log.drain(*store, engine, engine::Time{}, batch);
    ASSERT_TRUE(drained) << drained.error().detail;
    bytes_drained += *drained;
    bytes_most = std::max(bytes_most, *drained);
    commit(batch);
  }

  std::vector<engine::Sample> tick(Source& source, Time now) {
    auto samples = engine.ingest(source.answer(now), now);
    const auto closed = engine.expire(now);
    samples.insert(samples.end(), closed.begin(), closed.end());
    return samples;
  }

  /// The engine as the store holds it.
  engine::Engine loaded() {
    auto streams = load_stream_logs(*store);
    EXPECT_TRUE(streams) << streams.error().detail;
    const LoadedStream& stream = streams->at({"default", "s1"});
    EXPECT_EQ(stream.log.bytes(), log.bytes());
    EXPECT_EQ(stream.log.records(), log.records());
    const std::vector<std::string_view> records{stream.records.begin(), stream.records.end()};
    auto made = engine::Engine::load(short_watch(), stream.series, records);
    EXPECT_TRUE(made) << made.error().detail;
    return std::move(*made);
  }
};

std::vector<std::string> described(const engine::Engine& engine) {
  std::vector<std::string> cells;
  for (const engine::CellView& cell : engine.cells()) {
    cells.push_back(std::string{cell.series} + " " + engine::format_time(cell.bucket) + " " +
                    engine::format_value(cell.value) + " " +
                    (cell.emitted ? engine::format_value(*cell.emitted) : "-") + " " +
                    std::to_string(cell.revision) + (cell.quiet ? " quiet" : ""));
  }
  return cells;
}

TEST_F(Log, GivesBackTheSameEngineAtEveryCommit) {
  Source source{40};
  Source twin{40};
  for (int i = 1; i <= 80; ++i) {
    const Time now = kStart + i * (kMinute / 2);
    engine::Engine other = i == 1 ? engine.clone() : loaded();
    const auto samples = tick(source, now);
    EXPECT_EQ(other.ingest(twin.answer(now), now).size() + other.expire(now).size(), samples.size());
    ASSERT_EQ(described(other), described(engine)) << i;
    ASSERT_EQ(other.stats(), engine.stats()) << i;
    drain();
  }
}

TEST_F(Log, StaysNearTwiceWhatIsLive) {
  Source source{400};
  std::size_t first_records = 0;
  for (int i = 1; i <= 300; ++i) {
    (void)tick(source, kStart + i * (kMinute / 2));
    drain();
    if (i == 20) first_records = log.bytes();
    if (i > 20) {
      ASSERT_LT(log.bytes(), 4 * first_records + 2 * kLogSlackBytes) << i;
    }
  }
  EXPECT_LT(log.records(), 200U);
  EXPECT_EQ(described(loaded()), described(engine));
  EXPECT_EQ(store->stat().tables[4].entries, log.records()) << "nothing is left of what was cleaned";
}

TEST_F(Log, KeepsWhatNeverChangesWithoutRewritingItAtEveryTick) {
  Source source{2000};
  (void)tick(source, kStart + 2 * kMinute);
  drain();
  bytes_drained = 0;
  bytes_most = 0;
  Source one{1};
  std::size_t quiet_ticks = 0;
  for (int i = 1; i <= 2000; ++i) {
    (void)engine.ingest(one.answer(kStart + 2 * kMinute + Duration{i}), kStart + 2 * kMinute + Duration{i});
    const std::size_t before = bytes_drained;
    drain();
    if (bytes_drained - before < 1000) ++quiet_ticks;
  }
  EXPECT_GT(quiet_ticks, 1950U);
  EXPECT_EQ(described(loaded()), described(engine));
}

TEST_F(Log, SplitsALargeRecordIntoPartsOfWholePages) {
  Source source{20'000};
  (void)tick(source, kStart + 3 * kMinute);
  drain();
  ASSERT_GT(bytes_drained, 2 * kLogPartBytes);
  std::vector<std::size_t> parts;
  store->read().scan(Table::log, "", "", [&parts](std::string_view, std::string_view value) {
    parts.push_back(value.size());
    return true;
  });
  ASSERT_GE(parts.size(), 3U);
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) EXPECT_EQ(parts[i], kLogPartBytes);
  EXPECT_EQ(described(loaded()), described(engine));
}

TEST_F(Log, IsWholeAgainWhenABatchIsCommittedAtTheSecondTry) {
  Source source{10};
  (void)tick(source, kStart + 2 * kMinute);
  WriteBatch batch;
  ASSERT_TRUE(log.drain(*store, engine, engine::Time{}, batch));
  WriteBatch late = batch;
  late.require(Table::streams, key_of("default", "s1"), "other");
  ASSERT_FALSE(store->commit_now(late));
  EXPECT_TRUE(load_stream_logs(*store)->empty());
  commit(batch);
  EXPECT_EQ(described(loaded()), described(engine));
}

TEST_F(Log, LeavesNothingWhenErasedAndNothingOfOthersGone) {
  Source source{10};
  StreamLog other{"default", "s2"};
  engine::Engine second{short_watch(), kStart};
  (void)second.ingest(source.answer(kStart + 2 * kMinute), kStart + 2 * kMinute);
  WriteBatch batch;
  ASSERT_TRUE(other.drain(*store, second, engine::Time{}, batch));
  ASSERT_TRUE(store->commit_now(batch));
  for (int i = 2; i < 6; ++i) {
    (void)tick(source, kStart + i * kMinute);
    drain();
  }
  WriteBatch erase;
  log.erase(erase);
  ASSERT_TRUE(store->commit_now(erase));
  const auto streams = load_stream_logs(*store);
  ASSERT_TRUE(streams);
  ASSERT_EQ(streams->size(), 1U);
  EXPECT_EQ(streams->begin()->first.second, "s2");
  EXPECT_EQ(streams->begin()->second.series.size(), 10U);
}

TEST_F(Log, NamesTheStreamWhoseRecordsAreDamaged) {
  Source source{20'000};
  for (int i = 2; i < 5; ++i) {
    (void)tick(source, kStart + i * kMinute);
    drain();
  }
  std::vector<std::pair<std::string, std::string>> rows;
  store->read().scan(Table::log, "", "", [&rows](std::string_view key, std::string_view value) {
    rows.emplace_back(key, value);
    return true;
  });
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& [key, value] = rows[i];
    WriteBatch cut;
    cut.put(Table::log, key, value.substr(0, value.size() / 2));
    WriteBatch gone;
    gone.erase(Table::log, key);
    WriteBatch mend;
    mend.put(Table::log, key, value);
    // A record that is one part and the last of all can be gone without a trace; none of these is.
    for (const WriteBatch& damage : {cut, gone}) {
      ASSERT_TRUE(store->commit_now(damage));
      const auto streams = load_stream_logs(*store);
      ASSERT_FALSE(streams) << i;
      EXPECT_THAT(streams.error().detail, HasSubstr("s1")) << i;
      EXPECT_EQ(streams.error().kind, engine::ErrorKind::corrupt);
      ASSERT_TRUE(store->commit_now(mend));
    }
  }
  EXPECT_TRUE(load_stream_logs(*store));
}

}  // namespace
}  // namespace settle::runner
