#include "sinks/row_groups.hpp"

#include <algorithm>
#include <memory_resource>
#include <string_view>
#include <unordered_map>

namespace settle::sinks {

namespace {

constexpr std::size_t kBytesAtFirst = 64u << 10;

}  // namespace

std::vector<GroupedRow> group_by_series(const std::vector<Row>& rows) {
  // One entry for each series: from few pieces of memory, gone at once.
  std::pmr::monotonic_buffer_resource memory{kBytesAtFirst};
  std::pmr::unordered_map<std::string_view, std::size_t> groups{&memory};
  std::vector<GroupedRow> members;
  members.reserve(rows.size());
  for (const Row& row : rows) {
    // Mostly the series of the row before.
    const bool again = !members.empty() && row.series.shares(members.back().row->series);
    const std::size_t group =
        again ? members.back().group : groups.try_emplace(row.series, groups.size()).first->second;
    members.push_back({.group = group, .row = &row});
  }
  const auto before = [](const GroupedRow& a, const GroupedRow& b) {
    return a.group != b.group ? a.group < b.group : a.row->timestamp < b.row->timestamp;
  };
  // Mostly they are: a tick's samples come series by series.
  if (!std::is_sorted(members.begin(), members.end(), before)) {
    std::stable_sort(members.begin(), members.end(), before);
  }
  return members;
}

}  // namespace settle::sinks
