#include "sinks/row_groups.hpp"

#include <algorithm>
#include <memory_resource>
#include <string_view>
#include <unordered_map>

namespace settle::sinks {

std::vector<GroupedRow> group_by_series(const std::vector<Row>& rows) {
  // One entry for each series: from one piece of memory, gone at once.
  std::pmr::monotonic_buffer_resource memory{rows.size() * 64};
  std::pmr::unordered_map<std::string_view, std::size_t> groups{&memory};
  groups.reserve(rows.size());
  std::vector<GroupedRow> members;
  members.reserve(rows.size());
  for (const Row& row : rows) {
    const auto [at, is_new] = groups.try_emplace(row.series, groups.size());
    members.push_back({.group = at->second, .row = &row});
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
