// Which rows a Prometheus takes no more, as far as what it took and refused says.
#include "sinks/row_order.hpp"

#include <gtest/gtest.h>

namespace settle::sinks {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr engine::Time kNow = engine::Time{engine::Duration{1'782'482'400'000}};

Row row(const char* series, engine::Duration before_now) {
  Row one;
  one.series = series;
  one.timestamp = kNow - before_now;
  return one;
}

TEST(RowOrder, KnowsTheWordsOfPrometheusAndOfMimir) {
  EXPECT_EQ(too_old("out of order sample\n"), TooOld::out_of_order);
  EXPECT_EQ(too_old("... (err-mimir-sample-out-of-order). The affected sample ..."), TooOld::out_of_order);
  EXPECT_EQ(too_old("out of bounds\n"), TooOld::out_of_bounds);
  EXPECT_EQ(too_old("too old sample\n"), TooOld::out_of_bounds);
  EXPECT_EQ(too_old("(err-mimir-sample-timestamp-too-old)"), TooOld::out_of_bounds);
  EXPECT_EQ(too_old("duplicate sample for timestamp\n"), TooOld::no);
}

TEST(RowOrder, SaysNothingBeforeARefusal) {
  RowOrder order;
  order.note_taken({row("a", minutes{1})});
  EXPECT_FALSE(order.is_behind(row("a", hours{5})));
}

TEST(RowOrder, KnowsOfEachSeriesWhatIsBehind) {
  RowOrder order;
  order.note_taken({row("a", minutes{1}), row("a", minutes{3}), row("b", minutes{10})});
  order.note_refused({row("a", minutes{2}), row("c", minutes{2})}, TooOld::out_of_order);
  EXPECT_TRUE(order.is_behind(row("a", minutes{2})));
  EXPECT_FALSE(order.is_behind(row("a", minutes{1}))) << "the same again is taken";
  EXPECT_FALSE(order.is_behind(row("b", minutes{2})));
  EXPECT_TRUE(order.is_behind(row("b", minutes{11})));
  EXPECT_FALSE(order.is_behind(row("c", hours{3}))) << "nothing is known of the series";
}

TEST(RowOrder, LearnsFromARowThatIsRefusedAlone) {
  RowOrder order;
  order.note_refused({row("a", minutes{2})}, TooOld::out_of_order);
  EXPECT_TRUE(order.is_behind(row("a", minutes{2})));
  EXPECT_TRUE(order.is_behind(row("a", minutes{3})));
  EXPECT_FALSE(order.is_behind(row("a", minutes{1})));
  EXPECT_FALSE(order.is_behind(row("b", minutes{3})));
}

TEST(RowOrder, TakesForTooOldWhatIsOlderThanTheOldestThatWasRefused) {
  RowOrder order;
  order.note_taken({row("a", minutes{0})});
  order.note_refused({row("a", minutes{90}), row("b", minutes{5})}, TooOld::out_of_bounds);
  EXPECT_TRUE(order.is_behind(row("b", minutes{90})));
  EXPECT_TRUE(order.is_behind(row("c", minutes{91})));
  EXPECT_FALSE(order.is_behind(row("a", minutes{89}))) << "it is behind, but a window may take it";
  order.note_refused({row("a", minutes{80})}, TooOld::out_of_bounds);
  EXPECT_TRUE(order.is_behind(row("c", minutes{80})));
  order.note_refused({row("a", minutes{99})}, TooOld::out_of_bounds);
  EXPECT_TRUE(order.is_behind(row("c", minutes{80}))) << "a bound does not go back";
}

TEST(RowOrder, LetsABoundGoThatTheServerDoesNotKeep) {
  RowOrder order;
  order.note_refused({row("a", minutes{60})}, TooOld::out_of_bounds);
  order.note_taken({row("b", minutes{70})});
  order.note_refused({row("c", minutes{200})}, TooOld::out_of_bounds);
  EXPECT_FALSE(order.is_behind(row("a", minutes{60})));
  EXPECT_TRUE(order.is_behind(row("a", minutes{200})));
}

TEST(RowOrder, ForgetsAServerThatIsAnother) {
  RowOrder order;
  order.note_refused({row("a", minutes{60})}, TooOld::out_of_bounds);
  order.forget();
  EXPECT_FALSE(order.is_behind(row("a", minutes{60})));
}

}  // namespace
}  // namespace settle::sinks
