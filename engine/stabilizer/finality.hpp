// engine/stabilizer/finality.hpp: when a cell will not change any more. A closed variant: `learned` joins it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "engine/model/time.hpp"
#include "engine/result.hpp"

namespace settle::engine {

/// Final after `polls` evidence polls that saw the same value, the one that brought the value included.
struct Consecutive {
  std::uint32_t polls = 3;  // >= 1
  bool operator==(const Consecutive&) const = default;
};
/// Final when the bucket's age in moving time has reached `age`, however often it changed.
struct Fixed {
  Duration age{};  // > 0
  bool operator==(const Fixed&) const = default;
};
using Finality = std::variant<Consecutive, Fixed>;

/// What was seen of one cell, or of one bucket's list of series, when it is judged.
struct Quiet {
  std::uint32_t evidence_polls = 0;  // since its last change, that poll included if it was evidence
  Duration moving_age{};             // moving time since the bucket's end
};
[[nodiscard]] bool decide_final(const Finality& policy, const Quiet& seen);

/// `consecutive:3`, `fixed:5m`.
[[nodiscard]] Result<Finality> parse_finality(std::string_view text);
[[nodiscard]] std::string format_finality(const Finality& policy);

}  // namespace settle::engine
