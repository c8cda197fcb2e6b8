#include "engine/model/series.hpp"

#include <algorithm>

#include "engine/model/label_text.hpp"

namespace settle::engine {

namespace {

constexpr std::size_t kLabelsMax = 64;
constexpr std::size_t kLabelBytesMax = std::size_t{16} * 1024;

/// The text as part of a sentence: short, and valid UTF-8 whatever came in.
std::string shown(std::string_view text) {
  return is_utf8(text) && text.size() <= 80 ? "\"" + std::string{text} + "\""
                                            : "a text of " + std::to_string(text.size()) + " bytes";
}

Result<void> check_label(const Label& label) {
  if (!is_label_name(label.name)) {
    return refused(shown(label.name) + " is not a label name; expected [a-zA-Z_][a-zA-Z0-9_]*");
  }
  if (!is_utf8(label.value)) return refused("the value of label \"" + label.name + "\" is not UTF-8");
  if (label.name == kMetricNameLabel && !label.value.empty() && !is_metric_name(label.value)) {
    return refused(shown(label.value) + " is not a metric name; expected [a-zA-Z_:][a-zA-Z0-9_:]*");
  }
  return {};
}

}  // namespace

Result<Labels> normalize_labels(Labels labels, bool name_required) {
  std::size_t bytes = 0;
  for (const Label& label : labels) {
    if (auto fine = check_label(label); !fine) return fine.error();
    bytes += label.name.size() + label.value.size();
  }
  std::sort(labels.begin(), labels.end());
  const auto same_name = [](const Label& a, const Label& b) { return a.name == b.name; };
  if (const auto twice = std::adjacent_find(labels.begin(), labels.end(), same_name); twice != labels.end()) {
    return refused("label \"" + twice->name + "\" is given more than once; each label may appear once");
  }
  std::erase_if(labels, [](const Label& label) { return label.value.empty(); });
  if (labels.size() > kLabelsMax) {
    return refused("the series has " + std::to_string(labels.size()) + " labels; at most " +
                   std::to_string(kLabelsMax) + " are allowed");
  }
  if (bytes > kLabelBytesMax) {
    return refused("the series' labels have " + std::to_string(bytes) + " bytes; at most " +
                   std::to_string(kLabelBytesMax) + " are allowed");
  }
  if (name_required && label_value(labels, kMetricNameLabel).empty()) {
    return refused("the series has no metric name; give it the label __name__");
  }
  return labels;
}

std::string series_text(const Labels& labels) {
  std::string out{label_value(labels, kMetricNameLabel)};
  const bool named = !out.empty();
  char before = '{';
  for (const Label& label : labels) {
    if (label.name == kMetricNameLabel) continue;
    out += before;
    out += label.name;
    out += '=';
    append_quoted(out, label.value);
    before = ',';
  }
  if (before == ',') {
    out += '}';
  } else if (!named) {
    out = "{}";
  }
  return out;
}

Result<Labels> parse_series(std::string_view text) {
  LabelScanner in{text};
  Labels labels;
  in.skip_space();
  if (const auto metric = in.name(); !metric.empty()) {
    labels.push_back({.name = std::string{kMetricNameLabel}, .value = std::string{metric}});
  }
  in.skip_space();
  if (in.take("{")) {
    in.skip_space();
    while (!in.take("}")) {
      const auto name = in.name();
      if (name.empty()) return in.error("expected a label name or }");
      in.skip_space();
      if (!in.take("=")) return in.error("expected = after the label name");
      in.skip_space();
      auto value = in.quoted();
      if (!value) return value.error();
      labels.push_back({.name = std::string{name}, .value = *std::move(value)});
      in.skip_space();
      if (in.take(",")) {
        in.skip_space();
      } else if (!in.take("}")) {
        return in.error("expected , or }");
      } else {
        break;
      }
    }
  } else if (labels.empty()) {
    return in.error("expected a metric name or {");
  }
  in.skip_space();
  if (!in.at_end()) return in.error("expected the end of the series");
  return normalize_labels(std::move(labels), false);
}

std::string_view label_value(const Labels& labels, std::string_view name) {
  const auto at =
      std::lower_bound(labels.begin(), labels.end(), name,
                       [](const Label& label, std::string_view wanted) { return label.name < wanted; });
  return at != labels.end() && at->name == name ? std::string_view{at->value} : std::string_view{};
}

}  // namespace settle::engine
