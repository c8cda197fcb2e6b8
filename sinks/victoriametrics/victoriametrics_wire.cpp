#include "sinks/victoriametrics/victoriametrics_wire.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "sinks/row_groups.hpp"
#include "sinks/series_json.hpp"

namespace settle::sinks {

namespace {

constexpr std::uint64_t kExactCountMax = 1ull << 53;

/// The value of `label` in a line like `flag{name="x", value="y"} 1`; flag values hold no quotes worth
/// reading.
std::string_view label_in(std::string_view line, std::string_view label) {
  const std::string start = std::string{label} + "=\"";
  const std::size_t at = line.find(start);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + start.size());
  return line.substr(0, line.find('"'));
}

std::optional<std::uint64_t> read_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc{}) return std::nullopt;
  return number;
}

/// Finds `v1.93.0` in "v1.93.0" or "victoria-metrics-20230801-070000-tags-v1.93.0-0-gabc".
void read_version(std::string_view text, ServerFacts& facts) {
  for (std::size_t at = text.find('v'); at != std::string_view::npos; at = text.find('v', at + 1)) {
    const std::string_view rest = text.substr(at + 1);
    const std::size_t length = std::min(rest.find_first_not_of("0123456789."), rest.size());
    const std::string_view version = rest.substr(0, length);
    const std::size_t dot = version.find('.');
    if (dot == std::string_view::npos) continue;
    const auto major = read_number(version.substr(0, dot));
    const auto minor = read_number(version.substr(dot + 1));
    if (!major || !minor) continue;
    facts.version = version;
    facts.major = static_cast<unsigned>(*major);
    facts.minor = static_cast<unsigned>(*minor);
    return;
  }
}

void read_flag(std::string_view name, std::string_view value, ServerFacts& facts) {
  if (name == "dedup.minScrapeInterval") {
    facts.dedup = value.find_first_of("123456789") != std::string_view::npos;
  } else if (name == "retentionPeriod") {
    facts.limits.retention = parse_retention(value);
  } else if (name == "maxLabelsPerTimeseries") {
    facts.limits.labels_max = read_number(value).value_or(facts.limits.labels_max);
  } else if (name == "maxLabelValueLen") {
    facts.limits.label_value_bytes_max = read_number(value).value_or(facts.limits.label_value_bytes_max);
  }
}

void read_line(std::string_view line, ServerFacts& facts) {
  if (line.starts_with("vm_app_version{")) {
    facts.known = true;
    read_version(label_in(line, "short_version"), facts);
    if (facts.version.empty()) read_version(label_in(line, "{version"), facts);
  } else if (line.starts_with("vm_app_start_timestamp ")) {
    if (const auto seconds = read_number(line.substr(line.find(' ') + 1))) {
      facts.started_at = engine::Time{std::chrono::seconds{*seconds}};
    }
  } else if (line.starts_with("flag{")) {
    read_flag(label_in(line, "{name"), label_in(line, " value"), facts);
  }
}

// Enough for nearly every row among others of its series.
constexpr std::size_t kRowBytes = 28;

/// Numbers in a row, `[1,2]`, gathered so that the body grows by many of them at a time.
class NumberList {
 public:
  explicit NumberList(std::string& body) : body_(body) {}

  /// `write` puts at most kValueTextMax bytes and gives their end.
  template <class Write>
  void add(Write write) {
    if (end_ + engine::kValueTextMax + 1 > text_.data() + text_.size()) flush();
    *end_++ = std::exchange(separator_, ',');
    end_ = write(end_);
  }
  void close() {
    flush();
    body_ += std::exchange(separator_, '[') == '[' ? "[]" : "]";
  }

 private:
  void flush() {
    body_.append(text_.data(), end_);
    end_ = text_.data();
  }
  std::string& body_;
  std::array<char, 4096> text_;
  char* end_ = text_.data();
  char separator_ = '[';
};

}  // namespace

std::optional<std::string> refuse_point(const Row& row, engine::Time now, const RowLimits& limits) {
  if (!row.value.is_finite())
    return "the value is " + engine::format_value(row.value) + ", not a finite number";
  if (row.value.is_count() && row.value.as_count() > kExactCountMax) {
    return "the count " + engine::format_value(row.value) + " is above 2^53 and would lose its last digits";
  }
  if (row.timestamp < engine::Time{}) return "the timestamp lies before 1970";
  if (limits.retention && row.timestamp < now - *limits.retention) {
    return "the timestamp " + engine::format_time(row.timestamp) +
           " is older than the server's retention of " + engine::format_duration(*limits.retention);
  }
  if (row.timestamp > now + limits.future_max) {
    return "the timestamp " + engine::format_time(row.timestamp) + " is more than " +
           engine::format_duration(limits.future_max) + " in the future";
  }
  return std::nullopt;
}

std::optional<std::string> refuse_series(std::string_view series, const RowLimits& limits) {
  SeriesParts parts{series};
  if (parts.name().empty()) return "the series has no metric name";
  std::size_t labels = 1;
  std::size_t longest = parts.name().size();
  while (const auto part = parts.next()) {
    ++labels;
    longest = std::max(longest, part->value_bytes);
  }
  if (parts.failed()) return "the series is not in canonical form";
  if (labels > limits.labels_max) {
    return "the series has " + std::to_string(labels) + " labels; the server keeps " +
           std::to_string(limits.labels_max);
  }
  if (longest > limits.label_value_bytes_max) {
    return "a label value has " + std::to_string(longest) + " bytes; the server keeps " +
           std::to_string(limits.label_value_bytes_max);
  }
  return std::nullopt;
}

std::optional<std::string> refuse_row(const Row& row, engine::Time now, const RowLimits& limits) {
  std::optional<std::string> reason = refuse_point(row, now, limits);
  return reason ? reason : refuse_series(row.series, limits);
}

std::string encode_import(const std::vector<Row>& rows) {
  const std::vector<GroupedRow> members = group_by_series(rows);
  std::string body;
  body.reserve(rows.size() * kRowBytes);
  NumberList numbers{body};
  for (auto line = members.begin(); line != members.end();) {
    const auto end = std::find_if(
        line, members.end(), [group = line->group](const GroupedRow& one) { return one.group != group; });
    body += "{\"metric\":";
    append_series_json(body, line->row->series);
    body += ",\"values\":";
    for (auto one = line; one != end; ++one) {
      numbers.add([one](char* to) { return engine::format_value(one->row->value, to); });
    }
    numbers.close();
    body += ",\"timestamps\":";
    for (auto one = line; one != end; ++one) {
      const std::int64_t ms = engine::epoch_ms(one->row->timestamp);
      numbers.add([ms](char* to) { return std::to_chars(to, to + engine::kValueTextMax, ms).ptr; });
    }
    numbers.close();
    body += "}\n";
    line = end;
  }
  return body;
}

std::optional<engine::Duration> parse_retention(std::string_view text) {
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc{} || !(number > 0) || number > 10'000) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(read.ptr - text.data()));
  double hours = 0;
  if (unit.empty()) hours = 31 * 24;
  if (unit == "h") hours = 1;
  if (unit == "d") hours = 24;
  if (unit == "w") hours = 7 * 24;
  if (unit == "y") hours = 365 * 24;
  if (hours == 0) return std::nullopt;
  return engine::Duration{static_cast<std::int64_t>(number * hours * 3'600'000.0)};
}

ServerFacts parse_server_facts(std::string_view metrics) {
  ServerFacts facts;
  while (!metrics.empty()) {
    const std::size_t end = std::min(metrics.find('\n'), metrics.size());
    read_line(metrics.substr(0, end), facts);
    metrics.remove_prefix(std::min(end + 1, metrics.size()));
  }
  return facts;
}

Overwrite overwrite_of(const ServerFacts& facts) {
  const bool larger_wins = facts.major > 1 || (facts.major == 1 && facts.minor >= 86);
  return larger_wins && facts.dedup ? Overwrite::max_wins : Overwrite::none;
}

std::string server_text(const ServerFacts& facts) {
  if (!facts.known) return "a server that does not say what it is (counts as an old VictoriaMetrics)";
  std::string text = "VictoriaMetrics, ";
  text += facts.version.empty() ? "version unknown (counts as old)" : "version " + facts.version;
  return text + (facts.dedup ? ", dedup on" : ", dedup off");
}

std::string meaning_of(const ServerFacts& facts) {
  if (overwrite_of(facts) == Overwrite::max_wins) {
    return "Of two values at one timestamp the larger stays: corrections are pushed for what only grows, and "
           "rows "
           "whose fate is unknown are simply sent again.";
  }
  return "A second value at one timestamp would be kept beside the first: corrections are not pushed, and "
         "rows whose "
         "fate is unknown are looked up in the server's export before they are sent again.";
}

}  // namespace settle::sinks
