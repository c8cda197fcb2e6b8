#include "cli/config/config_section.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <utility>

namespace settle::cli {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

std::string known_list(std::span<const std::string_view> known) {
  std::string list;
  for (const std::string_view word : known) list += (list.empty() ? "" : ", ") + std::string(word);
  return list;
}

std::optional<std::uint64_t> parse_u64(std::string_view digits) {
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return n;
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  std::uint64_t unit = 1;
  for (const auto& [suffix, factor] : {std::pair{std::string_view("KiB"), 1ull << 10},
                                       {std::string_view("MiB"), 1ull << 20},
                                       {std::string_view("GiB"), 1ull << 30}}) {
    if (text.ends_with(suffix)) {
      unit = factor;
      text.remove_suffix(suffix.size());
      break;
    }
  }
  const auto n = parse_u64(text);
  constexpr std::uint64_t kBytesMax = 1ull << 50;
  if (!n || *n == 0 || *n > kBytesMax / unit) return std::nullopt;
  return *n * unit;
}

/// Says which map a second one of the same key stands in.
void report_duplicates(const YamlNode& node, Problems& problems) {
  for (std::size_t i = 0; i < node.entries.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (node.entries[i].key != node.entries[j].key) continue;
      problems.error(node.entries[i].place, "the key \"" + node.entries[i].key +
                                                "\" stands here a second time (first on line " +
                                                std::to_string(node.entries[j].place.line) + ")");
      break;
    }
  }
}

}  // namespace

void Problems::error(Place place, std::string sentence) {
  errors.push_back({.place = place, .sentence = std::move(sentence)});
}
void Problems::warn(Place place, std::string sentence) {
  warnings.push_back({.place = place, .sentence = std::move(sentence)});
}

std::string_view nearest_word(std::string_view written, std::span<const std::string_view> known) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, written.size() / 3) + 1;
  for (const std::string_view word : known) {
    // `password` means `password_file`, however many letters are missing.
    const bool is_start = written.size() >= 3 && word.starts_with(written);
    const std::size_t distance = is_start ? 1 : edit_distance(written, word);
    if (distance < best_distance) {
      best = word;
      best_distance = distance;
    }
  }
  return best;
}

Section::Section(const YamlNode* node, const KeyTable& table, Problems& problems)
    : node_(node), problems_(problems) {
  if (node_ == nullptr || node_->kind == YamlNode::Kind::null) return;
  if (node_->kind != YamlNode::Kind::map) {
    problems_.error(node_->place, "expected a map with the keys " + known_list(table.keys));
    return;
  }
  check_keys(table);
}

void Section::check_keys(const KeyTable& table) const {
  report_duplicates(*node_, problems_);
  for (const YamlEntry& entry : node_->entries) {
    if (std::find(table.keys.begin(), table.keys.end(), entry.key) != table.keys.end()) continue;
    const std::string_view near = nearest_word(entry.key, table.keys);
    problems_.error(entry.place, "unknown key \"" + entry.key + "\"" +
                                     (near.empty() ? "; known here: " + known_list(table.keys)
                                                   : "; did you mean \"" + std::string(near) + "\"?"));
  }
}

const YamlNode* Section::find(std::string_view key) const {
  if (node_ == nullptr) return nullptr;
  for (const YamlEntry& entry : node_->entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

Place Section::place(std::string_view key) const {
  if (node_ == nullptr) return {};
  for (const YamlEntry& entry : node_->entries) {
    if (entry.key == key) return entry.place;
  }
  return node_->place;
}

const YamlNode* Section::scalar(std::string_view key) const {
  const YamlNode* value = find(key);
  if (value == nullptr) return nullptr;
  if (value->kind == YamlNode::Kind::scalar) return value;
  problems_.error(place(key),
                  "\"" + std::string(key) + "\" needs one value" +
                      (value->kind == YamlNode::Kind::null ? "; it is empty" : ", not a list or map"));
  return nullptr;
}

std::string Section::text(std::string_view key, std::string_view fallback) const {
  const YamlNode* value = scalar(key);
  return value == nullptr ? std::string(fallback) : value->text;
}

std::string Section::required_text(std::string_view key) const {
  if (find(key) == nullptr) {
    problems_.error(place(key), "\"" + std::string(key) + "\" is missing here");
    return {};
  }
  const YamlNode* value = scalar(key);
  if (value != nullptr && value->text.empty())
    problems_.error(value->place, "\"" + std::string(key) + "\" is empty");
  return value == nullptr ? std::string() : value->text;
}

std::string Section::one_of(std::string_view key, std::string_view fallback,
                            std::span<const std::string_view> allowed) const {
  const YamlNode* value = scalar(key);
  if (value == nullptr) return std::string(fallback);
  if (std::find(allowed.begin(), allowed.end(), value->text) != allowed.end()) return value->text;
  problems_.error(value->place, "\"" + std::string(key) + "\" is one of " + known_list(allowed) + ", not \"" +
                                    value->text + "\"");
  return std::string(fallback);
}

bool Section::flag(std::string_view key, bool fallback) const {
  const YamlNode* value = scalar(key);
  if (value == nullptr) return fallback;
  if (!value->quoted && (value->text == "true" || value->text == "false")) return value->text == "true";
  problems_.error(value->place, "\"" + std::string(key) + "\" is true or false, not \"" + value->text + "\"");
  return fallback;
}

std::uint64_t Section::number(std::string_view key, std::uint64_t fallback, std::uint64_t max) const {
  const YamlNode* value = scalar(key);
  if (value == nullptr) return fallback;
  const auto n = parse_u64(value->text);
  if (n && *n >= 1 && *n <= max) return *n;
  problems_.error(value->place, "\"" + std::string(key) + "\" is a whole number from 1 to " +
                                    std::to_string(max) + ", not \"" + value->text + "\"");
  return fallback;
}

std::uint64_t Section::bytes(std::string_view key, std::uint64_t fallback) const {
  const YamlNode* value = scalar(key);
  if (value == nullptr) return fallback;
  if (const auto n = parse_bytes(value->text)) return *n;
  problems_.error(value->place,
                  "\"" + std::string(key) +
                      "\" is a size such as 1048576, 512KiB, 64MiB or 16GiB (at most 1 PiB), not \"" +
                      value->text + "\"");
  return fallback;
}

engine::Duration Section::duration(std::string_view key, engine::Duration fallback, bool zero_allowed) const {
  const YamlNode* value = scalar(key);
  if (value == nullptr) return fallback;
  if (zero_allowed && (value->text == "0s" || value->text == "0")) return engine::Duration{0};
  const auto parsed = engine::parse_duration(value->text);
  if (parsed) return *parsed;
  problems_.error(value->place, "\"" + std::string(key) + "\": " + parsed.error().detail);
  return fallback;
}

std::vector<const YamlEntry*> free_entries(const YamlNode* node, std::string_view what, Problems& problems) {
  std::vector<const YamlEntry*> entries;
  if (node == nullptr || node->kind == YamlNode::Kind::null) return entries;
  if (node->kind != YamlNode::Kind::map) {
    problems.error(node->place, "expected a map of " + std::string(what));
    return entries;
  }
  report_duplicates(*node, problems);
  entries.reserve(node->entries.size());
  for (const YamlEntry& entry : node->entries) entries.push_back(&entry);
  return entries;
}

}  // namespace settle::cli
