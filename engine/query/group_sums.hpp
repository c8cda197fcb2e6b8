// engine/query/group_sums.hpp: results of series, added up by the labels that stay.
//
// What counters rise by cannot be merged before the function: in the total of two counters the reset of one
// does not show. Nor can last values, since the series' last samples lie at different instants. So they are
// worked out series by series and added up then, as `sum by (...) (rate(...))` does.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/query/window_answer.hpp"

namespace settle::query {

class GroupSums {
 public:
  /// `by`: sorted; none: only series of several scopes are added up. `metric`: the name of the groups'
  /// series.
  GroupSums(std::optional<std::vector<std::string>> by, std::string metric)
      : by_(std::move(by)), metric_(std::move(metric)) {}

  struct Group {
    double sum = 0;
    std::optional<std::string>
        fault;  // of the first member that has no result but a fault: the sum is none either
  };
  /// One window: begin(), then its series in the order of their texts.
  void begin() { groups_.clear(); }
  void add(std::string_view series, const WindowValue& value);
  void fault(std::string_view series, const std::string& why);
  /// By text, which is valid until forget().
  [[nodiscard]] const std::map<std::string_view, Group>& groups() const { return groups_; }

  /// The texts; before a new answer, so that they do not gather for ever.
  void forget() {
    groups_.clear();
    texts_.clear();
  }

 private:
  [[nodiscard]] std::string_view text_of(std::string_view series);

  std::optional<std::vector<std::string>> by_;
  std::string metric_;
  std::unordered_map<std::string, std::string> texts_;  // of groups, by their members'
  std::map<std::string_view, Group> groups_;
};

}  // namespace settle::query
