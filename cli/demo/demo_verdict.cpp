#include <optional>
#include <string_view>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "cli/demo/demo.hpp"
#include "cli/text_table.hpp"

namespace settle::cli {
namespace {

namespace json = boost::json;

/// A number as JSON has it, or a text that is one.
engine::Result<engine::Value> value_of(const json::value& value) {
  return engine::parse_value(value.is_string() ? std::string(value.get_string()) : json::serialize(value));
}

engine::Result<engine::Time> time_of(const json::value& value) {
  return engine::parse_time(value.is_string() ? std::string(value.get_string()) : json::serialize(value));
}

engine::Error odd_answer(const std::string& what) {
  return engine::refused("unexpected answer: " + what);
}

engine::Result<EmittedSample> sample_of(const json::value& item) {
  if (!item.is_object()) return odd_answer("a revision that is not an object");
  const json::object& row = item.get_object();
  for (const char* name : {"timestamp", "value", "reason", "age"}) {
    if (!row.contains(name)) return odd_answer(std::string("a revision without \"") + name + "\"");
  }
  const auto timestamp = time_of(row.at("timestamp"));
  const auto value = value_of(row.at("value"));
  if (!timestamp) return timestamp.error();
  if (!value) return value.error();
  if (!row.at("reason").is_string() || !row.at("age").is_string())
    return odd_answer("a reason or age that is no text");
  const auto age = engine::parse_duration(std::string_view(row.at("age").get_string()));
  return EmittedSample{.timestamp = *timestamp,
                       .value = *value,
                       .reason = std::string(row.at("reason").get_string()),
                       .age = age ? *age : engine::Duration{}};
}

engine::Result<void> add_exported(const std::string& line, Exported& exported) {
  json::error_code error;
  const json::value parsed = json::parse(line, error);
  const auto* row = error ? nullptr : parsed.if_object();
  const auto* values = row == nullptr ? nullptr : row->if_contains("values");
  const auto* timestamps = row == nullptr ? nullptr : row->if_contains("timestamps");
  if (values == nullptr || timestamps == nullptr || !values->is_array() || !timestamps->is_array() ||
      values->get_array().size() != timestamps->get_array().size()) {
    return odd_answer("an export line without equally many values and timestamps");
  }
  for (std::size_t i = 0; i < values->get_array().size(); ++i) {
    const auto timestamp = time_of(timestamps->get_array()[i]);
    const auto value = value_of(values->get_array()[i]);
    if (!timestamp) return timestamp.error();
    if (!value) return value.error();
    exported.emplace(*timestamp, *value);
  }
  return {};
}

/// What one minute came to.
struct Minute {
  std::string settled;
  std::string age;
  std::string in_tsdb;
  std::size_t emitted = 0;
  bool value_right = false;
  std::size_t pushed = 0;
  bool pushed_right = false;
};

void append(std::string& list, const std::string& item) {
  list += (list.empty() ? "" : " ") + item;
}

Minute minute_of(const DemoOutcome& outcome, engine::Time bucket, std::uint64_t truth) {
  Minute minute;
  const engine::Value expected = engine::Value::count(truth);
  for (const EmittedSample& sample : outcome.emitted) {
    if (sample.timestamp != bucket) continue;
    minute.value_right = sample.value == expected;
    ++minute.emitted;
    append(minute.settled, engine::format_value(sample.value));
    append(minute.age, engine::format_duration(std::chrono::round<std::chrono::seconds>(sample.age)));
    if (sample.reason != "settled") append(minute.settled, "(" + sample.reason + ")");
  }
  const auto [from, to] = outcome.exported.equal_range(bucket);
  minute.pushed_right = true;
  for (auto it = from; it != to; ++it) {
    ++minute.pushed;
    minute.pushed_right = minute.pushed_right && it->second == expected;
    append(minute.in_tsdb, engine::format_value(it->second));
  }
  return minute;
}

std::string verdict_line(const DemoOutcome& outcome, std::size_t right, std::size_t once, bool good) {
  const std::string all = std::to_string(outcome.truth.size());
  if (good) {
    return "All " + all + " minutes are exactly right and each was pushed once" +
           (outcome.with_tsdb ? ", as the raw export of VictoriaMetrics shows."
                              : " (builtin sink: from the ledger).");
  }
  return "WRONG: of " + all + " minutes " + std::to_string(right) + " are exactly right and " +
         std::to_string(once) + " were pushed exactly once.";
}

}  // namespace

engine::Result<std::vector<EmittedSample>> parse_revisions(const std::string& text) {
  json::error_code error;
  const json::value parsed = json::parse(text, error);
  const auto* answer = error ? nullptr : parsed.if_object();
  const auto* rows = answer == nullptr ? nullptr : answer->if_contains("revisions");
  if (rows == nullptr || !rows->is_array()) return odd_answer("no list of revisions");
  std::vector<EmittedSample> samples;
  for (const json::value& item : rows->get_array()) {
    auto sample = sample_of(item);
    if (!sample) return sample.error();
    samples.push_back(*std::move(sample));
  }
  return samples;
}

engine::Result<Exported> parse_export(const std::string& json_lines) {
  Exported exported;
  std::size_t from = 0;
  while (from < json_lines.size()) {
    const std::size_t end = std::min(json_lines.find('\n', from), json_lines.size());
    if (end > from) {
      if (const auto added = add_exported(json_lines.substr(from, end - from), exported); !added)
        return added.error();
    }
    from = end + 1;
  }
  return exported;
}

DemoVerdict judge_demo(const DemoOutcome& outcome) {
  std::vector<std::string> columns{"minute", "first value", "settled", "at age"};
  if (outcome.with_tsdb) columns.emplace_back("in VictoriaMetrics");
  columns.emplace_back("");
  TextTable table(columns);
  std::size_t right = 0;
  std::size_t once = 0;
  for (const auto& [bucket, truth] : outcome.truth) {
    const Minute minute = minute_of(outcome, bucket, truth);
    const bool is_right =
        minute.emitted > 0 && minute.value_right && (!outcome.with_tsdb || minute.pushed_right);
    const bool is_once = minute.emitted == 1 && (!outcome.with_tsdb || minute.pushed == 1);
    right += is_right ? 1 : 0;
    once += is_once ? 1 : 0;
    const auto first = outcome.first_seen.find(bucket);
    std::vector<std::string> row{engine::format_time(bucket).substr(11, 5),
                                 first == outcome.first_seen.end() ? "-" : std::to_string(first->second),
                                 minute.settled.empty() ? "-" : minute.settled, minute.age};
    if (outcome.with_tsdb) row.push_back(minute.in_tsdb.empty() ? "-" : minute.in_tsdb);
    row.emplace_back(is_right && is_once ? "ok" : "WRONG: the recording says " + std::to_string(truth));
    table.add(std::move(row));
  }
  // Nothing may have gone out that the recording does not have.
  std::size_t strangers = 0;
  for (const auto& [timestamp, value] : outcome.exported)
    strangers += outcome.truth.contains(timestamp) ? 0 : 1;
  for (const EmittedSample& sample : outcome.emitted)
    strangers += outcome.truth.contains(sample.timestamp) ? 0 : 1;
  DemoVerdict verdict;
  const std::size_t all = outcome.truth.size();
  verdict.good = all > 0 && right == all && once == all && strangers == 0;
  verdict.text = table.text() + "\n" + verdict_line(outcome, right, once, verdict.good) + "\n";
  if (strangers > 0) {
    verdict.text +=
        "WRONG: " + std::to_string(strangers) + " samples belong to no minute of the recording.\n";
  }
  return verdict;
}

}  // namespace settle::cli
