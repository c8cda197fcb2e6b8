#include <gtest/gtest.h>

#include "engine/model/series.hpp"

namespace settle::engine {
namespace {

std::string canonical(std::string_view text) {
  const auto labels = parse_series(text);
  return labels ? series_text(*labels) : "refused: " + labels.error().detail;
}

TEST(Series, HasOneTextHoweverItWasWritten) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"m", "m"},
      {"m{}", "m"},
      {" m { } ", "m"},
      {"m{b=\"2\",a=\"1\"}", "m{a=\"1\",b=\"2\"}"},
      {"m { b = \"2\" , a = \"1\" , }", "m{a=\"1\",b=\"2\"}"},
      {"{__name__=\"m\",a=\"1\"}", "m{a=\"1\"}"},
      {"m{a=\"\",b=\"2\"}", "m{b=\"2\"}"},
      {"m{a='x\"y'}", "m{a=\"x\\\"y\"}"},
      {R"(m{a="q\"b\\n\n"})", R"(m{a="q\"b\\n\n"})"},
      {"m{a=\"t\\tz\"}", "m{a=\"t\tz\"}"},
      {"m{Z=\"1\",a=\"2\"}", "m{Z=\"1\",a=\"2\"}"},
      {"a:b:c", "a:b:c"},
      {"{a=\"1\"}", "{a=\"1\"}"},
      {"{}", "{}"},
      {"m{zone=\"K\u00F6ln\"}", "m{zone=\"K\u00F6ln\"}"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(canonical(text), expected);
    EXPECT_EQ(canonical(expected), expected);
  }
}

TEST(Series, RefusesTextsThatAreNotSeries) {
  for (const std::string_view text : {"",
                                      "   ",
                                      "m{",
                                      "m}",
                                      "m{a}",
                                      "m{a=}",
                                      "m{a=1}",
                                      "m{a=\"1\"",
                                      "m{a=\"1\" b=\"2\"}",
                                      "m{=\"1\"}",
                                      "m{a=\"1}",
                                      "m{a=\"\\x\"}",
                                      "m{a=\"1\"}x",
                                      "m x",
                                      "9m",
                                      "m{1a=\"1\"}",
                                      "m{a:b=\"1\"}",
                                      "m{a=~\"1\"}",
                                      "m{a=\"1\",a=\"2\"}",
                                      "m{a=\"\",a=\"2\"}",
                                      "m{__name__=\"n\"}",
                                      "m{a=\"\xFF\"}",
                                      "m{a=\"\xC0\x80\"}",
                                      "m{a=\"\xED\xA0\x80\"}",
                                      "m{,}",
                                      "m{a=\"1\\"}) {
    EXPECT_FALSE(parse_series(text)) << text;
  }
}

TEST(Series, ErrorsNameTheColumn) {
  const auto read = parse_series("m{a=1}");
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().detail.find("column 5"), std::string::npos) << read.error().detail;
}

TEST(NormalizeLabels, RequiresAMetricNameUnlessToldOtherwise) {
  EXPECT_FALSE(normalize_labels({{"a", "1"}}));
  EXPECT_FALSE(normalize_labels({{"__name__", ""}, {"a", "1"}}));
  EXPECT_TRUE(normalize_labels({{"a", "1"}}, false));
  EXPECT_TRUE(normalize_labels({{"a", "1"}, {"__name__", "m"}}));
  EXPECT_FALSE(normalize_labels({{"__name__", "a b"}}));
  EXPECT_FALSE(normalize_labels({{"", "1"}, {"__name__", "m"}}));
}

TEST(NormalizeLabels, LimitsTheNumberOfLabelsAndTheirBytes) {
  Labels labels{{"__name__", "m"}};
  for (int i = 0; i < 63; ++i) labels.push_back({"l" + std::to_string(i), "v"});
  EXPECT_TRUE(normalize_labels(labels));
  labels.push_back({"empty", ""});
  EXPECT_TRUE(normalize_labels(labels));
  labels.push_back({"l63", "v"});
  EXPECT_FALSE(normalize_labels(labels));

  const std::size_t others = std::string_view{"__name__ma"}.size();
  EXPECT_TRUE(normalize_labels({{"__name__", "m"}, {"a", std::string(16 * 1024 - others, 'x')}}));
  EXPECT_FALSE(normalize_labels({{"__name__", "m"}, {"a", std::string(16 * 1024 - others + 1, 'x')}}));
}

TEST(LabelValue, IsEmptyForALabelThatIsNotThere) {
  const auto labels = parse_series("m{a=\"1\",c=\"3\"}");
  ASSERT_TRUE(labels);
  EXPECT_EQ(label_value(*labels, "a"), "1");
  EXPECT_EQ(label_value(*labels, "__name__"), "m");
  EXPECT_EQ(label_value(*labels, "b"), "");
  EXPECT_EQ(label_value(*labels, "z"), "");
}

}  // namespace
}  // namespace settle::engine
