// engine/codec/format.hpp: the encodings of sketches that are read, and what a blob does not say about
// itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/sketch/mapping.hpp"

namespace settle::codec {

/// Written in cell frames: never renumber. The names are those of `settle sketch inspect --format`.
enum class Format : std::uint8_t {
  ddsketch_proto = 1,               // ddsketch-proto
  ddsketch_binary = 2,              // ddsketch-binary
  asap_envelope = 3,                // asap-envelope
  asap_delta = 4,                   // asap-delta: a bare message, whose kind the source says
  asap_v1 = 5,                      // asap-v1
  datasketches_hll = 6,             // datasketches-hll
  datasketches_frequent_items = 7,  // datasketches-frequent-items
  datasketches_count_min = 8,       // datasketches-count-min
  otlp_exphistogram = 9,            // otlp-exphistogram
  redis_hll = 10,                   // redis-hll
  postgresql_hll = 11,              // postgresql-hll
  asapquery = 12,                   // asapquery: hex of gzip of msgpack
  stats = 13,                       // stats: our own count, sum, min, max, first, last, increase
  cell = 14,                        // cell: our own frame, of every family
};
[[nodiscard]] std::string_view format_text(Format format);
[[nodiscard]] std::optional<Format> parse_format(std::string_view text);

enum class Kind : std::uint8_t { ddsketch, hll, count_min, count_sketch, frequent_items, stats };

/// Go, Java and ASAP: bin i covers [gamma^i, gamma^(i+1)); JavaScript and Python: key k covers (gamma^(k-1),
/// gamma^k].
enum class BinRule : std::uint8_t { floor, ceil };

/// Set per source.
struct Settings {
  Format format = Format::ddsketch_proto;
  BinRule bin_rule = BinRule::floor;
  std::optional<sketch::Mapping> mapping{};  // of binary blobs that leave theirs out
  std::optional<Kind> kind{};                // asap_delta, asapquery: what the message is
  enum class Element : std::uint8_t { u64, i64, f64 };
  Element element = Element::u64;  // datasketches_count_min: of its cells
  std::uint64_t seed = 9001;       // datasketches_count_min: of its hashing; this is the library's default
  enum class Item : std::uint8_t { text, i64 };
  Item item = Item::text;  // datasketches_frequent_items: what its items are
  enum class Hashing : std::uint8_t { xxh32, asap };
  Hashing hashing = Hashing::xxh32;  // asapquery: how keys find cells; asap: as in asap-v1, mode regular
};

}  // namespace settle::codec
