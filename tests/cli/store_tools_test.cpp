#include "cli/store_tools.hpp"

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <gtest/gtest.h>

namespace settle::cli {
namespace {

class StoreTools : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "settle_store_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string data() const { return folder_ + "/data"; }

  std::string folder_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(StoreTools, CopyAStoreThatIsOpenElsewhereAndReadTheCopy) {
  auto store = runner::Store::open({.directory = data(), .bytes_max = 64u << 20});
  ASSERT_TRUE(store) << store.error().detail;
  runner::WriteBatch batch;
  batch.put(runner::Table::jobs, "k", "v");
  ASSERT_TRUE((*store)->commit_now(std::move(batch)));

  const std::string copy = folder_ + "/copy";
  EXPECT_EQ(backup_store({.config_file = {}, .data_dir = data(), .into = copy}, out_, err_), 0) << err_.str();
  EXPECT_NE(out_.str().find((*store)->store_id()), std::string::npos);
  EXPECT_EQ(print_store_stat({.config_file = {}, .data_dir = copy, .into = {}}, out_, err_), 0) << err_.str();
  EXPECT_NE(out_.str().find("jobs "), std::string::npos) << out_.str();
}

TEST_F(StoreTools, SayWhichStoreIsMissing) {
  EXPECT_EQ(print_store_stat({.config_file = {}, .data_dir = data(), .into = {}}, out_, err_), 1);
  EXPECT_NE(err_.str().find(data()), std::string::npos) << err_.str();
  err_.str("");
  EXPECT_EQ(backup_store({.config_file = {}, .data_dir = {}, .into = folder_}, out_, err_), 1);
  EXPECT_EQ(err_.str(), "settle backup: name the store by --config FILE or --data DIR\n");
}

}  // namespace
}  // namespace settle::cli
