// runner/store/dead_letter.hpp: rows a sink will never take, kept with the reason. docs/formats/store.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/result.hpp"
#include "runner/service.hpp"
#include "runner/store/store.hpp"

namespace settle::runner {

/// Key: key_of(tenant, sink) and the number, 8 bytes, big-endian.
[[nodiscard]] std::string encode_dead_letter(const DeadLetter& letter);
[[nodiscard]] engine::Result<DeadLetter> decode_dead_letter(std::string_view bytes);

/// Erases what was refused before `before`, and as many of the oldest, of whatever sink, as make room for
/// `surplus` bytes; at most `erased_max` of them.
void forget_dead_letters(const ReadTransaction& view, engine::Time before, std::uint64_t surplus,
                         std::size_t erased_max, WriteBatch& batch);

}  // namespace settle::runner
