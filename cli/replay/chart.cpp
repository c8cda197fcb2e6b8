#include "cli/replay/chart.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

namespace settle::cli {
namespace {

constexpr double kWidth = 880;
constexpr double kHeight = 540;
constexpr double kLeft = 84;
constexpr double kRight = 848;
constexpr double kTop = 92;
constexpr double kBottom = 424;    // of the logarithmic part
constexpr double kNoneLine = 452;  // where a share of zero lies
constexpr double kCharWidth = 6.5;
constexpr double kLabelHeight = 13;
constexpr double kMark = 5;

/// No variables: not every viewer knows them.
constexpr std::string_view kStyle = R"(<style>
text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
.title{font-size:17px;font-weight:600}
.bg{fill:#ffffff}.ink{fill:#1b2733}.soft{fill:#5c6b7a}.grid{stroke:#e3e8ee}.axis{stroke:#9aa7b4}
.hollow,.line{fill:none}.hollow{stroke-width:1.8}.line{stroke-width:1.5;opacity:.5}
.whisker{stroke-width:1.2;opacity:.45}.target{stroke-dasharray:5 4;opacity:.8}
.consecutive .mark,.consecutive .label{fill:#b5500a}.consecutive .line,.consecutive .whisker{stroke:#b5500a}
.fixed .mark,.fixed .label{fill:#4666b0}.fixed .line,.fixed .whisker{stroke:#4666b0}
.learned .mark,.learned .label{fill:#0b7a5b}
.learned .line,.learned .whisker,.learned .hollow,.learned .target{stroke:#0b7a5b}
@media (prefers-color-scheme:dark){
.bg{fill:#12181f}.ink{fill:#e6edf3}.soft{fill:#9aa9b8}.grid{stroke:#26303b}.axis{stroke:#5a6875}
.consecutive .mark,.consecutive .label{fill:#f0934a}.consecutive .line,.consecutive .whisker{stroke:#f0934a}
.fixed .mark,.fixed .label{fill:#8fabf2}.fixed .line,.fixed .whisker{stroke:#8fabf2}
.learned .mark,.learned .label{fill:#43cfa0}
.learned .line,.learned .whisker,.learned .hollow,.learned .target{stroke:#43cfa0}
}
</style>
)";

std::string number(double x) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), x, std::chars_format::fixed, 1);
  return {text.data(), end.ptr};
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// `0.1 %`: of a decade.
std::string decade_text(double share) {
  std::array<char, 32> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), 100 * share, std::chars_format::general, 3);
  return std::string(text.data(), end.ptr) + " %";
}

std::string text_at(double x, double y, std::string_view look, std::string_view text,
                    std::string_view anchor = "start") {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" class=\"" + std::string(look) +
         "\" text-anchor=\"" + std::string(anchor) + "\">" + escaped(text) + "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, std::string_view look) {
  return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" +
         number(y2) + "\" class=\"" + std::string(look) + "\"/>\n";
}

double seconds_of(engine::Duration age) {
  return std::max(1.0, static_cast<double>(age.count()) / 1000);
}

/// From numbers to places on the picture.
struct Scales {
  double age_from = 1;
  double age_to = 10;
  double share_from = 0.001;
  double share_to = 1;

  [[nodiscard]] double x(double seconds) const {
    return kLeft + (kRight - kLeft) * std::log(seconds / age_from) / std::log(age_to / age_from);
  }
  [[nodiscard]] double y(double share) const {
    if (share <= 0) return kNoneLine;
    return kBottom - (kBottom - kTop) * std::log(share / share_from) / std::log(share_to / share_from);
  }
};

Scales scales_of(const Comparison& comparison) {
  Scales s{.age_from = 1e9, .age_to = 1, .share_from = 0.01, .share_to = 0.01};
  for (const Contender& one : comparison.contenders) {
    const ReplayFigures& f = one.figures;
    s.age_from = std::min(s.age_from, seconds_of(f.mean_age));
    s.age_to = std::max({s.age_to, seconds_of(f.mean_age), seconds_of(f.p99_age)});
    for (const std::uint64_t count : {f.wrong_at_first, f.off_at_first}) {
      const double share = share_of(count, f.windows);
      if (share > 0) s.share_from = std::min(s.share_from, share);
      s.share_to = std::max(s.share_to, share);
    }
  }
  s.age_from /= 1.25;
  s.age_to *= 1.2;
  s.share_from = std::pow(10, std::floor(std::log10(s.share_from)));
  s.share_to = std::min(1.0, s.share_to * 2);
  return s;
}

std::string_view family_of(const engine::Finality& policy) {
  constexpr std::array<std::string_view, 3> kFamilies{"consecutive", "fixed", "learned"};
  static_assert(kFamilies.size() == std::variant_size_v<engine::Finality>);
  return kFamilies[policy.index()];
}

struct Point {
  const Contender* of = nullptr;
  double x = 0;
  double y = 0;
  double off_y = 0;  // of the hollow mark
  bool has_off = false;
};

struct Box {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
  [[nodiscard]] bool overlaps(const Box& other) const {
    return x < other.x + other.width && other.x < x + width && y < other.y + other.height &&
           other.y < y + height;
  }
};

std::vector<Point> points_of(const Comparison& comparison, const Scales& scales) {
  std::vector<Point> points;
  for (const Contender& one : comparison.contenders) {
    const ReplayFigures& f = one.figures;
    const auto* learned = std::get_if<engine::Learned>(&one.policy);
    points.push_back({.of = &one,
                      .x = scales.x(seconds_of(f.mean_age)),
                      .y = scales.y(share_of(f.wrong_at_first, f.windows)),
                      .off_y = scales.y(share_of(f.off_at_first, f.windows)),
                      .has_off = learned != nullptr && learned->tolerance > 0});
  }
  return points;
}

std::string draw_axes(const Scales& scales) {
  std::string svg;
  for (double decade = scales.share_from; decade <= scales.share_to * 1.001; decade *= 10) {
    svg += line(kLeft, scales.y(decade), kRight, scales.y(decade), "grid");
    svg += text_at(kLeft - 8, scales.y(decade) + 4, "soft", decade_text(decade), "end");
  }
  svg += line(kLeft, kNoneLine, kRight, kNoneLine, "grid");
  svg += text_at(kLeft - 8, kNoneLine + 4, "soft", "none", "end");
  constexpr std::array<std::pair<double, std::string_view>, 21> kAges{
      {{1, "1s"},      {2, "2s"},     {5, "5s"},     {10, "10s"},  {20, "20s"},  {30, "30s"},
       {60, "1m"},     {120, "2m"},   {180, "3m"},   {300, "5m"},  {420, "7m"},  {600, "10m"},
       {900, "15m"},   {1200, "20m"}, {1800, "30m"}, {3600, "1h"}, {7200, "2h"}, {21600, "6h"},
       {43200, "12h"}, {86400, "1d"}, {172800, "2d"}}};
  double last = -100;
  for (const auto& [seconds, text] : kAges) {
    if (seconds < scales.age_from || seconds > scales.age_to) continue;
    const double x = scales.x(seconds);
    if (x - last < 34) continue;
    last = x;
    svg += line(x, kTop, x, kNoneLine + 8, "grid");
    svg += text_at(x, kNoneLine + 25, "soft", text, "middle");
  }
  svg += line(kLeft, kNoneLine + 8, kRight, kNoneLine + 8, "axis");
  svg += text_at((kLeft + kRight) / 2, kNoneLine + 48, "ink",
                 "age at first emission: mean, whisker to p99 (time since the end of the window, log scale)",
                 "middle");
  svg += "<text transform=\"translate(22 " + number((kTop + kNoneLine) / 2) +
         ") rotate(-90)\" class=\"ink\" text-anchor=\"middle\">windows wrong at first emission (log "
         "scale)</text>\n";
  return svg;
}

/// The family's points joined by age: the curve that its one knob moves along.
std::string draw_curve(std::string_view family, const std::vector<Point>& points) {
  std::vector<std::pair<double, double>> path;
  for (const Point& point : points) {
    if (family_of(point.of->policy) == family) path.emplace_back(point.x, point.y);
  }
  if (path.size() < 2) return "";
  std::sort(path.begin(), path.end());
  std::string svg = "<g class=\"" + std::string(family) + "\"><polyline class=\"line\" points=\"";
  for (const auto& [x, y] : path) svg += number(x) + "," + number(y) + " ";
  svg.back() = '"';
  return svg + "/></g>\n";
}

std::string draw_targets(const Comparison& comparison, const Scales& scales) {
  std::string svg;
  std::vector<double> drawn;
  for (const Contender& one : comparison.contenders) {
    const auto* learned = std::get_if<engine::Learned>(&one.policy);
    if (learned == nullptr || std::count(drawn.begin(), drawn.end(), learned->error_target) > 0) continue;
    if (learned->error_target < scales.share_from || learned->error_target > scales.share_to) continue;
    drawn.push_back(learned->error_target);
    const double y = scales.y(learned->error_target);
    svg += "<g class=\"learned\">" + line(kLeft, y, kRight, y, "target") +
           text_at(kRight, y - 5, "label", "target " + decade_text(learned->error_target), "end") + "</g>\n";
  }
  return svg;
}

std::string draw_point(const Point& point, const Scales& scales) {
  const ReplayFigures& f = point.of->figures;
  const double p99 = scales.x(seconds_of(f.p99_age));
  std::string svg =
      line(point.x, point.y, p99, point.y, "whisker") + line(p99, point.y - 3, p99, point.y + 3, "whisker");
  if (point.has_off) {
    svg += line(point.x, point.y, point.x, point.off_y, "whisker") + "<circle class=\"hollow\" cx=\"" +
           number(point.x) + "\" cy=\"" + number(point.off_y) + "\" r=\"" + number(kMark) + "\"/>\n";
  }
  return svg + "<circle class=\"mark\" cx=\"" + number(point.x) + "\" cy=\"" + number(point.y) + "\" r=\"" +
         number(kMark) + "\"><title>" + escaped(engine::format_finality(point.of->policy)) + ": " +
         percent_text(share_of(f.wrong_at_first, f.windows)) + " % wrong</title></circle>\n";
}

/// Beside, above or below its mark, where nothing is yet; else beside it all the same.
Box place_label(const Point& point, double width, const std::vector<Box>& taken) {
  const double left = point.x - 9 - width;
  const double right = point.x + 9;
  const double middle = point.x - width / 2;
  const std::array<Box, 10> places{{{right, point.y - 16, width, kLabelHeight},
                                    {left, point.y - 16, width, kLabelHeight},
                                    {left, point.y - 6, width, kLabelHeight},
                                    {left, point.y + 5, width, kLabelHeight},
                                    {right, point.y + 5, width, kLabelHeight},
                                    {middle, point.y - 24, width, kLabelHeight},
                                    {middle, point.y + 12, width, kLabelHeight},
                                    {middle, point.y - 38, width, kLabelHeight},
                                    {middle, point.y + 26, width, kLabelHeight},
                                    {left, point.y - 30, width, kLabelHeight}}};
  for (const Box& place : places) {
    if (place.x < kLeft || place.x + width > kWidth || place.y < kTop - 20) continue;
    if (std::none_of(taken.begin(), taken.end(), [&](const Box& box) { return box.overlaps(place); }))
      return place;
  }
  return places.front().x + width > kWidth ? places[1] : places.front();
}

/// What labels keep clear of: marks, whiskers and the lines of targets.
std::vector<Box> taken_places(const std::vector<Point>& points, const Scales& scales) {
  std::vector<Box> taken;
  for (const Point& point : points) {
    taken.push_back({point.x - kMark, point.y - kMark, 2 * kMark, 2 * kMark});
    if (point.has_off) taken.push_back({point.x - kMark, point.off_y - kMark, 2 * kMark, 2 * kMark});
    const double p99 = scales.x(seconds_of(point.of->figures.p99_age));
    taken.push_back({point.x, point.y - 1, p99 - point.x, 2});
    const auto* learned = std::get_if<engine::Learned>(&point.of->policy);
    if (learned == nullptr) continue;
    const double target = scales.y(learned->error_target);
    taken.push_back({kLeft, target - 1, kRight - kLeft, 2});
    taken.push_back({kRight - 80, target - 16, 80, 16});  // its text
  }
  return taken;
}

std::string draw_labels(const std::vector<Point>& points, const Scales& scales) {
  std::vector<Box> taken = taken_places(points, scales);
  std::string svg;
  for (const Point& point : points) {
    const std::string text = engine::format_finality(point.of->policy);
    const Box box = place_label(point, kCharWidth * static_cast<double>(text.size()), taken);
    taken.push_back(box);
    svg += "<g class=\"" + std::string(family_of(point.of->policy)) + "\">" +
           text_at(box.x, box.y + kLabelHeight - 3, "label", text) + "</g>\n";
  }
  return svg;
}

}  // namespace

std::string draw_chart(const Comparison& comparison, const ChartTexts& texts) {
  const Scales scales = scales_of(comparison);
  const std::vector<Point> points = points_of(comparison, scales);
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(kWidth) + " " +
                    number(kHeight) + "\" role=\"img\" aria-label=\"" + escaped(texts.title) + kChartMark +
                    ">\n" + std::string(kStyle) +
                    "<rect class=\"bg\" width=\"100%\" height=\"100%\" rx=\"8\"/>\n" +
                    text_at(28, 38, "ink title", texts.title + ": how wrong, how late") +
                    text_at(28, 60, "soft", texts.subtitle + "; down and to the left is better");
  svg += draw_axes(scales) + draw_targets(comparison, scales);
  for (const std::string_view family : {"consecutive", "fixed"}) svg += draw_curve(family, points);
  bool any_off = false;
  for (const Point& point : points) {
    svg += "<g class=\"" + std::string(family_of(point.of->policy)) + "\">" + draw_point(point, scales) +
           "</g>\n";
    any_off = any_off || point.has_off;
  }
  svg += draw_labels(points, scales);
  if (any_off) {
    svg += text_at(kRight, kHeight - 12, "soft",
                   "hollow: share that is off by more than " + decade_text(comparison.off_by), "end");
  }
  return svg + "</svg>\n";
}

}  // namespace settle::cli
