// engine/promql/literals.hpp: the numbers and durations of PromQL, and what an error says was there instead.
#pragma once

#include <string>
#include <string_view>

#include "engine/model/label_text.hpp"
#include "engine/model/time.hpp"
#include "engine/result.hpp"

namespace settle::engine {

/// `12`, `.5`, `1e-3`, `0x1F`, `1_000`, `Inf`, `NaN`; no sign. Whole numbers that begin with 0 are refused:
/// Prometheus reads them as octal.
[[nodiscard]] Result<double> read_number(LabelScanner& in, std::string_view expected);
/// `5m`, `1h30m`, `1w`; units y, w, d, h, m, s, ms, each at most once and in falling order; or a number of
/// seconds. At least 1 ms, at most 100 years.
[[nodiscard]] Result<Duration> read_window(LabelScanner& in);

/// "<expected>, found <what stands there> at column N".
[[nodiscard]] Error found_instead(const LabelScanner& in, std::string_view expected);

}  // namespace settle::engine
