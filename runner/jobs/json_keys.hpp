// runner/jobs/json_keys.hpp: finds keys given twice, of which a JSON parser would silently keep one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace settle::runner {

/// The first key that one object of the text holds twice, with the path to it: `labels.zone`. None: there is
/// no such key, or the text is not JSON.
[[nodiscard]] std::optional<std::string> duplicate_key(std::string_view json);

}  // namespace settle::runner
