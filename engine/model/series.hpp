// engine/model/series.hpp: the identity of a series: a metric name and its sorted labels, as one canonical
// text.
//
// Canonical text: `name{a="x",b="y"}`, labels sorted by name in byte order, values escaped (\\ \" \n), labels
// with an empty value left out, no braces when there are none. Equal series have equal text and the text's
// byte order is the order of samples in every output.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/result.hpp"

namespace settle::engine {

inline constexpr std::string_view kMetricNameLabel = "__name__";

struct Label {
  std::string name;
  std::string value;
  auto operator<=>(const Label&) const = default;
};
/// Sorted by name, no duplicates, no empty values; the metric name is the label `__name__`.
using Labels = std::vector<Label>;

/// Sorts, drops empty values; refuses duplicate names, bad label or metric names, text that is not UTF-8,
/// more than 64 labels, or more than 16 KiB in all. A series without a metric name is allowed only when
/// `name_required` is false.
[[nodiscard]] Result<Labels> normalize_labels(Labels labels, bool name_required = true);
/// `labels` as normalize_labels gives them.
[[nodiscard]] std::string series_text(const Labels& labels);
/// Reads what series_text writes, and also unsorted or spaced forms. A series may have no metric name.
[[nodiscard]] Result<Labels> parse_series(std::string_view text);

/// "" when absent.
[[nodiscard]] std::string_view label_value(const Labels& labels, std::string_view name);

}  // namespace settle::engine
