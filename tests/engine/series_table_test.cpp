#include "engine/stabilizer/series_table.hpp"

#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace settle::engine {
namespace {

TEST(SeriesTable, KeepsIdsThroughGrowthAndRetirement) {
  SeriesTable table;
  std::map<std::string, SeriesId> live;
  std::mt19937 random{1};
  SeriesNumber next = 1;
  for (int round = 0; round < 50; ++round) {
    for (int n = 0; n < 40; ++n) {
      const std::string text = "m{s=\"" + std::to_string(random() % 2000) + "\"}";
      const auto found = table.intern(text, SeriesTable::hash(text));
      ASSERT_EQ(found.is_new, !live.contains(text));
      if (!found.is_new) {
        ASSERT_EQ(live.at(text), found.id);
      } else if (n % 7 == 0) {
        table.drop(found.id);
      } else {
        table.admit(found.id, next++);
        live[text] = found.id;
      }
    }
    std::vector<SeriesId> idle;
    for (auto at = live.begin(); at != live.end();) {
      const bool goes = random() % 10 == 0;
      if (goes) idle.push_back(at->second);
      at = goes ? live.erase(at) : std::next(at);
    }
    table.retire(idle);
    ASSERT_EQ(table.size(), live.size());
    std::vector<SeriesId> by_text;
    for (const auto& [text, id] : live) {
      ASSERT_EQ(table.text(id), text);
      ASSERT_EQ(table.find_number(table[id].number), id);
      by_text.push_back(id);
    }
    ASSERT_EQ(table.by_text(), by_text);
    for (std::uint32_t at = 0; at < by_text.size(); ++at) ASSERT_EQ(table.rank(by_text[at]), at);
  }
}

TEST(CellIndex, IsAMapWhetherDenseOrSparse) {
  std::mt19937 random{2};
  for (const std::uint32_t width : {10u, 500u, 100'000u}) {
    CellIndex index;
    std::map<SeriesId, std::uint32_t> model;
    for (int n = 0; n < 4000; ++n) {
      const SeriesId id = static_cast<SeriesId>(random()) % width;
      if (random() % 3 == 0) {
        index.erase(id);
        model.erase(id);
      } else {
        const auto at = static_cast<std::uint32_t>(random() % 1000);
        index.set(id, at, width);
        model[id] = at;
      }
      const SeriesId asked = static_cast<SeriesId>(random()) % width;
      const auto expected = model.find(asked);
      ASSERT_EQ(index.find(asked), expected == model.end() ? kNone : expected->second);
    }
    for (const auto& [id, at] : model) ASSERT_EQ(index.find(id), at);
  }
}

TEST(CellIndex, CostsLittleForFewCellsOfManySeries) {
  CellIndex index;
  for (SeriesId id = 0; id < 10; ++id) index.set(id * 9'999, id, 100'000);
  EXPECT_LT(index.memory_bytes(), 1000u);
}

}  // namespace
}  // namespace settle::engine
