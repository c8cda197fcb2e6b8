// cli/sketch/blob.hpp: from a file's bytes to a sketch: which encoding it is, and what it does not say of
// itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/accumulator.hpp"

namespace settle::cli {

/// As they stand on the command line.
struct BlobOptions {
  std::string format{};  // "": detected
  std::string bin_rule = "floor";
  std::string kind{};     // asap-delta, asapquery
  std::string element{};  // datasketches-count-min
  std::string seed{};
  std::string item{};  // datasketches-frequent-items; "": whichever reads
  std::string hashing{};
  std::string accuracy{};  // ddsketch-binary without a mapping, deltas
};

struct Reading {
  std::optional<codec::Format> format;
  codec::Settings settings;
  bool item_given = false;
  bool bin_rule_given = false;  // it is not the default
};
/// The error names the option.
[[nodiscard]] engine::Result<Reading> parse_blob_options(const BlobOptions& options);

struct ReadSketch {
  codec::Settings settings;  // with which it was read
  sketch::Accumulator sketch;
  std::string hint;  // what may be meant otherwise; "": nothing
};
/// Text that is hexadecimal is read as the bytes it stands for. The error says what is wrong, where, and what
/// to do.
[[nodiscard]] engine::Result<ReadSketch> read_sketch(std::string_view bytes, const Reading& reading);

/// The encodings as which the bytes say something, by how they begin, or by trying all.
[[nodiscard]] std::vector<codec::Format> candidates(std::string_view blob, const Reading& reading);

[[nodiscard]] std::optional<codec::Kind> parse_kind(std::string_view text);
[[nodiscard]] std::string_view kind_text(const sketch::Accumulator& sketch);  // "ddsketch"

}  // namespace settle::cli
