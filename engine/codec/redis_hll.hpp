// engine/codec/redis_hll.hpp: what GET answers for a key of PFADD (Redis, Valkey and kin).
//
// "HYLL", u8 encoding (0 dense, 1 sparse), 3 zero bytes, 8 bytes of a cached count, which is not believed.
// 2^14 registers. Dense: six bits each, from the lowest bit of the first byte on. Sparse: 00xxxxxx a run of x
// + 1 zeros; 01xxxxxx yyyyyyyy of x * 256 + y + 1; 1vvvvvrr the value v + 1, r + 1 times.
#pragma once

#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/hll.hpp"

namespace settle::codec {

/// After an error `into` is as it was.
[[nodiscard]] engine::Result<void> merge_redis_hll(sketch::Hll& into, std::string_view blob,
                                                   const Settings& settings = {});

}  // namespace settle::codec
