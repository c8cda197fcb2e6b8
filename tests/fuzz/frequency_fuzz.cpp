// Blobs of heavy hitters, and ASAP's envelopes of all families. The first byte chooses the format.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/codec/asap_envelope.hpp"
#include "engine/codec/asapquery.hpp"
#include "engine/codec/codec.hpp"

namespace {

using namespace settle;
using codec::Format;
using codec::Kind;
using codec::Settings;
using sketch::Accumulator;

Settings settings_of(std::uint8_t choice) {
  Settings settings;
  const auto delta = [&](Kind kind) {
    settings.format = Format::asap_delta;
    settings.kind = kind;
  };
  switch (choice) {
    case '0':
      settings.format = Format::asap_envelope;
      break;
    case '1':
      settings.format = Format::asap_v1;
      break;
    case '2':
      delta(Kind::count_min);
      break;
    case '3':
      delta(Kind::count_sketch);
      break;
    case '4':
      delta(Kind::hll);
      break;
    case '5':
      delta(Kind::ddsketch);
      settings.mapping = sketch::Mapping::of_accuracy(0.01);
      break;
    case '6':
      settings.format = Format::datasketches_frequent_items;
      break;
    case '7':
      settings.format = Format::datasketches_frequent_items;
      settings.item = Settings::Item::i64;
      break;
    case '8':
      settings.format = Format::datasketches_count_min;
      break;
    case '9':
      settings.format = Format::datasketches_count_min;
      settings.element = Settings::Element::f64;
      break;
    default:
      settings.format = Format::asapquery;
      settings.kind = (choice & 1) != 0 ? Kind::count_min : Kind::frequent_items;
  }
  return settings;
}

void check_items(const sketch::TopAnswer& top) {
  for (const sketch::TopItem& item : top.items) {
    if (!(item.low <= item.estimate && item.estimate <= item.high)) std::abort();
  }
}

/// What was let in answers, and is read again as it was written.
void check(const Accumulator& into) {
  if (const auto* sketch = std::get_if<sketch::CountMin>(&into)) check_items(sketch->top_k(5));
  if (const auto* sketch = std::get_if<sketch::CountSketch>(&into)) check_items(sketch->top_k(5));
  if (const auto* items = std::get_if<sketch::FrequentItems>(&into)) check_items(items->top_k(5));
  const auto written = codec::encode_asap_envelope(into);
  if (!written) return;
  Accumulator again;
  if (!codec::merge_asap_envelope(again, *written, {})) std::abort();
  const auto twice = codec::encode_asap_envelope(again);
  if (!twice || *twice != *written) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view blob{reinterpret_cast<const char*>(data) + 1, size - 1};
  const Settings settings = settings_of(data[0]);
  Accumulator into;
  const bool merged = settings.format == Format::asapquery
                          ? codec::merge_asapquery_message(into, blob, settings).has_value()
                          : codec::merge(into, blob, settings).has_value();
  if (!merged) {
    if (!std::holds_alternative<std::monostate>(into)) std::abort();
    return 0;
  }
  check(into);
  return 0;
}
