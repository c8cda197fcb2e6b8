// engine/finality/finality.hpp: when a cell will not change any more. A closed variant.
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
/// Final at the age at which, as the stream's own past shows, at most a share of `error_target` of the cells
/// still changes. A change of less than `tolerance`, relative to the last value, counts as none.
struct Learned {
  double error_target = 0.01;  // 0.0001 to 0.5
  double tolerance = 0;        // 0 to 0.5
  bool operator==(const Learned&) const = default;
};
using Finality = std::variant<Consecutive, Fixed, Learned>;

/// What `learned` asks for at the moment; the other policies take no notice of it.
struct Demand {
  std::uint32_t polls = 3;                // evidence polls of the same value
  Duration moving_age = Duration::max();  // nothing learned: never
  bool operator==(const Demand&) const = default;
};

/// What was seen of one cell, or of one bucket's list of series, when it is judged.
struct Quiet {
  std::uint32_t evidence_polls = 0;  // since its last change, that poll included if it was evidence
  Duration moving_age{};             // moving time since the bucket's end
};
[[nodiscard]] bool decide_final(const Finality& policy, const Quiet& seen, const Demand& learned = {});

/// `consecutive:3`, `fixed:5m`, `learned`, `learned:0.01`, `learned:1%,tolerance=0.5%`.
[[nodiscard]] Result<Finality> parse_finality(std::string_view text);
/// The one text of a policy: shares as plain decimals, `learned` with its error target, no tolerance of 0.
[[nodiscard]] std::string format_finality(const Finality& policy);

}  // namespace settle::engine
