// Encodings of quantile sketches and of exact statistics. The first byte: which one (low 3 bits), ceil bins
// (bit 3), a mapping in the settings (bit 4), an accumulator that holds something already (bit 5). Refused or
// usable; what is refused leaves the accumulator as it was, and what can be written is read as the same.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/codec/asap_ddsketch.hpp"
#include "engine/codec/ddsketch_binary.hpp"
#include "engine/codec/ddsketch_proto.hpp"
#include "engine/codec/otlp_exphistogram.hpp"
#include "engine/codec/stats.hpp"

namespace {

using settle::codec::Settings;
using settle::engine::Result;
using settle::sketch::DDSketch;
using settle::sketch::Mapping;

void require(bool holds) {
  if (!holds) std::abort();
}

Result<void> merge(unsigned which, DDSketch& into, std::string_view blob, const Settings& settings) {
  switch (which) {
    case 0:
      return merge_ddsketch_proto(into, blob, settings);
    case 1:
      return merge_ddsketch_binary(into, blob, settings);
    case 2:
      return merge_otlp_exphistogram(into, blob, settings);
    case 3:
      return merge_asap_ddsketch(into, blob, settings, 0.5);
    default:
      return merge_asap_ddsketch_delta(into, blob, settings);
  }
}

void read_stats(std::string_view blob) {
  const auto stats = settle::codec::parse_stats(blob);
  if (!stats) return;
  const auto again = settle::codec::parse_stats(settle::codec::encode_stats(*stats));
  require(bool{again} && *again == *stats);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned choice = data[0];
  const std::string_view blob{reinterpret_cast<const char*>(data) + 1, size - 1};
  if ((choice & 7U) > 4) {
    read_stats(blob);
    return 0;
  }
  Settings settings;
  if ((choice & 8U) != 0) settings.bin_rule = settle::codec::BinRule::ceil;
  if ((choice & 16U) != 0) settings.mapping = Mapping::of_accuracy(0.01);
  DDSketch sketch;
  if ((choice & 32U) != 0) {
    sketch = DDSketch{(choice & 2U) != 0 ? DDSketch::of_scale(5) : Mapping::of_accuracy(0.01)};
    require(sketch.add(1) && sketch.add(-2) && sketch.add(0));
  }
  const auto before = canonical_hash(sketch);
  if (!merge(choice & 7U, sketch, blob, settings)) {
    require(canonical_hash(sketch) == before);
    return 0;
  }
  require(sketch.count() >= 0);
  (void)sketch.quantile(0);
  (void)sketch.quantile(0.99);
  (void)sketch.sum();
  if (sketch.count() > 0x1p60) return 0;  // what it adds up to may be more than a count that is read
  DDSketch again;
  require(
      bool{settle::codec::merge_ddsketch_binary(again, settle::codec::encode_ddsketch_binary(sketch), {})});
  if (const auto encoded = settle::codec::encode_ddsketch_proto(sketch)) {
    DDSketch proto;
    require(bool{settle::codec::merge_ddsketch_proto(proto, *encoded, {})});
    require(proto.positive().range() == sketch.positive().range());
    require(proto.negative().range() == sketch.negative().range());
  }
  return 0;
}
