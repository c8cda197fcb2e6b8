#include "api/json_writer.hpp"

#include <cmath>
#include <limits>

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace settle::api {
namespace {

TEST(JsonWriter, SetsCommasBetweenMembersAndElementsOnly) {
  JsonWriter out;
  out.begin_object().key("a").begin_array().end_array().key("b").begin_array().number(1).number(2);
  out.begin_object().end_object().text("x").end_array().flag("c", true).key("d").null().end_object();
  EXPECT_EQ(out.take(), R"({"a":[],"b":[1,2,{},"x"],"c":true,"d":null})");
}

TEST(JsonWriter, KeepsCountsExactAndWritesWhatIsNotANumberAsText) {
  const auto written = [](const engine::Value& value) {
    JsonWriter out;
    out.value(value);
    return out.take();
  };
  EXPECT_EQ(written(engine::Value::count(std::numeric_limits<std::uint64_t>::max())), "18446744073709551615");
  EXPECT_EQ(written(engine::Value::number(0.5)), "0.5");
  EXPECT_EQ(written(engine::Value::number(-3)), "-3");
  EXPECT_EQ(written(engine::Value::number(NAN)), R"("NaN")");
  EXPECT_EQ(written(engine::Value::number(INFINITY)), R"("+Inf")");
  EXPECT_EQ(written(engine::Value::number(-INFINITY)), R"("-Inf")");
}

TEST(JsonWriter, EveryFiniteNumberIsJson) {
  for (const double x : {1e300, -1e-300, 5e-324, 0.1, 1e22, 123456789.125, -0.0}) {
    JsonWriter out;
    out.value(engine::Value::number(x));
    boost::system::error_code failure;
    const boost::json::value read = boost::json::parse(out.take(), failure);
    ASSERT_FALSE(failure) << x;
    EXPECT_EQ(read.to_number<double>(), x);
  }
}

TEST(JsonWriter, EscapesText) {
  JsonWriter out;
  out.begin_object().member("a\"b", "line\n\x01\\").text_or_null("empty", "").end_object();
  EXPECT_EQ(out.take(), R"({"a\"b":"line\n\u0001\\","empty":null})");
}

}  // namespace
}  // namespace settle::api
