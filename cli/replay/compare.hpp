// cli/replay/compare.hpp: several finality policies on one trace, side by side.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/replay/replay.hpp"
#include "engine/finality/finality.hpp"
#include "engine/result.hpp"
#include "fetchers/trace.hpp"

namespace settle::cli {

struct Contender {
  engine::Finality policy;
  ReplayFigures figures;
};
struct Comparison {
  std::vector<Contender> contenders;
  double off_by = 0;  // the largest tolerance among them; 0: none has one
};

/// `consecutive:2,3,5` and `fixed:5m,10m` are lists; `learned:0.01,tolerance=1%` is one policy.
[[nodiscard]] engine::Result<std::vector<engine::Finality>> parse_contenders(std::string_view text);

/// Runs the policies on as many threads as the machine has cores. `options.off_by` 0: the largest tolerance.
[[nodiscard]] engine::Result<Comparison> compare(const fetchers::TraceHistory& history, ReplayOptions options,
                                                 const std::vector<engine::Finality>& policies);

[[nodiscard]] std::string format_comparison(const Comparison& comparison);

/// `0.83`, `12`, `<0.01`: a share as percent, two digits that count.
[[nodiscard]] std::string percent_text(double share);
[[nodiscard]] double share_of(std::uint64_t part, std::uint64_t all);

}  // namespace settle::cli
