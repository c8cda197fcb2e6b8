#include "engine/codec/asap_envelope.hpp"

#include <algorithm>
#include <cstdint>

#include "engine/codec/asap_ddsketch.hpp"
#include "engine/codec/asap_hll.hpp"
#include "engine/codec/asap_matrix.hpp"
#include "engine/codec/datasketches_frequent_items.hpp"
#include "engine/codec/datasketches_hll.hpp"
#include "engine/codec/ddsketch_binary.hpp"
#include "engine/codec/wire.hpp"

namespace settle::codec {

namespace {

using sketch::Accumulator;
using sketch::CountMin;
using sketch::CountSketch;
using sketch::DDSketch;
using sketch::FrequentItems;
using sketch::Hll;
using sketch::MatrixShape;

enum Field : std::uint32_t {
  kCountMin = 10,
  kCountSketch = 11,
  kHll = 12,
  kKll = 13,
  kDdsketch = 14,
  kOwnCountMin = 110,
  kOwnCountSketch = 111,
  kOwnTexts = 112,
  kOwnIntegers = 113,
  kOwnHll = 114,
  kOwnDdsketch = 115,
};

engine::Error wrong(std::string_view what) {
  return engine::refused("not a SketchEnvelope of ASAP: " + std::string{what});
}

/// Empty if the hashing is the one that this program knows, otherwise what is strange. Both libraries state
/// the derivation "additive offset" whatever their matrices use, so that it says nothing.
std::string_view strange_hashing(std::string_view message) {
  WireReader fields{message};
  std::uint64_t algorithm = 0;
  std::uint64_t index = 5;
  std::size_t seeds = 0;
  bool seeds_agree = true;
  const auto see = [&](std::uint64_t seed) {
    seeds_agree = seeds_agree && seeds < sketch::kAsapSeeds.size() && seed == sketch::kAsapSeeds[seeds];
    ++seeds;
  };
  while (fields.next()) {
    if (fields.field() == 1) algorithm = fields.varint();
    if (fields.field() == 2) index = fields.varint();
    if (fields.field() == 3 && fields.is(WireType::varint)) see(fields.varint());
    if (fields.field() == 3 && fields.is(WireType::bytes)) {
      PackedVarints packed{fields.bytes()};
      for (std::uint64_t seed = 0; packed.next(seed);) see(seed);
      if (packed.failed()) fields.fail();
    }
  }
  if (fields.failed()) return "its hash specification does not decode";
  if (algorithm > 2) return "its keys are hashed by another function than XXH3";
  if (index != 5 || !seeds_agree || (seeds != 0 && seeds != sketch::kAsapSeeds.size())) {
    return "its keys are hashed with seeds of its own";
  }
  return {};
}

struct Envelope {
  std::uint64_t version = 0;
  double sample_p = 1;
  std::uint32_t field = 0;
  std::string_view state;
};

engine::Result<Envelope> read_envelope(std::string_view blob) {
  Envelope envelope;
  WireReader fields{blob};
  while (fields.next()) {
    const std::uint32_t field = fields.field();
    if (field == 1) envelope.version = fields.varint();
    if (field == 3) {
      if (const auto strange = strange_hashing(fields.bytes()); !strange.empty()) return wrong(strange);
    }
    if (field == 4 && fields.f64() != 0) envelope.sample_p = fields.f64();
    if ((field < 10 || field > 18) && (field < kOwnCountMin || field > kOwnDdsketch)) continue;
    if (!fields.is(WireType::bytes) || envelope.field != 0) return wrong("it does not hold one sketch");
    envelope.field = field;
    envelope.state = fields.bytes();
  }
  if (fields.failed()) return wrong("its bytes are no message");
  if (envelope.version != 1)
    return wrong("format version " + std::to_string(envelope.version) + " instead of 1");
  if (!sketch::is_share(envelope.sample_p)) return wrong("sample_p lies outside [1e-9, 1]");
  if (envelope.field == 0) return wrong("it holds no sketch");
  return envelope;
}

Settings of_items(Settings::Item item) {
  Settings settings;
  settings.item = item;
  return settings;
}

std::uint32_t field_of(const sketch::MatrixSketch& sketch, Field packed, Field own) {
  return sketch.matrix().shape().rule == MatrixShape::Rule::asap_packed ? packed : own;
}

}  // namespace

engine::Result<void> merge_asap_envelope(Accumulator& into, std::string_view blob, const Settings& settings) {
  if (blob.empty()) return {};
  const auto envelope = read_envelope(blob);
  if (!envelope) return envelope.error();
  const std::string_view state = envelope->state;
  const double sample_p = envelope->sample_p;
  switch (envelope->field) {
    case kCountMin:
    case kOwnCountMin:
      return merge_family<CountMin>(
          into, [&](CountMin& held) { return merge_asap_count_min(held, state, sample_p); });
    case kCountSketch:
    case kOwnCountSketch:
      return merge_family<CountSketch>(
          into, [&](CountSketch& held) { return merge_asap_count_sketch(held, state, sample_p); });
    case kHll:
      return merge_family<Hll>(into, [&](Hll& held) { return merge_asap_hll_state(held, state, sample_p); });
    case kDdsketch:
      return merge_family<DDSketch>(
          into, [&](DDSketch& held) { return merge_asap_ddsketch(held, state, settings, sample_p); });
    case kOwnTexts:
    case kOwnIntegers:
      return merge_family<FrequentItems>(into, [&](FrequentItems& held) {
        const bool texts = envelope->field == kOwnTexts;
        return merge_datasketches_frequent_items(
            held, state, of_items(texts ? Settings::Item::text : Settings::Item::i64));
      });
    case kOwnDdsketch:
      return merge_family<DDSketch>(
          into, [&](DDSketch& held) { return merge_ddsketch_binary(held, state, settings); });
    case kOwnHll:
      return merge_family<Hll>(into, [&](Hll& held) { return merge_datasketches_hll(held, state); });
    case kKll:
      return wrong("it holds a KLL sketch, which is not read");
    default:
      return wrong("it holds a sketch (field " + std::to_string(envelope->field) + ") that is not read");
  }
}

engine::Result<void> merge_asap_delta(Accumulator& into, std::string_view blob, const Settings& settings) {
  if (blob.empty()) return {};
  if (!settings.kind)
    return engine::refused("what the deltas are is not in their bytes: the source must say it");
  switch (*settings.kind) {
    case Kind::count_min:
      return merge_family<CountMin>(into,
                                    [&](CountMin& held) { return merge_asap_count_min_delta(held, blob); });
    case Kind::count_sketch:
      return merge_family<CountSketch>(
          into, [&](CountSketch& held) { return merge_asap_count_sketch_delta(held, blob); });
    case Kind::hll:
      return merge_family<Hll>(into, [&](Hll& held) { return merge_asap_hll_delta(held, blob); });
    case Kind::ddsketch:
      return merge_family<DDSketch>(
          into, [&](DDSketch& held) { return merge_asap_ddsketch_delta(held, blob, settings); });
    case Kind::frequent_items:
    case Kind::stats:
      break;
  }
  return engine::refused("ASAP has deltas of ddsketch, hll, count-min and count-sketch only");
}

engine::Result<std::string> encode_asap_envelope(const Accumulator& from) {
  WireWriter out;
  out.varint(1, 1);
  const auto matrix = [&](const sketch::MatrixSketch& held, Field packed, Field own) {
    if (!held.matrix().has_shape()) return std::string{};
    if (held.matrix().sample_p() < 1) out.f64(4, held.matrix().sample_p());
    out.bytes(field_of(held, packed, own), encode_asap_matrix(held));
    return std::move(out).take();
  };
  if (const auto* held = std::get_if<CountMin>(&from)) return matrix(*held, kCountMin, kOwnCountMin);
  if (const auto* held = std::get_if<CountSketch>(&from)) return matrix(*held, kCountSketch, kOwnCountSketch);
  if (const auto* held = std::get_if<FrequentItems>(&from)) {
    bool integers = held->items().size() != 0;
    held->items().for_each(
        [&](sketch::Key key, double) { integers = integers && key.kind == sketch::KeyKind::i64; });
    out.bytes(integers ? kOwnIntegers : kOwnTexts, encode_datasketches_frequent_items(*held));
    return std::move(out).take();
  }
  engine::Result<std::string> state;
  std::uint32_t field = kDdsketch;
  if (const auto* held = std::get_if<Hll>(&from)) {
    if (!held->has_kind()) return std::string{};
    const bool asap = held->kind().family == sketch::HllFamily::asap;
    field = asap ? kHll : kOwnHll;
    state = asap ? encode_asap_hll_state(*held) : encode_datasketches_hll(*held);
    if (held->kind().sample_p < 1) out.f64(4, held->kind().sample_p);
  } else if (const auto* ddsketch = std::get_if<DDSketch>(&from)) {
    if (!ddsketch->mapping()) return std::string{};
    state = encode_asap_ddsketch(*ddsketch);
    if (!state) {
      field = kOwnDdsketch;
      state = encode_ddsketch_binary(*ddsketch);
    }
  } else if (!std::holds_alternative<std::monostate>(from)) {
    return engine::refused("statistics have no place in a SketchEnvelope");
  } else {
    return std::string{};
  }
  if (!state) return state;
  if (state->empty()) return std::string{};
  out.bytes(field, *state);
  return std::move(out).take();
}

}  // namespace settle::codec
