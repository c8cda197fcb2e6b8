#include "engine/query/group_sums.hpp"

#include <algorithm>

#include "engine/model/series.hpp"
#include "engine/query/label_groups.hpp"

namespace settle::query {

std::string_view GroupSums::text_of(std::string_view series) {
  const auto [found, is_new] = texts_.try_emplace(std::string{series});
  if (!is_new) return found->second;
  const auto labels = engine::parse_series(series);
  if (labels && !by_) return found->second = engine::series_text(without_scope(*labels));
  engine::Labels left = labels ? group_labels(*labels, *by_) : engine::Labels{};
  engine::Label name{.name = std::string{engine::kMetricNameLabel}, .value = metric_};
  left.insert(std::upper_bound(left.begin(), left.end(), name), std::move(name));
  found->second = engine::series_text(left);
  return found->second;
}

void GroupSums::add(std::string_view series, const WindowValue& value) {
  groups_[text_of(series)].sum += value.value;
}

void GroupSums::fault(std::string_view series, const std::string& why) {
  std::optional<std::string>& fault = groups_[text_of(series)].fault;
  if (!fault) fault = why;
}

}  // namespace settle::query
