// engine/codec/postgresql_hll.hpp: storage version 1 of postgresql-hll and java-hll (aggregateknowledge's
// hll-storage-spec).
//
// [0] 1 << 4 | type (1 empty, 2 explicit, 3 sparse, 4 full), [1] (width - 1) << 5 | log2m, [2] when to become
// sparse and full, which is not needed. Explicit: 8-byte big-endian hashes, ascending as signed numbers.
// Sparse: a big-endian bit stream of (index of log2m bits, value of `width`), ascending. Full: the same of
// values alone. Padding bits are zero.
#pragma once

#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/hll.hpp"

namespace settle::codec {

/// log2m 4 to 18, any width. After an error `into` is as it was.
[[nodiscard]] engine::Result<void> merge_postgresql_hll(sketch::Hll& into, std::string_view blob,
                                                        const Settings& settings = {});

}  // namespace settle::codec
