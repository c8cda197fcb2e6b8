// cli/replay/chart.hpp: a comparison as a picture: how often wrong against how late.
#pragma once

#include <string>

#include "cli/replay/compare.hpp"

namespace settle::cli {

/// Stands in the first line of every chart, behind the title.
inline constexpr const char* kChartMark = ": error against latency\"";

struct ChartTexts {
  std::string title;
  std::string subtitle;
};

/// An SVG that stands alone, readable on a light and on a dark background. Across: mean age at the first
/// emission, with a whisker to the p99 age; upwards: share of windows wrong at the first emission; both
/// logarithmic, with a line of its own for "none". A policy with a tolerance has a second, hollow mark at its
/// share that is off by more than that.
[[nodiscard]] std::string draw_chart(const Comparison& comparison, const ChartTexts& texts);

}  // namespace settle::cli
