#include "engine/query/label_groups.hpp"

#include <algorithm>
#include <utility>

#include "engine/query/view_spec.hpp"

namespace settle::query {

engine::Labels group_labels(const engine::Labels& series, std::span<const std::string> by) {
  engine::Labels labels;
  for (const engine::Label& label : series) {
    if (std::binary_search(by.begin(), by.end(), label.name)) labels.push_back(label);
  }
  return labels;
}

engine::Labels without_scope(engine::Labels series) {
  std::erase_if(series, [](const engine::Label& label) { return label.name == kScopeLabel; });
  return series;
}

LabelGroups::LabelGroups(std::vector<std::string> by) : by_(std::move(by)) {
  std::sort(by_->begin(), by_->end());
}

LabelGroups LabelGroups::across_scopes() {
  return {};
}

engine::Labels LabelGroups::left(const engine::Labels& series) const {
  return by_ ? group_labels(series, *by_) : without_scope(series);
}

engine::Result<GroupId> LabelGroups::add(SeriesId id, const TextOf& text_of) {
  const std::string text{text_of(id)};
  const auto series = engine::parse_series(text);
  if (!series) return series.error();
  engine::Labels labels = left(*series);
  const auto next = free_.empty() ? static_cast<GroupId>(groups_.size()) : free_.back();
  const auto [entry, is_new] = by_text_.emplace(engine::series_text(labels), next);
  if (is_new) {
    if (next == groups_.size()) {
      groups_.emplace_back();
    } else {
      free_.pop_back();
    }
    groups_[next].labels = std::move(labels);
  }
  auto& members = groups_[entry->second].members;
  const auto at = std::partition_point(members.begin(), members.end(),
                                       [&](SeriesId other) { return text_of(other) < text; });
  members.insert(at, id);
  return entry->second;
}

bool LabelGroups::remove(SeriesId id, const TextOf& text_of) {
  const auto series = engine::parse_series(text_of(id));
  if (!series) return false;
  const auto entry = by_text_.find(engine::series_text(left(*series)));
  if (entry == by_text_.end()) return false;
  Group& group = groups_[entry->second];
  if (std::erase(group.members, id) == 0) return false;
  if (group.members.empty()) {
    free_.push_back(entry->second);
    by_text_.erase(entry);
  }
  return true;
}

std::vector<GroupId> LabelGroups::in_order() const {
  std::vector<GroupId> groups;
  groups.reserve(by_text_.size());
  for (const auto& [text, group] : by_text_) groups.push_back(group);
  return groups;
}

}  // namespace settle::query
