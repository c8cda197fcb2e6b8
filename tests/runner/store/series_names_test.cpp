#include "runner/store/series_names.hpp"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "runner/store/keys.hpp"

namespace settle::runner {
namespace {

using namespace std::chrono_literals;
using engine::Time;

const Time kNoon = *engine::parse_time("2026-06-26T12:00:00Z");

class SeriesNames : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "settle-names-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    StoreOptions options;
    options.directory = folder_ + "/data";
    options.bytes_max = 16u << 20;
    auto opened = Store::open(options);
    ASSERT_TRUE(opened);
    store_ = *std::move(opened);
    WriteBatch batch;
    batch.put(Table::series, series_key("t", "gone", 1), "a");
    batch.put(Table::series, series_key("t", "gone", 2), "b");
    batch.put(Table::series, series_key("t", "here", 1), "c");
    ASSERT_TRUE(store_->commit_now(std::move(batch)));
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::string text(std::string_view stream, engine::SeriesNumber number) {
    const ReadTransaction view = store_->read();
    return std::string{series_text_of(view, "t", stream, number).value_or("(none)")};
  }
  std::size_t entries(Table table) {
    std::size_t count = 0;
    store_->read().scan(table, "", "", [&count](std::string_view, std::string_view) { return ++count > 0; });
    return count;
  }
  template <class Change>
  void change(Change make) {
    WriteBatch batch;
    make(store_->read(), batch);
    ASSERT_TRUE(store_->commit_now(std::move(batch)));
  }

  std::string folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(SeriesNames, ARetiredSeriesIsStillNamedButNoLongerLoaded) {
  change([](const ReadTransaction& view, WriteBatch& batch) {
    retire_series(view, "t", "here", 1, kNoon, batch);
  });
  EXPECT_EQ(text("here", 1), "c");
  EXPECT_EQ(entries(Table::series), 2u);
  EXPECT_EQ(text("here", 7), "(none)");
}

TEST_F(SeriesNames, TheSeriesOfAStreamThatIsGoneAreRetiredAndNoOthers) {
  const KnowsStream knows = [](const std::string&, const std::string& stream) { return stream == "here"; };
  change(
      [&](const ReadTransaction& view, WriteBatch& batch) { retire_orphans(view, knows, kNoon, 1, batch); });
  EXPECT_EQ(entries(Table::retired_series), 1u) << "at most as many as asked for";
  change([&](const ReadTransaction& view, WriteBatch& batch) {
    retire_orphans(view, knows, kNoon, 100, batch);
  });
  EXPECT_EQ(entries(Table::series), 1u);
  EXPECT_EQ(text("gone", 1) + text("gone", 2) + text("here", 1), "abc");
}

TEST_F(SeriesNames, ARetiredTextIsForgottenOnlyAfterItsTime) {
  change([](const ReadTransaction& view, WriteBatch& batch) {
    retire_series(view, "t", "gone", 1, kNoon, batch);
    retire_series(view, "t", "gone", 2, kNoon + 1h, batch);
  });
  change([](const ReadTransaction& view, WriteBatch& batch) { forget_retired(view, kNoon, 100, batch); });
  EXPECT_EQ(entries(Table::retired_series), 2u) << "not at the very instant";
  change(
      [](const ReadTransaction& view, WriteBatch& batch) { forget_retired(view, kNoon + 1h, 100, batch); });
  EXPECT_EQ(text("gone", 1), "(none)");
  EXPECT_EQ(text("gone", 2), "b");
}

}  // namespace
}  // namespace settle::runner
