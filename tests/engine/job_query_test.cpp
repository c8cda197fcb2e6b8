#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "engine/promql/parser.hpp"

namespace settle::engine {
namespace {

TEST(JobQuery, HasOneTextHoweverItWasWritten) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"m", "m"},
      {" ( ( m{ a='1' } ) ) ", "m{a=\"1\"}"},
      {"{__name__=\"m\"}", "m"},
      {"rate", "rate"},
      {"rate{a=\"1\"}", "rate{a=\"1\"}"},
      {"sum_over_time(m[5m])", "sum_over_time(m[5m])"},
      {"sum_over_time ( ( m { b=\"2\" , a=\"1\" } [ 300s ] ) )", "sum_over_time(m{a=\"1\",b=\"2\"}[5m])"},
      {"count_over_time(m[1w])", "count_over_time(m[7d])"},
      {"avg_over_time(m[1y2w3d])", "avg_over_time(m[382d])"},
      {"min_over_time(m[1h30m])", "min_over_time(m[1h30m])"},
      {"max_over_time(m[90m])", "max_over_time(m[1h30m])"},
      {"last_over_time(m[300])", "last_over_time(m[5m])"},
      {"increase(m[0.5])", "increase(m[500ms])"},
      {"increase(m[0x12c])", "increase(m[5m])"},
      {"increase(m[1.005])", "increase(m[1s5ms])"},
      {"rate(sum_over_time[1e3])", "rate(sum_over_time[16m40s])"},
      {"rate(m[1m0s])", "rate(m[1m])"},
      {"quantile_over_time(0.99,m[5m])", "quantile_over_time(0.99, m[5m])"},
      {"quantile_over_time(.990,m[5m])", "quantile_over_time(0.99, m[5m])"},
      {"quantile_over_time(99e-2,m[5m])", "quantile_over_time(0.99, m[5m])"},
      {"quantile_over_time(99E-2,m[5m])", "quantile_over_time(0.99, m[5m])"},
      {"quantile_over_time((+0.99),m[5m])", "quantile_over_time(0.99, m[5m])"},
      {"quantile_over_time(-(-(0.99)),m[5m])", "quantile_over_time(0.99, m[5m])"},
      {"quantile_over_time(-0,m[5m])", "quantile_over_time(0, m[5m])"},
      {"quantile_over_time(-1.5,m[5m])", "quantile_over_time(-1.5, m[5m])"},
      {"quantile_over_time(nAn,m[5m])", "quantile_over_time(NaN, m[5m])"},
      {"quantile_over_time(-inf,m[5m])", "quantile_over_time(-Inf, m[5m])"},
      {"quantile_over_time(Inf,m[5m])", "quantile_over_time(+Inf, m[5m])"},
      {"quantile_over_time(1.,m[5m])", "quantile_over_time(1, m[5m])"},
      {"quantile_over_time(00.5,m[5m])", "quantile_over_time(0.5, m[5m])"},
      {"count_distinct_over_time(m[1d])", "count_distinct_over_time(m[1d])"},
      {"top_k_over_time(10, m[1h])", "top_k_over_time(10, m[1h])"},
      {"topk_over_time(10, m[1h])", "top_k_over_time(10, m[1h])"},
      {"topk_over_time(1_000, m[1h])", "top_k_over_time(1000, m[1h])"},
      {"topk_over_time(0X_1f, m[1h])", "top_k_over_time(31, m[1h])"},
      {"topk_over_time(0xA, (m{b=\"2\",a='1'}[300]))", "top_k_over_time(10, m{a=\"1\",b=\"2\"}[5m])"},
      {"topk_over_time(1e300, m[1h])", "top_k_over_time(1e+300, m[1h])"},
  };
  for (const auto& [text, expected] : cases) {
    const auto read = parse_job_query(text);
    ASSERT_TRUE(read) << text << ": " << read.error().detail;
    EXPECT_EQ(read->text(), expected) << text;
    const auto again = parse_job_query(expected);
    ASSERT_TRUE(again) << expected << ": " << again.error().detail;
    EXPECT_EQ(again->text(), expected);
  }
}

TEST(JobQuery, SaysWhatWasAsked) {
  const auto read = parse_job_query("quantile_over_time(0.5, m{a=\"x\"}[1h30m])");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->function, Function::quantile_over_time);
  EXPECT_EQ(read->parameter, 0.5);
  EXPECT_EQ(read->selector.text(), "m{a=\"x\"}");
  EXPECT_EQ(read->window, std::chrono::minutes{90});

  const auto plain = parse_job_query("m");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->function, Function::select);
  EXPECT_EQ(plain->window, Duration{});

  const auto odd = parse_job_query("top_k_over_time(NaN, m[1m])");
  ASSERT_TRUE(odd);
  EXPECT_TRUE(std::isnan(odd->parameter));
}

TEST(JobQuery, ErrorsSayWhereAndWhatWasExpected) {
  const std::string selector = "expected a series selector such as name{label=\"value\"}, found ";
  const std::string window = "expected a window such as [5m] after the selector, found ";
  const std::string duration =
      "expected a duration such as 5m, 1h30m or 1w (more than zero, at most 100 years, units y, w, d, h, m, "
      "s, ms each once and in this order), found ";
  const std::string quantile = "the quantile (a number from 0 to 1)";
  const std::string items = "the number of items (a whole number)";
  const std::string function =
      "expected a series selector or one of the functions sum_over_time, count_over_time, avg_over_time, "
      "min_over_time, max_over_time, last_over_time, increase, rate, quantile_over_time, "
      "count_distinct_over_time, top_k_over_time, found ";
  const std::pair<std::string, std::string> cases[] = {
      {"", selector + "the end at column 1"},
      {"  ", selector + "the end at column 3"},
      {"5", selector + "\"5\" at column 1"},
      {"\"m\"", selector + "\"\"\" at column 1"},
      {"\xFFm", selector + "\"\\xff\" at column 1"},
      {"(m", "expected ), found the end at column 3"},
      {"m)", "expected the end of the query, found \")\" at column 2"},
      {"m offset 5m", "expected the end of the query, found \"offset\" at column 3"},
      {"m + n", "expected the end of the query, found \"+\" at column 3"},
      {"m[5m]",
       "a window needs a function around it, such as sum_over_time(name[5m]), found \"[\" at column 2"},
      {"{a=\"1\"}", "a metric name is required; selector ends at column 8"},
      {"sum(m)", function + "\"sum\" at column 1"},
      {"( topk(3, m))", function + "\"topk\" at column 3"},
      {"SUM_over_time(m[5m])", function + "\"SUM_over_time\" at column 1"},
      {std::string(50, 'f') + "(", function + "\"" + std::string(32, 'f') + "…\" at column 1"},
      {"sum_over_time(", selector + "the end at column 15"},
      {"sum_over_time()", selector + "\")\" at column 15"},
      {"sum_over_time(0.5, m[5m])", selector + "\"0.5\" at column 15"},
      {"sum_over_time(m)", window + "\")\" at column 16"},
      {"sum_over_time(rate(m[5m]))", window + "\"(\" at column 19"},
      {"sum_over_time((m)[5m])", window + "\")\" at column 17"},
      {"sum_over_time(m[])", duration + "\"]\" at column 17"},
      {"sum_over_time(m[5])x", "expected the end of the query, found \"x\" at column 20"},
      {"sum_over_time(m[5x])", duration + "\"5x\" at column 17"},
      {"sum_over_time(m[0s])", duration + "\"0s\" at column 17"},
      {"sum_over_time(m[-5m])", duration + "\"-\" at column 17"},
      {"sum_over_time(m[1m1h])", duration + "\"1m1h\" at column 17"},
      {"sum_over_time(m[1m1m])", duration + "\"1m1m\" at column 17"},
      {"sum_over_time(m[1.5h])", duration + "\"1.5h\" at column 17"},
      {"sum_over_time(m[0.0001])", duration + "\"0.0001\" at column 17"},
      {"sum_over_time(m[0.0015])", duration + "\"0.0015\" at column 17"},
      {"sum_over_time(m[101y])", duration + "\"101y\" at column 17"},
      {"sum_over_time(m[99999999999999999999d])", duration + "\"99999999999999999999d\" at column 17"},
      {"sum_over_time(m[9223372036854775807w])", duration + "\"9223372036854775807w\" at column 17"},
      {"sum_over_time(m[inf])", duration + "\"inf\" at column 17"},
      {"sum_over_time(m[5m:1m])", "subqueries are not supported; expected ], found \":1m\" at column 19"},
      {"sum_over_time(m[5m", "expected ] after the duration, found the end at column 19"},
      {"sum_over_time(m[5m] offset 1h)",
       "expected ) at the end of sum_over_time(, found \"offset\" at column 21"},
      {"sum_over_time(m[5m] @ 0)", "expected ) at the end of sum_over_time(, found \"@\" at column 21"},
      {"sum_over_time(m[5m], 1)", "expected ) at the end of sum_over_time(, found \",\" at column 20"},
      {"sum_over_time((m[5m], 1)", "expected ) after the window, found \",\" at column 21"},
      {"sum_over_time(m[5m]", "expected ) at the end of sum_over_time(, found the end at column 20"},
      {"rate(m[5m]) > 1", "expected the end of the query, found \">\" at column 13"},
      {"quantile_over_time(m[5m])", "expected " + quantile + ", found \"m\" at column 20"},
      {"quantile_over_time(\"0.5\", m[5m])", "expected " + quantile + ", found \"\"\" at column 20"},
      {"quantile_over_time(0.5 m[5m])", "expected , after " + quantile + ", found \"m\" at column 24"},
      {"quantile_over_time(0.5)", "expected , after " + quantile + ", found \")\" at column 23"},
      {"quantile_over_time(0.5,)", selector + "\")\" at column 24"},
      {"quantile_over_time((0.5, m[5m])", "expected ) after the number, found \",\" at column 24"},
      {"quantile_over_time(0.5.1, m[5m])", "expected " + quantile + ", found \"0.5.1\" at column 20"},
      {"quantile_over_time(1e999, m[5m])", "expected " + quantile + ", found \"1e999\" at column 20"},
      {"quantile_over_time(-, m[5m])", "expected " + quantile + ", found \",\" at column 21"},
      {"quantile_over_time(infinity, m[5m])", "expected " + quantile + ", found \"infinity\" at column 20"},
      {"quantile_over_time(0.5, m{a=1}[5m])", "expected a quoted value at column 29"},
      {"top_k_over_time(010, m[5m])",
       "expected " + items + " that does not begin with 0, found \"010\" at column 17"},
      {"top_k_over_time(ten, m[5m])", "expected " + items + ", found \"ten\" at column 17"},
      {"top_k_over_time(1__0, m[5m])", "expected " + items + ", found \"1__0\" at column 17"},
      {"top_k_over_time(1_e3, m[5m])", "expected " + items + ", found \"1_e3\" at column 17"},
      {"top_k_over_time(1._5, m[5m])", "expected " + items + ", found \"1._5\" at column 17"},
      {"top_k_over_time(10_, m[5m])", "expected " + items + ", found \"10_\" at column 17"},
      {"top_k_over_time(0x, m[5m])", "expected " + items + ", found \"0x\" at column 17"},
      {"top_k_over_time(0x-1, m[5m])", "expected " + items + ", found \"0x\" at column 17"},
  };
  for (const auto& [text, expected] : cases) {
    const auto read = parse_job_query(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().detail, expected) << text;
  }
}

TEST(JobQuery, NestsAsDeepAsIsSaidAndNotDeeper) {
  const auto nested = [](std::size_t depth, const std::string& inner) {
    return std::string(depth, '(') + inner + std::string(depth, ')');
  };
  for (const std::size_t depth : {std::size_t{1}, kNestingMax}) {
    const auto query = parse_job_query(nested(depth, "sum_over_time(" + nested(depth, "m[5m]") + ")"));
    ASSERT_TRUE(query) << query.error().detail;
    EXPECT_EQ(query->text(), "sum_over_time(m[5m])");
    const auto quantile = parse_job_query("quantile_over_time(" + nested(depth, "0.5") + ", m[5m])");
    ASSERT_TRUE(quantile) << quantile.error().detail;
    EXPECT_EQ(quantile->text(), "quantile_over_time(0.5, m[5m])");
  }
  for (const std::size_t depth : {kNestingMax + 1, std::size_t{1} << 20}) {
    for (const std::string& text :
         {nested(depth, "m"), "sum_over_time(" + nested(depth, "m[5m]") + ")",
          "quantile_over_time(" + nested(depth, "0.5") + ", m[5m])", std::string(depth, '('),
          "quantile_over_time(" + std::string(depth, '(')}) {
      const auto query = parse_job_query(text);
      ASSERT_FALSE(query);
      EXPECT_NE(query.error().detail.find("nested more than 100 deep"), std::string::npos)
          << query.error().detail;
    }
  }
  // Signs do not nest.
  const auto signs = parse_job_query("quantile_over_time(" + std::string(1 << 20, '-') + "0.5, m[5m])");
  ASSERT_TRUE(signs);
  EXPECT_EQ(signs->parameter, 0.5);
}

}  // namespace
}  // namespace settle::engine
