// Which dead letters are forgotten.
#include "runner/store/dead_letter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runner/store/keys.hpp"
#include "tests/runner/store/store_directory.hpp"

namespace settle::runner {
namespace {

using std::chrono::minutes;
using ::testing::ElementsAre;

constexpr engine::Time kNoon = engine::Time{engine::Duration{1'782'475'200'000}};
constexpr std::size_t kMost = 100;

class DeadLetters : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Store::open({.directory = directory_.path(), .bytes_max = std::size_t{64} << 20});
    ASSERT_TRUE(opened) << opened.error().detail;
    store_ = std::move(*opened);
  }
  void add(const std::string& sink, std::uint64_t number, engine::Duration after_noon) {
    DeadLetter letter;
    letter.number = number;
    letter.sink = sink;
    letter.refused_at = kNoon + after_noon;
    std::string value = encode_dead_letter(letter);
    const std::string key = key_of("default", sink) + key_u64(number);
    bytes_each_ = key.size() + value.size();
    WriteBatch batch;
    batch.put(Table::dead_letters, key, std::move(value));
    ASSERT_TRUE(store_->commit_now(std::move(batch)));
  }
  void forget(engine::Duration before_after_noon, std::uint64_t surplus, std::size_t most = kMost) {
    WriteBatch batch;
    forget_dead_letters(store_->read(), kNoon + before_after_noon, surplus, most, batch);
    ASSERT_TRUE(store_->commit_now(std::move(batch)));
  }
  std::vector<std::string> left() {
    std::vector<std::string> names;
    store_->read().scan(Table::dead_letters, {}, {}, [&names](std::string_view, std::string_view value) {
      const engine::Result<DeadLetter> letter = decode_dead_letter(value);
      EXPECT_TRUE(letter);
      names.push_back(letter->sink + std::to_string(letter->number));
      return true;
    });
    return names;
  }

  StoreDirectory directory_;
  std::unique_ptr<Store> store_;
  std::uint64_t bytes_each_ = 0;
};

TEST_F(DeadLetters, AreForgottenWhenTheyAreOldWhateverTheSink) {
  add("a", 1, minutes{0});
  add("a", 2, minutes{10});
  add("b", 1, minutes{5});
  add("b", 2, minutes{6});
  forget(minutes{6}, 0);
  EXPECT_THAT(left(), ElementsAre("a2", "b2"));
}

TEST_F(DeadLetters, OfAllSinksTheOldestMakeRoom) {
  for (const std::uint64_t number : {1u, 2u, 3u}) {
    add("a", number, minutes{100 + number});
    add("b", number, minutes{number});
    add("c", number, minutes{102});
  }
  forget(minutes{0}, 4 * bytes_each_ - 1);
  EXPECT_THAT(left(), ElementsAre("a2", "a3", "c1", "c2", "c3"));
}

TEST_F(DeadLetters, GoInPieces) {
  for (std::uint64_t number = 1; number <= 6; ++number)
    add(number % 2 == 0 ? "a" : "b", number, minutes{number});
  forget(minutes{100}, 0, 4);
  EXPECT_THAT(left(), ElementsAre("a6", "b5"));
  forget(minutes{100}, 0, 4);
  EXPECT_THAT(left(), ElementsAre());
}

}  // namespace
}  // namespace settle::runner
