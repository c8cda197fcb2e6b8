// cli/config/yaml.hpp: YAML text as a tree that remembers where everything stood and keeps duplicate keys.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/result.hpp"

namespace settle::cli {

/// Line and column, both from 1.
struct Place {
  int line = 1;
  int column = 1;
  auto operator<=>(const Place&) const = default;
};

struct YamlEntry;

struct YamlNode {
  enum class Kind : std::uint8_t { null = 0, scalar = 1, sequence = 2, map = 3 };
  Kind kind = Kind::null;
  Place place;
  std::string text;     // of a scalar
  bool quoted = false;  // a quoted scalar is a text whatever it looks like
  std::vector<YamlNode> items;
  std::vector<YamlEntry> entries;  // of a map, in the order of the text, duplicates included
};

struct YamlEntry {
  std::string key;
  Place place;  // of the key
  YamlNode value;
};

/// One document; an empty one is a null node. Refuses anchors, aliases, keys that are not scalars, and a
/// second document. The error is `LINE:COLUMN: sentence`.
[[nodiscard]] engine::Result<YamlNode> parse_yaml(const std::string& text);

}  // namespace settle::cli
