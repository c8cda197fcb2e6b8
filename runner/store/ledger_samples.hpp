// runner/store/ledger_samples.hpp: the samples of a ledger block as bytes, in columns. Pure.
// docs/formats/store.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/model/bytes.hpp"
#include "engine/model/time.hpp"
#include "engine/stabilizer/sample.hpp"

namespace settle::runner {

/// Stands before the columns.
struct SamplesOutline {
  std::size_t count = 0;
  engine::Time bucket_min;  // without samples: the epoch
  engine::Time bucket_max;
  std::uint32_t revision_max = 0;
  bool operator==(const SamplesOutline&) const = default;
};
[[nodiscard]] SamplesOutline outline_samples(std::span<const engine::Sample> samples);

void encode_samples(engine::ByteWriter& out, std::span<const engine::Sample> samples);
/// What is wrong fails the reader; the result then says nothing.
[[nodiscard]] std::vector<engine::Sample> decode_samples(engine::ByteReader& in);
/// The beginning of what decode_samples() reads.
[[nodiscard]] SamplesOutline read_outline(engine::ByteReader& in);
/// As versions 1 and 2 of a block have them: without outline, each number of each sample in full.
[[nodiscard]] std::vector<engine::Sample> decode_samples_in_full(engine::ByteReader& in, bool with_replaced);

}  // namespace settle::runner
