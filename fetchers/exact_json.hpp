// fetchers/exact_json.hpp: JSON with numbers read to the nearest double. Boost.JSON 1.81 by itself is off by
// one unit in the last place for a fifth of all numbers with 17 digits, and "the same value" here means the
// same bits.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "engine/model/value.hpp"
#include "engine/result.hpp"

namespace settle::fetchers {

/// The error is the parser's words and the 1-based byte; the caller says which file or server. At most 32
/// levels. Of a key that is given twice the last one counts.
[[nodiscard]] engine::Result<boost::json::value> parse_exact_json(std::string_view text);
/// Refuses a key that is given twice: for what people write.
[[nodiscard]] engine::Result<boost::json::value> parse_strict_json(std::string_view text);

/// Whole numbers stay counts. Refuses what is no finite number.
[[nodiscard]] engine::Result<engine::Value> number_of(const boost::json::value& json);

}  // namespace settle::fetchers
