#include "cli/config/yaml.hpp"

#include <gtest/gtest.h>

namespace settle::cli {
namespace {

TEST(Yaml, RemembersWhereEverythingStood) {
  const auto root = parse_yaml("a: 1\nlist:\n  - x\n  - {b: \"2\"}\n");
  ASSERT_TRUE(root);
  ASSERT_EQ(root->entries.size(), 2u);
  EXPECT_EQ(root->entries[1].place, (Place{2, 1}));
  const YamlNode& list = root->entries[1].value;
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_EQ(list.items[0].place, (Place{3, 5}));
  const YamlEntry& inner = list.items[1].entries.at(0);
  EXPECT_EQ(inner.place, (Place{4, 6}));
  EXPECT_EQ(inner.value.place, (Place{4, 9}));
  EXPECT_TRUE(inner.value.quoted);
  EXPECT_FALSE(root->entries[0].value.quoted);
}

TEST(Yaml, KeepsDuplicateKeys) {
  const auto root = parse_yaml("a: 1\na: 2\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->entries.size(), 2u);
}

TEST(Yaml, ReadsAnEmptyDocumentAsNull) {
  for (const char* text : {"", "\n", "# nothing\n", "---\n"}) {
    const auto root = parse_yaml(text);
    ASSERT_TRUE(root) << text;
    EXPECT_EQ(root->kind, YamlNode::Kind::null) << text;
  }
}

TEST(Yaml, RefusesWithLineAndColumn) {
  struct Case {
    std::string text;
    std::string starts;
  };
  const std::vector<Case> cases{
      {"a: &x 1\nb: *x\n", "1:4: anchors"},
      {"a:\n  b: *x\n", "2:6: "},
      {"a: [1, 2\nb: 3\n", "2:2: not YAML"},
      {"? [a]\n: 1\n", "1:3: a key must be a plain word"},
      {"a: 1\n---\nb: 2\n", "3:1: a second document"},
      {"a: 1\n\tb: 2\n", "2:"},
  };
  for (const Case& c : cases) {
    const auto root = parse_yaml(c.text);
    ASSERT_FALSE(root) << c.text;
    EXPECT_EQ(root.error().detail.substr(0, c.starts.size()), c.starts) << root.error().detail;
  }
}

}  // namespace
}  // namespace settle::cli
