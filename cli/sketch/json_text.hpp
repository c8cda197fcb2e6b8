// cli/sketch/json_text.hpp: JSON for people: objects over several lines, numbers as short as they are exact.
#pragma once

#include <string>

#include <boost/json/fwd.hpp>

namespace settle::cli {

/// Ends with a line break. Objects and arrays within an array stand on one line each. A double that is whole
/// is written so; NaN and infinities, for which JSON has none, are null.
[[nodiscard]] std::string json_text(const boost::json::value& value);

}  // namespace settle::cli
