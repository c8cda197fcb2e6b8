#include "cli/sketch/blob.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "engine/codec/cell/frame.hpp"
#include "engine/codec/codec.hpp"

namespace settle::cli {
namespace {

using codec::Format;
using codec::Settings;
using sketch::Accumulator;

// In the order of Accumulator, from 1 on, and of codec::Kind.
constexpr std::array<std::string_view, 6> kKinds{"ddsketch",       "hll",  "count-min", "count-sketch",
                                                 "frequent-items", "stats"};

// Those that nothing in their first bytes tells apart.
constexpr std::array kGuessed{Format::ddsketch_proto,    Format::ddsketch_binary, Format::asap_envelope,
                              Format::otlp_exphistogram, Format::postgresql_hll,  Format::stats};

engine::Error bad_option(std::string_view option, const std::string& given, std::string_view expected) {
  return engine::refused(std::string{option} + " is " + std::string{expected} + ", not \"" + given + "\"");
}

template <class Number>
bool read_number(std::string_view text, Number& into) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), into);
  return read.ec == std::errc{} && read.ptr == text.data() + text.size();
}

/// One of `names` as the enumerator of the same place; "" leaves `into` as it is.
template <class Enum, std::size_t kNames>
bool read_name(const std::string& text, const std::array<std::string_view, kNames>& names, Enum& into) {
  if (text.empty()) return true;
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) return false;
  into = static_cast<Enum>(found - names.begin());
  return true;
}

std::string all_formats() {
  std::string all;
  for (int format = 1; format <= static_cast<int>(Format::cell); ++format) {
    if (format > 1) all += ", ";
    all += codec::format_text(static_cast<Format>(format));
  }
  return all;
}

bool is_hex(std::string_view text) {
  const auto fine = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '\n' ||
           c == '\r' || c == ' ';
  };
  return text.size() >= 16 && std::all_of(text.begin(), text.end(), fine);
}

std::string unhex(std::string_view text) {
  std::string bytes;
  int high = -1;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ') continue;
    const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    if (high >= 0) bytes.push_back(static_cast<char>(high << 4 | digit));
    high = high >= 0 ? -1 : digit;
  }
  return bytes;
}

/// What the first bytes say, where they leave no doubt.
std::optional<Format> by_beginning(std::string_view blob) {
  if (blob.starts_with(codec::kCellMagic)) return Format::cell;
  if (blob.starts_with("ASAPv1")) return Format::asap_v1;
  if (blob.starts_with("HYLL")) return Format::redis_hll;
  if (blob.starts_with("1f8b08") || blob.starts_with("1F8B08")) return Format::asapquery;
  if (blob.size() >= 8 && blob[1] == 1) {
    if (blob[2] == 7) return Format::datasketches_hll;
    if (blob[2] == 10) return Format::datasketches_frequent_items;
    if (blob[2] == 18) return Format::datasketches_count_min;
  }
  return std::nullopt;
}

/// Whether more was read than fields that are passed over.
bool says_something(const Accumulator& read) {
  if (const auto* ddsketch = std::get_if<sketch::DDSketch>(&read)) return ddsketch->mapping().has_value();
  if (const auto* hll = std::get_if<sketch::Hll>(&read)) return hll->has_kind();
  if (const auto* matrix = std::get_if<sketch::CountMin>(&read)) return matrix->matrix().has_shape();
  if (const auto* matrix = std::get_if<sketch::CountSketch>(&read)) return matrix->matrix().has_shape();
  if (const auto* stats = std::get_if<sketch::Stats>(&read)) return !stats->empty();
  return !std::holds_alternative<std::monostate>(read);
}

/// What zero bytes of a format are.
Accumulator empty_of(const Settings& settings) {
  switch (settings.format) {
    case Format::ddsketch_proto:
    case Format::ddsketch_binary:
    case Format::otlp_exphistogram:
      return sketch::DDSketch{};
    case Format::datasketches_hll:
    case Format::redis_hll:
    case Format::postgresql_hll:
      return sketch::Hll{};
    case Format::datasketches_frequent_items:
      return sketch::FrequentItems{};
    case Format::datasketches_count_min:
      return sketch::CountMin{};
    case Format::stats:
      return sketch::Stats{};
    default:
      return {};
  }
}

engine::Result<ReadSketch> read_as(std::string_view blob, Settings settings, bool any_item) {
  ReadSketch read{.settings = settings, .sketch = empty_of(settings), .hint = {}};
  auto merged = codec::merge(read.sketch, blob, settings);
  if (!merged && any_item && settings.format == Format::datasketches_frequent_items) {
    read.settings.item = Settings::Item::i64;
    if (codec::merge(read.sketch, blob, read.settings)) return read;
  }
  if (!merged) return merged.error();
  return read;
}

std::string names_of(const std::vector<Format>& formats) {
  std::string names;
  for (std::size_t i = 0; i < formats.size(); ++i) {
    if (i > 0) names += i + 1 == formats.size() ? " or " : ", ";
    names += codec::format_text(formats[i]);
  }
  return names;
}

/// What else the bytes may be, and which option would say so.
std::string advice(std::string_view blob, const Reading& reading, Format tried) {
  if (blob.starts_with("\x1f\x8b")) return "; the bytes are compressed: zcat FILE | settle sketch inspect -";
  if (tried == Format::datasketches_count_min) {
    return "; --seed and --element say what its bytes do not";
  }
  if (tried == Format::asapquery) return "; --kind and --hashing say what its bytes do not";
  std::vector<Format> others = candidates(blob, reading);
  std::erase(others, tried);
  if (others.empty()) return "";
  return "; the bytes can be read as " + names_of(others) + ": name it by --format";
}

/// A blob that leaves its mapping out, as if it had one.
bool lacks_a_mapping(std::string_view blob) {
  const Settings settings{.format = Format::ddsketch_binary, .mapping = sketch::Mapping::of_accuracy(0.01)};
  const auto read = read_as(blob, settings, false);
  return read && says_something(read->sketch);
}

/// sketches-js always writes its mapping with an interpolation of 0, which others leave out.
bool looks_like_javascript(std::string_view blob) {
  return blob.size() >= 22 && blob[0] == '\x0a' && blob[1] == 20 && blob[20] == '\x18' && blob[21] == 0;
}

}  // namespace

std::optional<codec::Kind> parse_kind(std::string_view text) {
  const auto found = std::find(kKinds.begin(), kKinds.end(), text);
  if (found == kKinds.end()) return std::nullopt;
  return static_cast<codec::Kind>(found - kKinds.begin());
}

std::string_view kind_text(const Accumulator& sketch) {
  return sketch.index() == 0 ? "nothing" : kKinds.at(sketch.index() - 1);
}

engine::Result<Reading> parse_blob_options(const BlobOptions& options) {
  Reading reading;
  Settings& settings = reading.settings;
  if (!options.format.empty()) {
    reading.format = codec::parse_format(options.format);
    if (!reading.format) return bad_option("--format", options.format, "one of " + all_formats());
    settings.format = *reading.format;
  }
  if (!read_name(options.bin_rule, std::array<std::string_view, 2>{"floor", "ceil"}, settings.bin_rule)) {
    return bad_option("--bin-rule", options.bin_rule, "floor or ceil");
  }
  reading.bin_rule_given = settings.bin_rule == codec::BinRule::ceil;
  if (!options.kind.empty()) {
    settings.kind = parse_kind(options.kind);
    if (!settings.kind) {
      return bad_option("--kind", options.kind,
                        "ddsketch, hll, count-min, count-sketch, frequent-items or stats");
    }
  }
  if (!read_name(options.element, std::array<std::string_view, 3>{"u64", "i64", "f64"}, settings.element)) {
    return bad_option("--element", options.element, "u64, i64 or f64");
  }
  if (!read_name(options.item, std::array<std::string_view, 2>{"text", "i64"}, settings.item)) {
    return bad_option("--item", options.item, "text or i64");
  }
  reading.item_given = !options.item.empty();
  if (!read_name(options.hashing, std::array<std::string_view, 2>{"xxh32", "asap"}, settings.hashing)) {
    return bad_option("--hashing", options.hashing, "xxh32 or asap");
  }
  if (!options.seed.empty() && !read_number(options.seed, settings.seed)) {
    return bad_option("--seed", options.seed, "a whole number such as 9001");
  }
  if (!options.accuracy.empty()) {
    double alpha = 0;
    if (!read_number(options.accuracy, alpha) || !(alpha > 1e-8 && alpha < 1)) {
      return bad_option("--accuracy", options.accuracy, "a share between 0 and 1 such as 0.01");
    }
    settings.mapping = sketch::Mapping::of_accuracy(alpha);
  }
  return reading;
}

std::vector<Format> candidates(std::string_view blob, const Reading& reading) {
  if (const auto certain = by_beginning(blob)) return {*certain};
  std::vector<Format> found;
  for (const Format format : kGuessed) {
    Settings settings = reading.settings;
    settings.format = format;
    const auto read = read_as(blob, settings, true);
    if (!read || !says_something(read->sketch)) continue;
    // Of a request all fields are passed over but the points: without one it says nothing.
    const auto* ddsketch = std::get_if<sketch::DDSketch>(&read->sketch);
    if (format == Format::otlp_exphistogram && ddsketch->empty()) continue;
    found.push_back(format);
  }
  return found;
}

engine::Result<ReadSketch> read_sketch(std::string_view bytes, const Reading& reading) {
  std::string from_hex;
  std::string_view blob = bytes;
  const bool hex_itself =
      reading.format ? *reading.format == Format::asapquery : by_beginning(bytes) == Format::asapquery;
  if (!hex_itself && is_hex(bytes)) blob = from_hex = unhex(bytes);
  if (hex_itself) blob = blob.substr(0, blob.find_last_not_of("\r\n ") + 1);

  Settings settings = reading.settings;
  if (!reading.format) {
    if (blob.empty()) {
      return engine::refused("zero bytes, which are an empty sketch of every format: name it by --format");
    }
    const auto found = candidates(blob, reading);
    if (found.empty() && !reading.settings.mapping && lacks_a_mapping(blob)) {
      return engine::refused(
          "the bytes can be read as ddsketch-binary that leaves its mapping out: --accuracy says which, such "
          "as "
          "--accuracy 0.01");
    }
    if (found.empty()) {
      return engine::refused("not a sketch of any format that can be detected" +
                             advice(blob, reading, Format::cell) + "; known are " + all_formats() +
                             " (--format names one and says what is wrong with it)");
    }
    if (found.size() > 1) {
      return engine::refused("the bytes can be read as " + names_of(found) +
                             ", and do not say which: name it by --format");
    }
    settings.format = found.front();
  }
  auto read = read_as(blob, settings, !reading.item_given);
  if (!read) {
    engine::Error error = read.error();
    error.detail += advice(blob, reading, settings.format);
    return error;
  }
  if (settings.format == Format::ddsketch_proto && !reading.bin_rule_given && looks_like_javascript(blob)) {
    read->hint =
        "it looks written by JavaScript, whose bins end where others begin: --bin-rule ceil reads it so";
  }
  return read;
}

}  // namespace settle::cli
