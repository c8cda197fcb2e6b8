// Which rows a Prometheus takes no more, as far as what it took and refused says.
#include "sinks/remote_write/row_order.hpp"

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
  EXPECT_EQ(too_old("too old sample\n"), TooOld::too_old);
  EXPECT_EQ(too_old("(err-mimir-sample-timestamp-too-old)"), TooOld::too_old);
  EXPECT_EQ(too_old("duplicate sample for timestamp\n"), TooOld::no);
}

TEST(RowOrder, SaysNothingBeforeARefusal) {
  RowOrder order;
  order.note_taken({row("a", minutes{1})});
  EXPECT_EQ(order.lateness(row("a", hours{5})), Lateness::behind);
  EXPECT_EQ(order.lateness(row("a", minutes{1})), Lateness::none);
  EXPECT_EQ(order.lateness(row("b", hours{5})), Lateness::none);
}

TEST(RowOrder, KnowsOfEachSeriesWhatIsOutOfOrder) {
  RowOrder order;
  order.note_taken({row("a", minutes{1}), row("a", minutes{3}), row("b", minutes{10})});
  order.note_refused({row("a", minutes{2}), row("c", minutes{2})}, TooOld::out_of_order);
  EXPECT_EQ(order.lateness(row("a", minutes{2})), Lateness::refused);
  EXPECT_EQ(order.lateness(row("a", minutes{1})), Lateness::none) << "the same again is taken";
  EXPECT_EQ(order.lateness(row("b", minutes{2})), Lateness::none);
  EXPECT_EQ(order.lateness(row("b", minutes{11})), Lateness::refused);
  EXPECT_EQ(order.lateness(row("c", hours{3})), Lateness::none) << "nothing is known of the series";
}

TEST(RowOrder, LearnsFromARowThatIsRefusedAlone) {
  RowOrder order;
  order.note_refused({row("a", minutes{2})}, TooOld::out_of_order);
  EXPECT_EQ(order.lateness(row("a", minutes{2})), Lateness::refused);
  EXPECT_EQ(order.lateness(row("a", minutes{3})), Lateness::refused);
  EXPECT_EQ(order.lateness(row("a", minutes{1})), Lateness::none);
  EXPECT_EQ(order.lateness(row("b", minutes{3})), Lateness::none);
}

TEST(RowOrder, TakesForOutOfBoundsWhatIsOlderThanTheOldestThatWas) {
  RowOrder order;
  order.note_refused({row("a", minutes{90}), row("b", minutes{5})}, TooOld::out_of_bounds);
  EXPECT_EQ(order.lateness(row("b", minutes{90})), Lateness::refused);
  EXPECT_EQ(order.lateness(row("c", minutes{91})), Lateness::refused);
  EXPECT_EQ(order.lateness(row("a", minutes{89})), Lateness::none);
  order.note_refused({row("a", minutes{80})}, TooOld::out_of_bounds);
  EXPECT_EQ(order.lateness(row("c", minutes{80})), Lateness::refused);
  order.note_refused({row("a", minutes{99})}, TooOld::out_of_bounds);
  EXPECT_EQ(order.lateness(row("c", minutes{80})), Lateness::refused) << "a bound does not go back";
}

TEST(RowOrder, NeedsAnOldRowToBeBehindItsSeriesWhereThereIsAWindow) {
  RowOrder order;
  order.note_taken({row("a", minutes{0}), row("b", minutes{30})});
  order.note_refused({row("a", minutes{60}), row("b", minutes{20})}, TooOld::too_old);
  EXPECT_EQ(order.lateness(row("a", minutes{60})), Lateness::refused);
  EXPECT_EQ(order.lateness(row("a", minutes{59})), Lateness::behind) << "the window may take it";
  EXPECT_EQ(order.lateness(row("b", minutes{61})), Lateness::refused);
  EXPECT_EQ(order.lateness(row("b", minutes{20})), Lateness::none) << "it is newer than what the series has";
  EXPECT_EQ(order.lateness(row("c", minutes{61})), Lateness::none) << "the series may be new to the server";
}

TEST(RowOrder, LetsGoWhatTheServerDoesNotKeep) {
  RowOrder order;
  order.note_refused({row("a", minutes{60})}, TooOld::out_of_bounds);
  order.note_taken({row("b", minutes{70})});
  EXPECT_EQ(order.lateness(row("a", minutes{60})), Lateness::none);
  order.note_refused({row("c", minutes{200})}, TooOld::out_of_bounds);
  EXPECT_EQ(order.lateness(row("a", minutes{60})), Lateness::none);
  EXPECT_EQ(order.lateness(row("a", minutes{200})), Lateness::refused);
}

TEST(RowOrder, ForgetsAServerThatIsAnother) {
  RowOrder order;
  order.note_refused({row("a", minutes{60})}, TooOld::out_of_bounds);
  order.forget();
  EXPECT_EQ(order.lateness(row("a", minutes{60})), Lateness::none);
}

}  // namespace
}  // namespace settle::sinks
