// runner/dead_letter.hpp: rows a sink will never take, kept with the reason. docs/formats/store.md.
#pragma once

#include <string>
#include <string_view>

#include "engine/result.hpp"
#include "runner/service.hpp"

namespace settle::runner {

/// Key: key_of(tenant, sink) and the number, 8 bytes, big-endian.
[[nodiscard]] std::string encode_dead_letter(const DeadLetter& letter);
[[nodiscard]] engine::Result<DeadLetter> decode_dead_letter(std::string_view bytes);

}  // namespace settle::runner
