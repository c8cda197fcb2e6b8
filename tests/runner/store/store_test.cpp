#include "runner/store/store.hpp"

#include <map>
#include <random>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "runner/store/keys.hpp"
#include "runner/store/store_writer.hpp"
#include "tests/runner/store/store_directory.hpp"

namespace settle::runner {
namespace {

using testing::HasSubstr;

constexpr std::size_t kBytesMax = std::size_t{64} << 20;

std::unique_ptr<Store> open_store(const std::string& directory, std::size_t bytes_max = kBytesMax) {
  auto store = Store::open({.directory = directory, .bytes_max = bytes_max});
  if (!store) ADD_FAILURE() << store.error().detail;
  return store ? std::move(*store) : nullptr;
}

WriteBatch put_batch(const std::string& key, std::string value) {
  WriteBatch batch;
  batch.put(Table::jobs, key, std::move(value));
  return batch;
}

std::optional<std::string> get(const Store& store, Table table, const std::string& key) {
  const ReadTransaction view = store.read();
  const auto value = view.get(table, key);
  if (!value) return std::nullopt;
  return std::string{*value};
}

std::vector<std::pair<std::string, std::string>> all(const Store& store, Table table,
                                                     const std::string& from = "",
                                                     const std::string& to = "") {
  std::vector<std::pair<std::string, std::string>> rows;
  const ReadTransaction view = store.read();
  view.scan(table, from, to, [&rows](std::string_view key, std::string_view value) {
    rows.emplace_back(key, value);
    return true;
  });
  return rows;
}

boost::asio::awaitable<void> commit_many(Store& store, int first, int count,
                                         std::vector<std::uint64_t>& sequences) {
  for (int i = 0; i < count; ++i) {
    WriteBatch batch = put_batch("job" + std::to_string(first + i), "x");
    auto committed = co_await store.commit(std::move(batch));
    if (committed) sequences.push_back(committed->sequence);
  }
}

TEST(Store, KeepsWhatWasCommittedWhenOpenedAgain) {
  const StoreDirectory directory;
  std::string store_id;
  std::string writer_id;
  {
    const auto store = open_store(directory.path());
    ASSERT_TRUE(store->commit_now(put_batch("a", "1")));
    store_id = store->store_id();
    writer_id = store->writer_id();
    EXPECT_EQ(store->epoch(), 1U);
    EXPECT_EQ(store->stat().last_sequence, 1U);
  }
  const auto store = open_store(directory.path());
  EXPECT_EQ(get(*store, Table::jobs, "a"), "1");
  EXPECT_EQ(store->store_id(), store_id);
  EXPECT_NE(store->writer_id(), writer_id);
  EXPECT_EQ(store->epoch(), 2U);
  const auto committed = store->commit_now(put_batch("b", "2"));
  ASSERT_TRUE(committed);
  EXPECT_EQ(committed->sequence, 2U);
}

TEST(Store, ResumesEveryCoroutineWithItsOwnSequence) {
  const StoreDirectory directory;
  const auto store = open_store(directory.path());
  boost::asio::io_context loop{1};
  std::vector<std::uint64_t> sequences;
  for (int i = 0; i < 20; ++i) {
    boost::asio::co_spawn(loop, commit_many(*store, i * 10, 10, sequences), boost::asio::detached);
  }
  loop.run();
  ASSERT_EQ(sequences.size(), 200U);
  std::sort(sequences.begin(), sequences.end());
  for (std::size_t i = 0; i < sequences.size(); ++i) EXPECT_EQ(sequences[i], i + 1);
  EXPECT_EQ(all(*store, Table::jobs).size(), 200U);
}

TEST(Store, CommitsWhatIsQueuedBeforeItGoes) {
  const StoreDirectory directory;
  boost::asio::io_context loop{1};
  std::vector<std::uint64_t> sequences;
  {
    const auto store = open_store(directory.path());
    for (int i = 0; i < 50; ++i) {
      boost::asio::co_spawn(loop, commit_many(*store, i, 1, sequences), boost::asio::detached);
    }
    loop.poll_one();
    while (loop.poll_one() > 0 && sequences.empty()) {
    }
  }
  loop.run();
  EXPECT_EQ(sequences.size(), 50U);
  EXPECT_EQ(all(*open_store(directory.path()), Table::jobs).size(), 50U);
}

TEST(Store, RefusesABatchWhoseRequireDoesNotHoldAndNoOther) {
  const StoreDirectory directory;
  const auto store = open_store(directory.path());
  ASSERT_TRUE(store->commit_now(put_batch("epoch", "1")));

  WriteBatch late = put_batch("late", "x");
  late.require(Table::jobs, "epoch", "2");
  const auto refused = store->commit_now(late);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, engine::ErrorKind::refused);
  EXPECT_EQ(get(*store, Table::jobs, "late"), std::nullopt);

  WriteBatch absent = put_batch("absent", "x");
  absent.require(Table::jobs, "epoch", std::nullopt);
  EXPECT_FALSE(store->commit_now(absent));
  WriteBatch good = put_batch("good", "x");
  good.require(Table::jobs, "epoch", "1");
  good.require(Table::jobs, "good", std::nullopt);
  const auto committed = store->commit_now(good);
  ASSERT_TRUE(committed);
  EXPECT_EQ(committed->sequence, 2U);
  EXPECT_FALSE(store->commit_now(good));
}

TEST(Store, RefusesKeysThatNoTableTakes) {
  const StoreDirectory directory;
  const auto store = open_store(directory.path());
  EXPECT_FALSE(store->commit_now(put_batch("", "x")));
  EXPECT_FALSE(store->commit_now(put_batch(std::string(512, 'k'), "x")));
  EXPECT_TRUE(store->commit_now(put_batch(std::string(511, 'k'), "x")));
  WriteBatch twice;
  twice.append(Table::log, "s", "1");
  twice.append(Table::ledger, "s", "1");
  EXPECT_TRUE(store->commit_now(twice));
  twice.append(Table::log, "s", "2");
  EXPECT_FALSE(store->commit_now(twice));
  EXPECT_EQ(all(*store, Table::log).size(), 1U);
}

TEST(Store, AppendsUnderTheCommitSequenceInKeyOrder) {
  const StoreDirectory directory;
  const auto store = open_store(directory.path());
  WriteBatch batch;
  batch.append(Table::log, part_suffix("t", "s", 1), "second");
  batch.append(Table::log, part_suffix("t", "s", 0), std::string(100'000, 'x'));
  EXPECT_EQ(batch.appended(Table::log), 2U);
  EXPECT_EQ(batch.appended(Table::ledger), 0U);
  const auto first = store->commit_now(batch);
  const auto second = store->commit_now(batch);
  ASSERT_TRUE(first && second);
  const auto rows = all(*store, Table::log);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].first, key_u64(first->sequence) + part_suffix("t", "s", 0));
  EXPECT_EQ(rows[0].second.size(), 100'000U);
  EXPECT_EQ(rows[1].second, "second");
  EXPECT_EQ(rows[2].first, key_u64(second->sequence) + part_suffix("t", "s", 0));
}

TEST(Store, AnswersAsAMapDoes) {
  const StoreDirectory directory;
  const auto store = open_store(directory.path());
  std::map<std::string, std::string> expected;
  std::mt19937 random{7};
  const auto any_key = [&random] {
    return std::string(1 + random() % 3, static_cast<char>('a' + random() % 6));
  };
  for (int round = 0; round < 200; ++round) {
    WriteBatch batch;
    for (std::size_t i = 0; i < 1 + random() % 8; ++i) {
      const std::string key = any_key();
      const auto kind = random() % 6;
      if (kind < 4) {
        const std::string value(random() % 3000, static_cast<char>('0' + random() % 10));
        batch.put(Table::series, key, value);
        expected[key] = value;
      } else if (kind == 4) {
        batch.erase(Table::series, key);
        expected.erase(key);
      } else {
        const std::string to = random() % 8 == 0 ? "" : any_key();
        batch.erase_range(Table::series, key, to);
        std::erase_if(expected,
                      [&](const auto& row) { return row.first >= key && (to.empty() || row.first < to); });
      }
    }
    ASSERT_TRUE(store->commit_now(batch));
    const std::string from = any_key();
    const std::string to = from + any_key();
    const std::vector<std::pair<std::string, std::string>> range{expected.lower_bound(from),
                                                                 expected.lower_bound(to)};
    ASSERT_EQ(all(*store, Table::series, from, to), range);
  }
  const std::vector<std::pair<std::string, std::string>> everything{expected.begin(), expected.end()};
  EXPECT_EQ(all(*store, Table::series), everything);
}

TEST(Store, ReadsOneViewWhileOthersCommit) {
  const StoreDirectory directory;
  const auto store = open_store(directory.path());
  ASSERT_TRUE(store->commit_now(put_batch("a", "1")));
  const ReadTransaction before = store->read();
  ASSERT_TRUE(store->commit_now(put_batch("a", "2")));
  const ReadTransaction after = store->read();
  EXPECT_EQ(before.get(Table::jobs, "a"), "1");
  EXPECT_EQ(after.get(Table::jobs, "a"), "2");
}

TEST(Store, StopsScanningWhenTold) {
  const StoreDirectory directory;
  const auto store = open_store(directory.path());
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(store->commit_now(put_batch(key, "")));
  std::string seen;
  store->read().scan(Table::jobs, "", "", [&seen](std::string_view key, std::string_view) {
    seen += key;
    return key < "b";
  });
  EXPECT_EQ(seen, "ab");
}

TEST(Store, RefusesNewDataWhenFullAndStillDeletes) {
  const StoreDirectory directory;
  const auto store = open_store(directory.path(), std::size_t{8} << 20);
  int stored = 0;
  while (true) {
    const auto committed =
        store->commit_now(put_batch("job" + std::to_string(stored), std::string(20'000, 'x')));
    if (!committed) {
      EXPECT_EQ(committed.error().kind, engine::ErrorKind::retry_later);
      EXPECT_THAT(committed.error().detail, HasSubstr("store.bytes_max"));
      break;
    }
    ASSERT_LT(++stored, 1000);
  }
  EXPECT_GT(stored, 200);
  EXPECT_GT(store->fill(), 0.85);
  WriteBatch cursor;
  cursor.put(Table::sinks, "cursor", "here");
  EXPECT_TRUE(store->commit_now(cursor)) << "a cursor still moves";
  WriteBatch append;
  append.append(Table::log, "s", "x");
  EXPECT_FALSE(store->commit_now(append));
  for (int i = 0; i < stored; ++i) {
    WriteBatch erase;
    erase.erase(Table::jobs, "job" + std::to_string(i));
    ASSERT_TRUE(store->commit_now(erase)) << i;
  }
  EXPECT_LT(store->fill(), 0.2);
  const auto again = store->commit_now(put_batch("again", std::string(20'000, 'x')));
  EXPECT_TRUE(again) << "there is room again";
}

TEST(Store, RefusesOnlyTheBatchThatDoesNotFit) {
  const StoreDirectory directory;
  const auto store = open_store(directory.path(), std::size_t{8} << 20);
  boost::asio::io_context loop{1};
  std::vector<int> outcomes(9, -1);
  const auto commit = [](Store& target, std::string key, std::size_t size,
                         int& outcome) -> boost::asio::awaitable<void> {
    WriteBatch batch = put_batch(key, std::string(size, 'x'));
    const auto committed = co_await target.commit(std::move(batch));
    outcome = committed ? 1 : 0;
  };
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const std::size_t size = i == 4 ? std::size_t{20} << 20 : 1000;
    boost::asio::co_spawn(loop, commit(*store, "k" + std::to_string(i), size, outcomes[i]),
                          boost::asio::detached);
  }
  loop.run();
  EXPECT_THAT(outcomes, testing::ElementsAre(1, 1, 1, 1, 0, 1, 1, 1, 1));
}

TEST(Store, CountsWhatItsTablesHold) {
  const StoreDirectory directory;
  const auto store = open_store(directory.path());
  ASSERT_TRUE(store->commit_now(put_batch("a", std::string(10'000, 'x'))));
  const StoreStat stat = store->stat();
  EXPECT_EQ(stat.store_id, store->store_id());
  EXPECT_EQ(stat.bytes_max, kBytesMax);
  ASSERT_EQ(stat.tables.size(), 13U);
  EXPECT_EQ(stat.tables[1].name, "jobs");
  EXPECT_EQ(stat.tables[1].entries, 1U);
  EXPECT_GE(stat.tables[1].bytes, 10'000U);
  EXPECT_EQ(stat.tables[8].name, "gaps");
  EXPECT_EQ(stat.tables[9].name, "retired_series");
  EXPECT_EQ(stat.tables[10].name, "backfill_ledger");
  EXPECT_EQ(stat.tables[11].name, "backfills");
  EXPECT_GT(stat.bytes_used, 10'000U);
}

TEST(Store, BacksUpAnEqualStore) {
  const StoreDirectory directory;
  const StoreDirectory other;
  const auto store = open_store(directory.path());
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(store->commit_now(
        put_batch("job" + std::to_string(i), std::string(static_cast<std::size_t>(i * 11), 'x'))));
  }
  const std::string copy_path = other.path() + "/copy";
  const auto copied = store->backup(copy_path);
  ASSERT_TRUE(copied) << copied.error().detail;
  EXPECT_FALSE(store->backup(copy_path)) << "it is not empty now";
  const auto rows = all(*store, Table::jobs);
  const auto copy = open_store(copy_path);
  EXPECT_EQ(all(*copy, Table::jobs), rows);
  EXPECT_EQ(copy->store_id(), store->store_id());
  EXPECT_EQ(copy->stat().last_sequence, 300U);
}

TEST(Store, RefusesASecondWriterAndNamesTheFirst) {
  const StoreDirectory directory;
  const auto store = open_store(directory.path());
  const auto second = Store::open({.directory = directory.path(), .bytes_max = kBytesMax});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().detail, HasSubstr("process " + std::to_string(::getpid())));
}

TEST(Store, RefusesANewerFormat) {
  const StoreDirectory directory;
  {
    const auto store = open_store(directory.path());
    WriteBatch newer;
    newer.put(Table::meta, "format", key_u64(2));
    ASSERT_TRUE(store->commit_now(newer));
  }
  const auto store = Store::open({.directory = directory.path(), .bytes_max = kBytesMax});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, engine::ErrorKind::refused);
  EXPECT_THAT(store.error().detail, HasSubstr("format 2"));
}

TEST(Store, WithoutAThreadCommitsWhenItIsToldTo) {
  const StoreDirectory directory;
  const StoreOptions by_hand{.directory = directory.path(), .bytes_max = kBytesMax, .own_thread = false};
  std::vector<std::uint64_t> sequences;
  {
    auto store = *Store::open(by_hand);
    boost::asio::io_context loop;
    for (int i = 0; i < 4; ++i) {
      boost::asio::co_spawn(loop, commit_many(*store, i, 1, sequences), boost::asio::detached);
    }
    loop.poll();
    EXPECT_EQ(store->writer().queued(), 4u);
    EXPECT_FALSE(get(*store, Table::jobs, "job0"));
    store->writer().fail(1, engine::retry_later("the disk is out"));
    store->writer().write(2);
    EXPECT_TRUE(get(*store, Table::jobs, "job2"));
    EXPECT_TRUE(sequences.empty());  // durable, and not yet told
    loop.poll();
    EXPECT_EQ(sequences, (std::vector<std::uint64_t>{1, 2}));
    store->writer().drop();
  }
  auto store = *Store::open(by_hand);
  EXPECT_FALSE(get(*store, Table::jobs, "job0"));
  EXPECT_TRUE(get(*store, Table::jobs, "job1"));
  EXPECT_FALSE(get(*store, Table::jobs, "job3"));
  ASSERT_TRUE(store->commit_now(put_batch("now", "x")));
  EXPECT_TRUE(get(*store, Table::jobs, "now"));
}

TEST(Store, RefusesToReadWhereNoStoreIs) {
  const StoreDirectory directory;
  EXPECT_FALSE(Store::open({.directory = directory.path() + "/none", .read_only = true}));
  EXPECT_FALSE(Store::open({.directory = directory.path(), .bytes_max = 1000}));
}

}  // namespace
}  // namespace settle::runner
