#include "engine/query/job_check.hpp"

#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "engine/promql/parser.hpp"

namespace settle::query {
namespace {

using namespace std::chrono_literals;

engine::JobQuery query_of(const std::string& text) {
  const auto read = engine::parse_job_query(text);
  EXPECT_TRUE(read) << text;
  return read ? *read : engine::JobQuery{};
}

std::string told(const std::optional<Fault>& fault) {
  return fault ? fault->field + ": " + fault->detail : "";
}

TEST(SketchType, IsReadAsItIsWritten) {
  for (const std::string_view text :
       {"scalar", "ddsketch", "hll", "countsketch", "countminsketch", "stats"}) {
    const auto type = parse_sketch_type(text);
    ASSERT_TRUE(type) << text;
    EXPECT_EQ(sketch_type_text(*type), text);
  }
  EXPECT_FALSE(parse_sketch_type("kll"));
  EXPECT_FALSE(parse_sketch_type(""));
  EXPECT_FALSE(parse_sketch_type("HLL"));
}

TEST(JobCheck, OfEveryFunctionWithEverySketchType) {
  const std::pair<std::string, std::string> fitting[] = {
      {"m", "scalar"},
      {"sum_over_time(m[5m])", "stats"},
      {"count_over_time(m[5m])", "stats"},
      {"avg_over_time(m[5m])", "stats"},
      {"min_over_time(m[5m])", "stats"},
      {"max_over_time(m[5m])", "stats"},
      {"last_over_time(m[5m])", "stats"},
      {"increase(m[5m])", "stats"},
      {"rate(m[5m])", "stats"},
      {"quantile_over_time(0.99, m[5m])", "ddsketch"},
      {"count_distinct_over_time(m[5m])", "hll"},
      {"top_k_over_time(10, m[5m])", "countsketch countminsketch"},
  };
  for (const auto& [text, types] : fitting) {
    for (const std::string type : {"scalar", "ddsketch", "hll", "countsketch", "countminsketch", "stats"}) {
      const auto fault = job_fault(query_of(text), 1min, type);
      const bool fits = (" " + types + " ").find(" " + type + " ") != std::string::npos;
      EXPECT_EQ(!fault, fits) << text << " " << type << " " << told(fault);
      EXPECT_TRUE(!fault || fault->field == "sketch_type") << told(fault);
    }
  }
}

TEST(JobCheck, NamesTheFieldAndWhatWasExpected) {
  struct Case {
    std::string query;
    engine::Duration granularity;
    std::optional<std::string_view> sketch_type;
    std::string told;
  };
  const Case cases[] = {
      {"quantile_over_time(0, m[1m])", 1min, "ddsketch", ""},
      {"quantile_over_time(1, m[1m])", 1min, "ddsketch", ""},
      {"quantile_over_time(1.01, m[1m])", 1min, "ddsketch",
       "query: asks for the quantile 1.01; expected a number from 0 to 1"},
      {"quantile_over_time(-0.01, m[1m])", 1min, "ddsketch",
       "query: asks for the quantile -0.01; expected a number from 0 to 1"},
      {"quantile_over_time(NaN, m[1m])", 1min, "ddsketch",
       "query: asks for the quantile NaN; expected a number from 0 to 1"},
      {"quantile_over_time(99, m[1m])", 1min, "ddsketch",
       "query: asks for the quantile 99; expected a number from 0 to 1"},
      {"top_k_over_time(1, m[1m])", 1min, "countsketch", ""},
      {"top_k_over_time(1000, m[1m])", 1min, "countsketch", ""},
      {"top_k_over_time(0, m[1m])", 1min, "countsketch",
       "query: asks for 0 items; expected a whole number from 1 to 1000"},
      {"top_k_over_time(-3, m[1m])", 1min, "countsketch",
       "query: asks for -3 items; expected a whole number from 1 to 1000"},
      {"top_k_over_time(2.5, m[1m])", 1min, "countsketch",
       "query: asks for 2.5 items; expected a whole number from 1 to 1000"},
      {"top_k_over_time(1001, m[1m])", 1min, "countsketch",
       "query: asks for 1001 items; expected a whole number from 1 to 1000"},
      {"top_k_over_time(NaN, m[1m])", 1min, "countsketch",
       "query: asks for NaN items; expected a whole number from 1 to 1000"},
      {"top_k_over_time(Inf, m[1m])", 1min, "countsketch",
       "query: asks for +Inf items; expected a whole number from 1 to 1000"},
      {"rate(m[90s])", 1min, "stats",
       "query: has the window 1m30s, which is no multiple of the granularity; expected 1m, 2m and so on"},
      {"rate(m[30s])", 1min, "stats",
       "query: has the window 30s, which is no multiple of the granularity; expected 1m, 2m and so on"},
      {"rate(m[100000m])", 1min, "stats", ""},
      {"rate(m[100001m])", 1min, "stats",
       "query: has the window 69d10h41m, which is more than 100000 buckets of 1m; expected a shorter one or "
       "a "
       "longer granularity"},
      {"m", 1min, std::nullopt, "sketch_type: is missing; expected \"scalar\""},
      {"rate(m[1m])", 1min, std::nullopt, "sketch_type: is missing; expected \"stats\""},
      {"top_k_over_time(3, m[1m])", 1min, std::nullopt,
       "sketch_type: is missing; expected \"countsketch\" or \"countminsketch\""},
      {"m", 1min, "kll", "sketch_type: \"kll\" is not known; expected \"scalar\""},
      {"m", 1min, "ddsketch", "sketch_type: \"ddsketch\" does not fit a plain selector; expected \"scalar\""},
      {"quantile_over_time(0.5, m[1m])", 1min, "hll",
       "sketch_type: \"hll\" does not fit quantile_over_time; expected \"ddsketch\""},
      // The first in the order that is promised.
      {"quantile_over_time(2, m[90s])", 1min, "hll",
       "query: asks for the quantile 2; expected a number from 0 to 1"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(told(job_fault(query_of(c.query), c.granularity, c.sketch_type)), c.told) << c.query;
  }
}

TEST(JobCheck, OfTheLabelsToMergeBy) {
  EXPECT_EQ(told(by_fault({})), "");
  EXPECT_EQ(told(by_fault({"zone", "a", "_b"})), "");
  EXPECT_EQ(told(by_fault({"zone", "a", "zone"})), "by: names \"zone\" twice");
  EXPECT_EQ(told(by_fault({""})), "by: has \"\", which is not a label name; expected [a-zA-Z_][a-zA-Z0-9_]*");
  EXPECT_EQ(told(by_fault({"a-b"})),
            "by: has \"a-b\", which is not a label name; expected [a-zA-Z_][a-zA-Z0-9_]*");
  EXPECT_EQ(told(by_fault({"\xFF"})),
            "by: has bytes that are not UTF-8, which is not a label name; expected [a-zA-Z_][a-zA-Z0-9_]*");
  EXPECT_EQ(told(by_fault({"__name__"})),
            "by: names __name__; expected labels only: the output is named by \"record\"");
  std::vector<std::string> many;
  for (int i = 0; i < 64; ++i) many.push_back("l" + std::to_string(i));
  EXPECT_EQ(told(by_fault(many)), "");
  many.emplace_back("more");
  EXPECT_EQ(told(by_fault(many)), "by: names 65 labels; expected at most 64");
}

}  // namespace
}  // namespace settle::query
