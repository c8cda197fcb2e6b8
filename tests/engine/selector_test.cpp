#include "engine/promql/selector.hpp"

#include <gtest/gtest.h>

namespace settle::engine {
namespace {

bool matches(std::string_view selector, std::string_view series) {
  const auto parsed = parse_selector(selector);
  const auto labels = parse_series(series);
  EXPECT_TRUE(parsed) << selector;
  EXPECT_TRUE(labels) << series;
  return parsed && labels && parsed->matches(*labels);
}

TEST(Selector, MatchesAsPrometheusDoes) {
  struct Case {
    std::string_view selector;
    std::string_view series;
    bool expected;
  };
  const Case cases[] = {
      {"m", "m", true},
      {"m", "m{a=\"1\"}", true},
      {"m", "n", false},
      {"m{a=\"1\"}", "m{a=\"1\",b=\"2\"}", true},
      {"m{a=\"1\"}", "m{a=\"11\"}", false},
      {"m{a=\"1\"}", "m", false},
      {"m{a=\"\"}", "m", true},
      {"m{a=\"\"}", "m{a=\"1\"}", false},
      {"m{a!=\"1\"}", "m", true},
      {"m{a!=\"1\"}", "m{a=\"1\"}", false},
      {"m{a!=\"\"}", "m", false},
      {"m{a=~\"1|2\"}", "m{a=\"2\"}", true},
      {"m{a=~\"1|2\"}", "m{a=\"12\"}", false},
      {"m{a=~\"1\"}", "m{a=\"x1\"}", false},
      {"m{a=~\"1.*\"}", "m{a=\"1\\n2\"}", true},
      {"m{a=~\".*\"}", "m", true},
      {"m{a=~\".+\"}", "m", false},
      {"m{a!~\"1.*\"}", "m{a=\"12\"}", false},
      {"m{a!~\"1.*\"}", "m", true},
      {"m{a=~\"1.*\",a!=\"12\"}", "m{a=\"12\"}", false},
      {"m{a=~\"1.*\",a!=\"12\"}", "m{a=\"13\"}", true},
      {"m{a=~\"K.ln\"}", "m{a=\"K\u00F6ln\"}", true},
      {"{__name__=\"m\",a='1'}", "m{a=\"1\"}", true},
  };
  for (const Case& c : cases)
    EXPECT_EQ(matches(c.selector, c.series), c.expected) << c.selector << " " << c.series;
}

TEST(Selector, HasOneTextHoweverItWasWritten) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"m", "m"},
      {" m { } ", "m"},
      {"m{ b=~\"y\" , a = 'x', }", "m{a=\"x\",b=~\"y\"}"},
      {"{a!=\"x\",__name__=\"m\"}", "m{a!=\"x\"}"},
      {"m{a=\"x\",a=\"x\"}", "m{a=\"x\"}"},
      {"m{a=~`\\d+`}", "m{a=~\"\\\\d+\"}"},
      {"m{a=~\"\\\\d+\"}", "m{a=~\"\\\\d+\"}"},
      {"m{a!~\"x\",a!=\"y\",a=~\"z\"}", "m{a!=\"y\",a=~\"z\",a!~\"x\"}"},
  };
  for (const auto& [text, expected] : cases) {
    const auto parsed = parse_selector(text);
    ASSERT_TRUE(parsed) << text << parsed.error().detail;
    EXPECT_EQ(parsed->text(), expected);
    const auto again = parse_selector(expected);
    ASSERT_TRUE(again) << expected;
    EXPECT_EQ(again->text(), expected);
  }
}

TEST(Selector, CopiesMatchLikeTheOriginal) {
  const auto labels = parse_series("m{a=\"12\"}");
  Selector copy;
  EXPECT_FALSE(copy.matches(*labels));
  {
    const auto parsed = parse_selector("m{a=~\"1.\"}");
    ASSERT_TRUE(parsed);
    copy = *parsed;
  }
  EXPECT_TRUE(copy.matches(*labels));
}

TEST(Selector, RefusesWhatIsNotAPlainSelectorAndNamesTheColumn) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "column 1"},
      {"{a=\"1\"}", "metric name is required"},
      {"{__name__=~\"m.*\"}", "__name__"},
      {"m{__name__=\"m\"}", "twice"},
      {"m[5m]", "column 2"},
      {"m offset 5m", "column 3"},
      {"sum(m)", "column 4"},
      {"m{a=\"1\"", "column 8"},
      {"m{a==\"1\"}", "column 5"},
      {"m{a>\"1\"}", "column 4"},
      {"m{a=1}", "column 5"},
      {"m{a=~\"(\"}", "column 9"},
      {"m{a=~\"(?<x\"}", "regular expression"},
      {"m{a=\"x", "column 5"},
      {"9m", "digit"},
      {"m{a:b=\"1\"}", "label name"},
      {"m{a=\"\xFF\"}", "UTF-8"},
  };
  for (const auto& [text, part] : cases) {
    const auto parsed = parse_selector(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().detail.find(part), std::string::npos) << text << ": " << parsed.error().detail;
  }
}

}  // namespace
}  // namespace settle::engine
