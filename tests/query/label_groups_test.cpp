#include "engine/query/label_groups.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include <gtest/gtest.h>

#include "engine/query/merge_across.hpp"
#include "tests/query/tree_merger.hpp"
#include "tests/support/histories.hpp"

namespace settle::query {
namespace {

using settle::test::Dice;
using test::TreeMerger;

/// Texts by id.
struct Names {
  std::vector<std::string> texts;
  [[nodiscard]] LabelGroups::TextOf text_of() const {
    return [this](SeriesId id) -> std::string_view { return texts.at(id); };
  }
};

TEST(LabelGroups, HoldTheSeriesOfEqualLabelsInTheOrderOfTheirTexts) {
  const Names names{{"m{pop=\"b\",zone=\"x\"}", "m{pop=\"a\",zone=\"y\"}", "m{pop=\"a\",zone=\"x\"}",
                     "m{pop=\"a\"}", "n{pop=\"a\",zone=\"x\"}"}};
  LabelGroups groups{{"zone"}};
  for (SeriesId id = 0; id < names.texts.size(); ++id) ASSERT_TRUE(groups.add(id, names.text_of()));
  std::string listed;
  for (const GroupId group : groups.in_order()) {
    listed += engine::series_text(groups.labels(group)) + ":";
    for (const SeriesId id : groups.members(group)) listed += " " + std::to_string(id);
    listed += "\n";
  }
  EXPECT_EQ(listed, "{zone=\"x\"}: 2 0 4\n{zone=\"y\"}: 1\n{}: 3\n");

  LabelGroups one{{}};
  for (SeriesId id = 0; id < names.texts.size(); ++id) ASSERT_TRUE(one.add(id, names.text_of()));
  EXPECT_EQ(one.size(), 1U);
  EXPECT_EQ(one.members(0).size(), 5U);

  EXPECT_FALSE(one.add(0, [](SeriesId) -> std::string_view { return "m{"; }));
}

TEST(LabelGroups, GoWithTheirLastMember) {
  const Names names{{"m{zone=\"x\"}", "m{zone=\"y\"}", "m{zone=\"z\"}"}};
  LabelGroups groups{{"zone"}};
  const auto first = groups.add(0, names.text_of());
  ASSERT_TRUE(first);
  EXPECT_FALSE(groups.remove(1, names.text_of()));
  EXPECT_TRUE(groups.remove(0, names.text_of()));
  EXPECT_FALSE(groups.remove(0, names.text_of()));
  EXPECT_EQ(groups.size(), 0U);
  EXPECT_TRUE(groups.in_order().empty());
  const auto next = groups.add(2, names.text_of());
  ASSERT_TRUE(next);
  EXPECT_EQ(*next, *first);
  EXPECT_EQ(engine::series_text(groups.labels(*next)), "{zone=\"z\"}");
}

/// Whatever ids series have and in whatever order they come and go, what is merged with what is the same.
TEST(LabelGroups, AreMergedInAnOrderThatDependsOnLabelsOnly) {
  EXPECT_TRUE(settle::test::holds_for_seeds("groups", [](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    std::map<std::string, std::string> cells;  // by series
    for (std::size_t i = dice.below(20); i > 0; --i) {
      engine::Labels labels{{"__name__", "m"}};
      for (const char* name : {"a", "b", "c"}) {
        if (dice.chance(70)) labels.push_back({name, std::to_string(dice.below(3))});
      }
      const std::string text = engine::series_text(labels);
      cells[text] = "x" + text;
    }
    const std::vector<std::string> by =
        dice.one_of<std::vector<std::string>>({{}, {"a"}, {"c", "a"}, {"d"}, {"a", "b", "c"}});

    // By definition: sorted texts, each to the group of its labels.
    std::map<std::string, TreeMerger::Partial> expected;
    for (const auto& [text, cell] : cells) {
      engine::Labels kept;
      const auto labels = engine::parse_series(text);
      if (!labels) return "not a series";
      for (const engine::Label& label : *labels) {
        if (std::find(by.begin(), by.end(), label.name) != by.end()) kept.push_back(label);
      }
      if (!TreeMerger{}.add_across(expected[engine::series_text(kept)], cell)) return "refused";
    }

    Names names;
    for (const auto& [text, cell] : cells) names.texts.push_back(text);
    names.texts.emplace_back("m{a=\"1\",gone=\"1\"}");
    dice.shuffle(names.texts);
    LabelGroups groups{by};
    std::optional<SeriesId> gone;
    for (SeriesId id = 0; id < names.texts.size(); ++id) {
      if (names.texts[id].find("gone") != std::string::npos) gone = id;
      if (!groups.add(id, names.text_of())) return "not added";
    }
    if (!gone || !groups.remove(*gone, names.text_of())) return "not removed";

    std::map<std::string, TreeMerger::Partial> merged;
    std::vector<std::string> order;
    for (const GroupId group : groups.in_order()) {
      order.push_back(engine::series_text(groups.labels(group)));
      const auto count = merge_across(
          groups.members(group), [&](SeriesId id) { return &cells.at(names.texts[id]); }, TreeMerger{},
          merged[order.back()]);
      if (!count || *count != groups.members(group).size()) return "miscounted";
    }
    if (!std::is_sorted(order.begin(), order.end())) return "out of order";
    return merged == expected ? "" : "merged otherwise";
  }));
}

TEST(MergeAcross, LeavesOutWhatHasNoCellAndPassesErrorsOn) {
  const std::map<int, std::string> cells{{1, "x1"}, {3, "x3"}, {4, "o4"}};
  const auto cell_of = [&](int member) -> const std::string* {
    const auto found = cells.find(member);
    return found == cells.end() ? nullptr : &found->second;
  };
  TreeMerger::Partial out{.tree = "old", .kind = 'z'};
  const auto merged = merge_across(std::vector{3, 2, 1}, cell_of, TreeMerger{}, out);
  ASSERT_TRUE(merged);
  EXPECT_EQ(*merged, 2U);
  EXPECT_EQ(out.tree, "(x3|x1)");
  const auto none = merge_across(std::vector{2}, cell_of, TreeMerger{}, out);
  ASSERT_TRUE(none);
  EXPECT_EQ(*none, 0U);
  EXPECT_EQ(out, TreeMerger::Partial{});
  EXPECT_FALSE(merge_across(std::vector{1, 4}, cell_of, TreeMerger{}, out));
}

}  // namespace
}  // namespace settle::query
