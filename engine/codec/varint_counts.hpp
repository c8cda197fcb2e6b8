// engine/codec/varint_counts.hpp: contiguous counts as packed varints, as ASAP and OTLP write them.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/sketch/bins.hpp"

namespace settle::codec {

/// Adds up over the chunks of a field, of which each continues the places of the one before.
struct VarintScan {
  std::int64_t places = 0;
  sketch::IndexRange counted;  // places of counts that are not zero
  std::uint64_t total = 0;     // saturates
  /// False if the chunk is no sequence of varints.
  [[nodiscard]] bool chunk(std::string_view packed);
  /// A count that came unpacked.
  void one(std::uint64_t count);
};

/// Adds weight * count to the bin of each place that has one. Scanned before.
struct VarintAdd {
  double* into = nullptr;  // of index `low`, shifted
  std::int64_t low = 0;
  std::int64_t first = 0;  // index of place 0, not shifted
  unsigned shift = 0;
  double weight = 1;
  std::int64_t place = 0;
  void chunk(std::string_view packed);
  void one(std::uint64_t count);
};

}  // namespace settle::codec
