#include "engine/codec/cell/frame.hpp"

#include <xxhash.h>

#include "engine/codec/cell/bodies.hpp"
#include "engine/codec/stats.hpp"
#include "engine/model/bytes.hpp"
#include "engine/sketch/load.hpp"

namespace settle::codec {

namespace {

using sketch::Accumulator;
using sketch::CountMin;
using sketch::CountSketch;
using sketch::DDSketch;
using sketch::FrequentItems;
using sketch::Hll;
using sketch::merge_family;
using sketch::Stats;

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHead = 6;
constexpr std::size_t kCheck = 4;

enum FrameKind : std::uint8_t {
  kDdsketch = 1,
  kHll = 2,
  kCountMin = 3,
  kCountSketch = 4,
  kFrequentItems = 5,
  kStats = 6
};

engine::Error wrong(std::string_view what) {
  return engine::refused("not a cell frame: " + std::string{what});
}

std::uint32_t check_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(XXH3_64bits(bytes.data(), bytes.size()));
}

engine::Result<void> check_frame(std::string_view frame) {
  if (frame.substr(0, kCellMagic.size()) != kCellMagic.substr(0, frame.size())) {
    return wrong("it does not begin with \"SCEL\"");
  }
  if (frame.size() < kHead + kCheck) {
    return wrong("cut short: " + std::to_string(frame.size()) + " bytes of at least " +
                 std::to_string(kHead + kCheck));
  }
  const auto version = static_cast<std::uint8_t>(frame[4]);
  if (version != kVersion) {
    return wrong("version " + std::to_string(version) + " is not known here; read is version 1");
  }
  const std::size_t checked = frame.size() - kCheck;
  if (sketch::load<std::uint32_t>(frame.data() + checked) != check_of(frame.substr(0, checked))) {
    return wrong("its checksum is another: it was cut short or damaged on its way");
  }
  return {};
}

/// Only as they are written.
engine::Result<void> merge_stats_body(Stats& into, std::string_view body) {
  const auto stats = parse_stats(body);
  if (!stats) return stats.error();
  if (encode_stats(*stats) != body) return wrong("its statistics are not written as they must be");
  return into.merge_in_time(*stats);
}

template <class Family>
engine::Result<void> merge_body(Accumulator& into, std::string_view body,
                                engine::Result<void> (*merge_one)(Family&, std::string_view)) {
  return merge_family<Family>(into, [&](Family& held) { return merge_one(held, body); });
}

}  // namespace

engine::Result<void> merge_cell(Accumulator& into, std::string_view frame) {
  if (frame.empty()) return {};
  if (auto fine = check_frame(frame); !fine) return fine;
  const std::string_view body = frame.substr(kHead, frame.size() - kHead - kCheck);
  switch (static_cast<std::uint8_t>(frame[5])) {
    case kDdsketch:
      return merge_body<DDSketch>(into, body, &cell::merge_ddsketch);
    case kHll:
      return merge_body<Hll>(into, body, &cell::merge_hll);
    case kCountMin:
      return merge_body<CountMin>(into, body, &cell::merge_count_min);
    case kCountSketch:
      return merge_body<CountSketch>(into, body, &cell::merge_count_sketch);
    case kFrequentItems:
      return merge_body<FrequentItems>(into, body, &cell::merge_frequent_items);
    case kStats:
      return merge_body<Stats>(into, body, &merge_stats_body);
    default:
      return wrong("a sketch of kind " + std::to_string(static_cast<std::uint8_t>(frame[5])) +
                   ", which is not known");
  }
}

std::string encode_cell(const Accumulator& from) {
  std::string body;
  if (const auto* ddsketch = std::get_if<DDSketch>(&from)) body = cell::encode_ddsketch(*ddsketch);
  if (const auto* hll = std::get_if<Hll>(&from)) body = cell::encode_hll(*hll);
  if (const auto* count_min = std::get_if<CountMin>(&from)) body = cell::encode_matrix(*count_min);
  if (const auto* count_sketch = std::get_if<CountSketch>(&from)) body = cell::encode_matrix(*count_sketch);
  if (const auto* items = std::get_if<FrequentItems>(&from)) body = cell::encode_frequent_items(*items);
  if (const auto* stats = std::get_if<Stats>(&from)) body = encode_stats(*stats);
  if (std::holds_alternative<std::monostate>(from)) return {};
  return frame_of(static_cast<std::uint8_t>(from.index()), body);
}

std::string frame_of(std::uint8_t kind, std::string_view body) {
  std::string frame{kCellMagic};
  frame.reserve(kHead + body.size() + kCheck);
  frame.push_back(static_cast<char>(kVersion));
  frame.push_back(static_cast<char>(kind));
  frame.append(body);
  std::uint32_t check = check_of(frame);
  for (std::size_t i = 0; i < kCheck; ++i, check >>= 8) frame.push_back(static_cast<char>(check));
  return frame;
}

}  // namespace settle::codec
