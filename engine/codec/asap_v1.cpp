#include "engine/codec/asap_v1.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/codec/asap_ddsketch.hpp"
#include "engine/codec/asap_hll.hpp"
#include "engine/codec/asap_v1_frequency.hpp"
#include "engine/codec/msgpack.hpp"

namespace settle::codec {

namespace {

using sketch::Accumulator;
using sketch::CountMin;
using sketch::CountSketch;
using sketch::DDSketch;
using sketch::FrequentItems;
using sketch::Hll;

constexpr std::size_t kHead = 6 + 1 + 1 + 2 + 4 + 4;

engine::Error wrong(std::string_view what) {
  return engine::refused("not a sketch of ASAPv1: " + std::string{what});
}

std::uint32_t big_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

engine::Result<void> merge_hll(Hll& into, std::uint8_t variant, const AsapV1& blob) {
  MsgpackReader metadata{blob.metadata};
  const std::size_t keys = metadata.map();
  read_hash_profile(metadata, "canonical_seed_index", 5);
  metadata.expect("precision");
  AsapHll state;
  state.variant = variant;
  state.precision = metadata.u64();
  if (keys != 8 || !metadata.done()) return wrong("its metadata are not those of a HyperLogLog sketch");
  MsgpackReader payload{blob.payload};
  const std::size_t fields = payload.array();
  state.registers = payload.binary();
  if (variant == 3) {
    (void)payload.f64();
    (void)payload.f64();
    state.hip = payload.f64();
  }
  if (fields != (variant == 3 ? 4U : 1U) || !payload.done())
    return wrong("its payload is not that of its kind");
  return merge_asap_hll(into, state);
}

/// At most eight times the bytes of the message.
std::vector<std::uint64_t> read_counts(MsgpackReader& in) {
  std::vector<std::uint64_t> counts(in.array());
  for (std::uint64_t& count : counts) count = in.u64();
  return counts;
}

engine::Result<void> merge_ddsketch(DDSketch& into, const AsapV1& blob) {
  MsgpackReader metadata{blob.metadata};
  const std::size_t keys = metadata.map();
  metadata.expect("metadata_version");
  const std::uint64_t version = metadata.u64();
  metadata.expect("alpha");
  AsapDDSketch sketch;
  sketch.alpha = metadata.f64();
  if (keys != 2 || version < 1 || version > 2 || !metadata.done()) {
    return wrong("its metadata are not those of a DDSketch");
  }
  MsgpackReader payload{blob.payload};
  const std::size_t fields = payload.array();
  const std::vector<std::uint64_t> positive = read_counts(payload);
  sketch.positive = positive;
  sketch.positive_first = payload.i64();
  sketch.sum = payload.f64();
  sketch.min = payload.f64();
  sketch.max = payload.f64();
  std::vector<std::uint64_t> negative;
  if (version == 2) {
    negative = read_counts(payload);
    sketch.negative = negative;
    sketch.negative_first = payload.i64();
    sketch.zeros = payload.u64();
  }
  if (fields != (version == 2 ? 8U : 5U) || !payload.done())
    return wrong("its payload is not that of a DDSketch");
  return merge_asap_ddsketch(into, sketch);
}

}  // namespace

void read_hash_profile(MsgpackReader& metadata, std::string_view index_key, std::uint64_t index) {
  metadata.expect("metadata_version");
  if (metadata.u64() != 1) metadata.fail();
  for (const auto& [key, value] :
       std::array<std::array<std::string_view, 2>, 4>{{{"hash_profile_id", "projectasap.xxh3.seedlist.v1"},
                                                       {"hash_algorithm", "xxh3_64_128"},
                                                       {"seed_derivation", "seed_list_index_wrap"},
                                                       {"input_encoding", "projectasap.input.v1"}}}) {
    metadata.expect(key);
    metadata.expect(value);
  }
  metadata.expect("seed_list");
  if (metadata.array() != sketch::kAsapSeeds.size()) metadata.fail();
  for (const std::uint64_t seed : sketch::kAsapSeeds) {
    if (metadata.u64() != seed) metadata.fail();
  }
  if (index_key.empty()) return;
  metadata.expect(index_key);
  if (metadata.u64() != index) metadata.fail();
}

engine::Result<void> merge_asap_v1(Accumulator& into, std::string_view blob, const Settings& /*settings*/) {
  if (blob.empty()) return {};
  if (blob.size() < kHead || !blob.starts_with("ASAPv1")) return wrong("it does not begin as one");
  if (blob[6] != 1 || blob[7] != 2) return wrong("its version is not 1, or its kind has not two bytes");
  const auto family = static_cast<std::uint8_t>(blob[8]);
  const auto variant = static_cast<std::uint8_t>(blob[9]);
  const std::uint64_t metadata = big_endian(blob, 10);
  const std::uint64_t payload = big_endian(blob, 14);
  if (kHead + metadata + payload != blob.size()) return wrong("its lengths are not those of its bytes");
  const AsapV1 parts{blob.substr(kHead, metadata), blob.substr(kHead + metadata)};
  switch (family << 8 | variant) {
    case 0x0101:
    case 0x0102:
    case 0x0103:
      return merge_family<Hll>(into, [&](Hll& held) { return merge_hll(held, variant, parts); });
    case 0x0200:
    case 0x0300:
      return merge_family<CountMin>(
          into, [&](CountMin& held) { return merge_asap_v1_count_min(held, parts, family == 3); });
    case 0x0400:
    case 0x0a00:
      return merge_family<CountSketch>(
          into, [&](CountSketch& held) { return merge_asap_v1_count_sketch(held, parts, family == 10); });
    case 0x0500:
      return merge_family<DDSketch>(into, [&](DDSketch& held) { return merge_ddsketch(held, parts); });
    case 0x1800:
      return merge_family<FrequentItems>(
          into, [&](FrequentItems& held) { return merge_asap_v1_space_saving(held, parts); });
    default:
      return wrong("kind " + std::to_string(family) + "." + std::to_string(variant) + " is not read");
  }
}

}  // namespace settle::codec
