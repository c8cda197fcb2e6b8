#include "engine/promql/selector.hpp"

#include <algorithm>

#include <re2/re2.h>

#include "engine/model/label_text.hpp"

namespace settle::engine {

/// One entry per matcher; empty for the kinds that compare texts.
struct Selector::Compiled {
  std::vector<std::unique_ptr<const re2::RE2>> patterns;
};

namespace {

std::string_view symbol(MatchKind kind) {
  switch (kind) {
    case MatchKind::equal:
      return "=";
    case MatchKind::not_equal:
      return "!=";
    case MatchKind::regex:
      return "=~";
    case MatchKind::not_regex:
      return "!~";
  }
  return "";
}

/// Longer symbols first: `=` begins `=~`.
bool take_kind(LabelScanner& in, MatchKind& kind) {
  for (const MatchKind candidate :
       {MatchKind::regex, MatchKind::not_regex, MatchKind::not_equal, MatchKind::equal}) {
    if (!in.take(symbol(candidate))) continue;
    kind = candidate;
    return true;
  }
  return false;
}

Result<std::unique_ptr<const re2::RE2>> compile(const Matcher& matcher, const LabelScanner& in) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);  // as Prometheus 3
  auto pattern = std::make_unique<const re2::RE2>(matcher.value, options);
  if (pattern->ok()) return pattern;
  return in.error("label \"" + matcher.label + "\": bad regular expression (" + pattern->error() +
                  ") that ends");
}

/// One `label op "value"`.
Result<Matcher> read_matcher(LabelScanner& in) {
  Matcher matcher;
  matcher.label = std::string{in.name()};
  if (!is_label_name(matcher.label)) return in.error("expected a label name");
  in.skip_space();
  if (!take_kind(in, matcher.kind)) return in.error("expected =, !=, =~ or !~");
  in.skip_space();
  auto value = in.quoted();
  if (!value) return value.error();
  if (!is_utf8(*value)) return in.error("the value is not UTF-8; it ends");
  matcher.value = *std::move(value);
  if (matcher.kind == MatchKind::regex || matcher.kind == MatchKind::not_regex) {
    if (auto pattern = compile(matcher, in); !pattern) return pattern.error();
  }
  return matcher;
}

/// From after `{` to after `}`.
Result<std::vector<Matcher>> read_matchers(LabelScanner& in) {
  std::vector<Matcher> matchers;
  in.skip_space();
  while (!in.take("}")) {
    auto matcher = read_matcher(in);
    if (!matcher) return matcher.error();
    matchers.push_back(*std::move(matcher));
    in.skip_space();
    if (in.take(",")) {
      in.skip_space();
    } else if (in.take("}")) {
      break;
    } else {
      return in.error("expected , or }");
    }
  }
  return matchers;
}

/// Moves `__name__="m"` from the matchers to `metric`.
Result<void> take_metric(std::vector<Matcher>& matchers, std::string& metric, const LabelScanner& in) {
  for (const Matcher& matcher : matchers) {
    if (matcher.label != kMetricNameLabel) continue;
    if (matcher.kind != MatchKind::equal)
      return in.error("__name__ can only be compared with =; selector ends");
    if (!metric.empty()) return in.error("the metric name is given twice; selector ends");
    if (!is_metric_name(matcher.value)) return in.error("__name__ is not a metric name; selector ends");
    metric = matcher.value;
  }
  std::erase_if(matchers, [](const Matcher& matcher) { return matcher.label == kMetricNameLabel; });
  if (metric.empty()) return in.error("a metric name is required; selector ends");
  return {};
}

}  // namespace

bool Selector::matches(const Labels& labels) const {
  if (label_value(labels, kMetricNameLabel) != metric_) return false;
  for (std::size_t i = 0; i < matchers_.size(); ++i) {
    const Matcher& matcher = matchers_[i];
    const std::string_view value = label_value(labels, matcher.label);
    const re2::RE2* const pattern = compiled_->patterns[i].get();
    const bool same = pattern != nullptr ? re2::RE2::FullMatch({value.data(), value.size()}, *pattern)
                                         : value == matcher.value;
    const bool wanted = matcher.kind == MatchKind::equal || matcher.kind == MatchKind::regex;
    if (same != wanted) return false;
  }
  return true;
}

std::string Selector::text() const {
  std::string out = metric_;
  char before = '{';
  for (const Matcher& matcher : matchers_) {
    out += before;
    out += matcher.label;
    out += symbol(matcher.kind);
    append_quoted(out, matcher.value);
    before = ',';
  }
  if (before == ',') out += '}';
  return out;
}

Result<Selector> read_selector(LabelScanner& in) {
  Selector selector;
  in.skip_space();
  selector.metric_ = std::string{in.name()};
  if (!selector.metric_.empty() && !is_metric_name(selector.metric_)) {
    return in.error("a metric name cannot begin with a digit; it ends");
  }
  in.skip_space();
  if (in.take("{")) {
    auto matchers = read_matchers(in);
    if (!matchers) return matchers.error();
    selector.matchers_ = *std::move(matchers);
  }
  in.skip_space();
  if (auto metric = take_metric(selector.matchers_, selector.metric_, in); !metric) return metric.error();

  auto& matchers = selector.matchers_;
  std::sort(matchers.begin(), matchers.end());
  matchers.erase(std::unique(matchers.begin(), matchers.end()), matchers.end());
  auto compiled = std::make_shared<Selector::Compiled>();
  for (const Matcher& matcher : matchers) {
    compiled->patterns.emplace_back();
    if (matcher.kind != MatchKind::regex && matcher.kind != MatchKind::not_regex) continue;
    auto pattern = compile(matcher, in);
    if (!pattern) return pattern.error();
    compiled->patterns.back() = *std::move(pattern);
  }
  selector.compiled_ = std::move(compiled);
  return selector;
}

Result<Selector> parse_selector(std::string_view text) {
  LabelScanner in{text};
  auto selector = read_selector(in);
  if (selector && !in.at_end())
    return in.error("expected a plain selector such as name{label=\"value\"}, found more text");
  return selector;
}

}  // namespace settle::engine
