// engine/query/label_groups.hpp: series that have the same values of a job's `by` labels.
//
// Which series are in a group, and in which order they are merged, depends on their labels alone: not on ids
// and not on when a series was first seen.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/series.hpp"
#include "engine/result.hpp"

namespace settle::query {

/// The labels of a series that `by` (sorted) names; those it does not have are left out.
[[nodiscard]] engine::Labels group_labels(const engine::Labels& series, std::span<const std::string> by);

/// Without kScopeLabel.
[[nodiscard]] engine::Labels without_scope(engine::Labels series);

using SeriesId = std::uint32_t;
using GroupId = std::uint32_t;  // dense, reused: not for output

class LabelGroups {
 public:
  /// Names that by_fault() has nothing against, in any order. None: all series are one group.
  explicit LabelGroups(std::vector<std::string> by);
  /// Of all series that differ in kScopeLabel only; they keep their names.
  [[nodiscard]] static LabelGroups across_scopes();

  /// The canonical text of a series, by its id; valid until the next call.
  using TextOf = std::function<std::string_view(SeriesId)>;
  /// A series that is in no group yet. Refused if its text is not that of a series.
  engine::Result<GroupId> add(SeriesId id, const TextOf& text_of);
  /// False if it is in none. A group goes with its last member. `text_of` must still know the series.
  bool remove(SeriesId id, const TextOf& text_of);

  [[nodiscard]] std::size_t size() const { return by_text_.size(); }
  [[nodiscard]] const engine::Labels& labels(GroupId group) const { return groups_[group].labels; }
  /// In byte order of their texts: the order in which they are merged.
  [[nodiscard]] std::span<const SeriesId> members(GroupId group) const { return groups_[group].members; }
  /// By the text of their labels: the order of output.
  [[nodiscard]] std::vector<GroupId> in_order() const;

 private:
  struct Group {
    engine::Labels labels;
    std::vector<SeriesId> members;
  };
  LabelGroups() = default;
  [[nodiscard]] engine::Labels left(const engine::Labels& series) const;

  std::optional<std::vector<std::string>> by_;  // none: all but the scope
  std::vector<Group> groups_;
  std::vector<GroupId> free_;
  std::map<std::string, GroupId, std::less<>> by_text_;
};

}  // namespace settle::query
