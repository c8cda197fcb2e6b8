#include "cli/demo/demo_curve.hpp"

#include <algorithm>
#include <cassert>
#include <set>

namespace settle::cli {
namespace {

using namespace std::chrono_literals;
using engine::Duration;
using engine::Time;

constexpr Duration kMinute = 1min;
/// A minute is first seen so long before its end.
constexpr Duration kAppearsBefore = 20s;
/// Steps of growth are closer than the polls (1 min), so that no poll sees a value twice by accident.
constexpr Duration kStepMax = 50s;
/// Less than two poll intervals: two polls fall into it, never three.
constexpr Duration kPlateau = 115s;
constexpr Duration kPlateauFrom = 60s;  // after the minute's end
constexpr Duration kStall = 6min;
constexpr Duration kFrontierEvery = 15s;

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers everywhere, unlike std::uniform_int_distribution.
class Numbers {
 public:
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }

 private:
  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ull;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  std::uint64_t state_ = 20260626;
};

/// Instants at which a minute grows, after its end; none: it appears with its final value.
std::vector<Duration> growth_instants(Numbers& numbers) {
  const Duration length = std::chrono::seconds(numbers.below(301));
  std::vector<Duration> instants;
  const auto count = static_cast<int>((length + kAppearsBefore + kStepMax - 1s) / kStepMax);
  for (int i = 1; i <= count; ++i) {
    const Duration at = (length + kAppearsBefore) * i / count - kAppearsBefore;
    instants.push_back(std::chrono::floor<std::chrono::seconds>(at));
  }
  if (length == 0s) instants.clear();
  return instants;
}

std::vector<Duration> plateau_instants() {
  return {15s, kPlateauFrom - 10s, kPlateauFrom, kPlateauFrom + kPlateau, kPlateauFrom + kPlateau + 40s};
}

/// First 40 to 80 % of the final count, then upwards, the final count last.
void add_minute(DemoCurve& curve, Time bucket, std::uint64_t final_count,
                const std::vector<Duration>& instants, Numbers& numbers) {
  const Time end = bucket + kMinute;
  const std::uint64_t first = instants.empty() ? final_count : final_count * (40 + numbers.below(41)) / 100;
  curve.steps.push_back({.at = end - kAppearsBefore, .bucket = bucket, .count = first});
  for (std::size_t i = 0; i < instants.size(); ++i) {
    const std::uint64_t count = first + (final_count - first) * (i + 1) / instants.size();
    curve.steps.push_back({.at = end + instants[i], .bucket = bucket, .count = count});
  }
}

/// What was due during the stall comes at its end; of several steps of one minute only the last is ever seen.
void apply_stall(DemoCurve& curve) {
  for (CurveStep& step : curve.steps) {
    if (curve.stall.contains(step.at)) step.at = curve.stall.to;
  }
  std::stable_sort(curve.steps.begin(), curve.steps.end(), [](const CurveStep& a, const CurveStep& b) {
    return a.at != b.at ? a.at < b.at : a.bucket < b.bucket;
  });
  std::vector<CurveStep> kept;
  for (const CurveStep& step : curve.steps) {
    if (!kept.empty() && kept.back().at == step.at && kept.back().bucket == step.bucket) kept.pop_back();
    kept.push_back(step);
  }
  curve.steps = std::move(kept);
}

std::string clock_text(Time at) {
  return engine::format_time(at).substr(11, 8);
}

}  // namespace

DemoCurve make_curve(const FinalCounts& finals) {
  assert(finals.size() >= 20);
  DemoCurve curve;
  const Time first = finals.begin()->first;
  const Time last = finals.rbegin()->first;
  // A third of the way in the minute stands still, half way the source does.
  curve.plateau_bucket = std::next(finals.begin(), static_cast<std::ptrdiff_t>(finals.size() / 3))->first;
  const Time plateau_from = curve.plateau_bucket + kMinute + kPlateauFrom;
  curve.plateau = {.from = plateau_from, .to = plateau_from + kPlateau};
  const Time stall_from =
      std::next(finals.begin(), static_cast<std::ptrdiff_t>(finals.size() / 2))->first + 35s;
  curve.stall = {.from = stall_from, .to = stall_from + kStall};

  Numbers numbers;
  for (const auto& [bucket, count] : finals) {
    const bool is_plateau = bucket == curve.plateau_bucket;
    add_minute(curve, bucket, count, is_plateau ? plateau_instants() : growth_instants(numbers), numbers);
  }
  for (const CurveStep& step : curve.steps) {
    if (step.bucket == curve.plateau_bucket && step.at == curve.plateau.from)
      curve.plateau_count = step.count;
  }
  apply_stall(curve);
  for (Time at = first; at <= last + 6 * kMinute; at += kFrontierEvery) {
    if (!curve.stall.contains(at)) curve.frontiers.push_back(at);
  }
  curve.frontiers.push_back(curve.stall.to);
  std::sort(curve.frontiers.begin(), curve.frontiers.end());
  curve.frontiers.erase(std::unique(curve.frontiers.begin(), curve.frontiers.end()), curve.frontiers.end());
  return curve;
}

std::string trace_lines(const DemoCurve& curve, const std::string& series) {
  std::string lines;
  auto frontier = curve.frontiers.begin();
  const auto add_frontiers = [&](Time before) {
    for (; frontier != curve.frontiers.end() && *frontier < before; ++frontier) {
      const std::string text = engine::format_time(*frontier);
      lines += R"({"at": ")" + text + R"(", "frontier": ")" + text + "\"}\n";
    }
  };
  for (const CurveStep& step : curve.steps) {
    add_frontiers(step.at);
    lines += R"({"at": ")" + engine::format_time(step.at) + R"(", "series": )" + series + R"(, "bucket": ")" +
             engine::format_time(step.bucket) + R"(", "value": )" + std::to_string(step.count) + "}\n";
  }
  add_frontiers(Time::max());
  return lines;
}

std::string describe(const DemoCurve& curve) {
  std::set<Time> buckets;
  Duration longest{};
  for (const CurveStep& step : curve.steps) {
    buckets.insert(step.bucket);
    if (step.at != curve.stall.to) longest = std::max(longest, step.at - step.bucket - kMinute);
  }
  const auto seconds = [](Duration d) { return engine::format_duration(d); };
  return "    " + std::to_string(buckets.size()) +
         " minutes of recorded final counts; how they arrived is made up, with a fixed seed:\n" +
         "    - every minute appears before it ends and grows for up to " + seconds(longest) +
         " after its end;\n" + "    - a plateau: minute " + clock_text(curve.plateau_bucket).substr(0, 5) +
         " stands still at " + std::to_string(curve.plateau_count) + " for " + seconds(kPlateau) +
         ", that is for 2 polls,\n      then grows again (consecutive:2 would take it for the end);\n" +
         "    - a stall: from " + clock_text(curve.stall.from) + " to " + clock_text(curve.stall.to) +
         " the source stands still; what was due comes all at once at its end\n" +
         "      (polls that only see it standing still are no evidence of anything).\n";
}

}  // namespace settle::cli
