// cli/config/config_section.hpp: typed reading of one map of the configuration; problems are gathered, never
// thrown.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/config/yaml.hpp"
#include "engine/model/time.hpp"

namespace settle::cli {

/// The keys one kind of map may have; docs/configuration.md names each as `prefix.key`.
struct KeyTable {
  std::string_view prefix;  // "" for the top, "sources.<name>", …
  std::span<const std::string_view> keys;
};

struct Problem {
  Place place;
  std::string sentence;
};
struct Problems {
  std::vector<Problem> errors;
  std::vector<Problem> warnings;
  void error(Place place, std::string sentence);
  void warn(Place place, std::string sentence);
};

/// The known word that is nearest to what was written; "" when none is near.
[[nodiscard]] std::string_view nearest_word(std::string_view written,
                                            std::span<const std::string_view> known);

/// Reads a map; whatever has the wrong type is reported and the fallback returned. A null or absent node is
/// an empty map. The node and the problems outlive the section.
class Section {
 public:
  /// Reports unknown and duplicate keys.
  Section(const YamlNode* node, const KeyTable& table, Problems& problems);

  [[nodiscard]] const YamlNode* find(std::string_view key) const;
  /// Where the key stands, or the map when the key is absent.
  [[nodiscard]] Place place(std::string_view key) const;

  [[nodiscard]] std::string text(std::string_view key, std::string_view fallback) const;
  /// Reports it when the key is absent or empty.
  [[nodiscard]] std::string required_text(std::string_view key) const;
  [[nodiscard]] std::string one_of(std::string_view key, std::string_view fallback,
                                   std::span<const std::string_view> allowed) const;
  [[nodiscard]] bool flag(std::string_view key, bool fallback) const;
  /// Whole numbers from 1 to `max`.
  [[nodiscard]] std::uint64_t number(std::string_view key, std::uint64_t fallback,
                                     std::uint64_t max = std::numeric_limits<std::int64_t>::max()) const;
  /// `1048576`, `512KiB`, `64MiB`, `16GiB`.
  [[nodiscard]] std::uint64_t bytes(std::string_view key, std::uint64_t fallback) const;
  [[nodiscard]] engine::Duration duration(std::string_view key, engine::Duration fallback,
                                          bool zero_allowed = false) const;

 private:
  [[nodiscard]] const YamlNode* scalar(std::string_view key) const;
  void check_keys(const KeyTable& table) const;

  const YamlNode* node_;
  Problems& problems_;
};

/// The entries of a map with free keys (names, headers, labels), each key once.
[[nodiscard]] std::vector<const YamlEntry*> free_entries(const YamlNode* node, std::string_view what,
                                                         Problems& problems);

}  // namespace settle::cli
