// runner/store/keys.hpp: the keys of the store: docs/formats/store.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/model/time.hpp"
#include "engine/stabilizer/sample.hpp"

namespace settle::runner {

/// Tenant, stream, job and sink names hold no NUL byte; a NUL ends each of them in a key.
[[nodiscard]] std::string key_u64(std::uint64_t n);  // 8 bytes, big-endian
[[nodiscard]] std::uint64_t read_u64(std::string_view eight_bytes);
/// 8 bytes that sort as the instants do, before the epoch, too.
[[nodiscard]] std::string key_time(engine::Time at);
[[nodiscard]] engine::Time read_key_time(std::string_view eight_bytes);
[[nodiscard]] std::string key_of(std::string_view tenant, std::string_view id);  // tenant 0 id 0
[[nodiscard]] std::string series_key(std::string_view tenant, std::string_view stream,
                                     engine::SeriesNumber n);
[[nodiscard]] std::string gap_key(std::string_view tenant, std::string_view stream, engine::Time from,
                                  std::string_view scope);
/// What follows the commit sequence: tenant 0 id 0 part (2 bytes, big-endian).
[[nodiscard]] std::string part_suffix(std::string_view tenant, std::string_view id, std::uint16_t part);
/// The smallest key greater than every key that starts with `prefix`; "" when there is none.
[[nodiscard]] std::string prefix_end(std::string_view prefix);

}  // namespace settle::runner
