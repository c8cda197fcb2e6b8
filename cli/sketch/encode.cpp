#include "cli/sketch/encode.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "engine/codec/asap_envelope.hpp"
#include "engine/codec/cell/frame.hpp"
#include "engine/codec/datasketches_frequent_items.hpp"
#include "engine/codec/datasketches_hll.hpp"
#include "engine/codec/ddsketch_binary.hpp"
#include "engine/codec/ddsketch_proto.hpp"
#include "engine/codec/stats.hpp"

namespace settle::cli {
namespace {

using codec::Format;
using sketch::Accumulator;

constexpr std::array kWritten{Format::cell,
                              Format::asap_envelope,
                              Format::ddsketch_proto,
                              Format::ddsketch_binary,
                              Format::datasketches_hll,
                              Format::datasketches_frequent_items,
                              Format::stats};

std::string_view written_formats(const Accumulator& sketch) {
  if (std::holds_alternative<sketch::DDSketch>(sketch)) {
    return "cell, ddsketch-proto, ddsketch-binary or asap-envelope";
  }
  if (std::holds_alternative<sketch::Hll>(sketch)) return "cell, datasketches-hll or asap-envelope";
  if (std::holds_alternative<sketch::FrequentItems>(sketch)) {
    return "cell, datasketches-frequent-items or asap-envelope";
  }
  if (std::holds_alternative<sketch::Stats>(sketch)) return "cell or stats";
  return "cell or asap-envelope";
}

}  // namespace

bool is_written(Format format) {
  return std::find(kWritten.begin(), kWritten.end(), format) != kWritten.end();
}

engine::Result<Format> parse_written_format(const std::string& text) {
  const auto format = codec::parse_format(text);
  if (format && is_written(*format)) return *format;
  std::string names;
  for (const Format one : kWritten) {
    names.append(names.empty() ? "" : ", ").append(codec::format_text(one));
  }
  const std::string what = format ? "\"" + text + "\" is read, not written" : "\"" + text + "\" is no format";
  return engine::refused("--to: " + what + "; written are " + names);
}

engine::Result<std::string> encode(const Accumulator& sketch, Format format) {
  const auto* ddsketch = std::get_if<sketch::DDSketch>(&sketch);
  const auto* hll = std::get_if<sketch::Hll>(&sketch);
  const auto* items = std::get_if<sketch::FrequentItems>(&sketch);
  const auto* stats = std::get_if<sketch::Stats>(&sketch);
  engine::Result<std::string> encoded =
      engine::refused("it cannot be written as " + std::string{codec::format_text(format)});
  if (format == Format::cell) encoded = codec::encode_cell(sketch);
  if (format == Format::asap_envelope) encoded = codec::encode_asap_envelope(sketch);
  if (format == Format::ddsketch_proto && ddsketch != nullptr)
    encoded = codec::encode_ddsketch_proto(*ddsketch);
  if (format == Format::ddsketch_binary && ddsketch != nullptr) {
    encoded = codec::encode_ddsketch_binary(*ddsketch);
  }
  if (format == Format::datasketches_hll && hll != nullptr) encoded = codec::encode_datasketches_hll(*hll);
  if (format == Format::datasketches_frequent_items && items != nullptr) {
    encoded = codec::encode_datasketches_frequent_items(*items);
  }
  if (format == Format::stats && stats != nullptr) encoded = codec::encode_stats(*stats);
  if (encoded) return encoded;
  return engine::refused(encoded.error().detail + "; " + std::string{family_text(sketch)} +
                         " can be written as " + std::string{written_formats(sketch)} + ": name it by --to");
}

std::string left_out(const Accumulator& sketch, Format format) {
  if (const auto* ddsketch = std::get_if<sketch::DDSketch>(&sketch)) {
    const bool collapsed = ddsketch->limits().positive_collapsed || ddsketch->limits().negative_collapsed;
    if (format == Format::cell) return "";
    std::string lost;
    if (format == Format::ddsketch_proto && ddsketch->exact() != sketch::DDSketch::Exact{}) {
      lost = "the exact count, sum, minimum and maximum";
    }
    if (collapsed) lost += std::string{lost.empty() ? "" : ", and "} + "that its lowest bins were collapsed";
    return lost;
  }
  if (const auto* items = std::get_if<sketch::FrequentItems>(&sketch)) {
    bool whole = true;
    items->items().for_each(
        [&](sketch::Key, double weight) { whole = whole && weight == std::trunc(weight); });
    if (format != Format::cell && !whole) return "fractions of weights, which are rounded";
  }
  return "";
}

}  // namespace settle::cli
