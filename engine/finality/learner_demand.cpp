// What the windows and the levels of a Learner make it ask for.
#include <algorithm>
#include <cmath>

#include "engine/finality/learner.hpp"

namespace settle::engine {

namespace {

constexpr std::uint32_t kColdPolls = 3;
constexpr Score kColdScore = 64;  // watch / 64: the least that a cold stream takes for the slowest seen
constexpr double kColdFactor = 1.5;
// Targets: with more of its cells unsettled a stream is watched too briefly to say anything.
constexpr double kUnsettledMost = 4;
constexpr double kBandZ = 5;            // standard errors
constexpr std::uint64_t kBandRank = 4;  // bands are told apart by the greatest quarter of all scores
constexpr std::uint64_t kDraws = 65'536;

/// Of some cells of the windows; a window counts as one.
struct Part {
  std::uint64_t windows = 0;
  std::uint64_t above = 0;  // weight
  [[nodiscard]] double share() const {
    return static_cast<double>(above) / static_cast<double>(windows * kWindowWeight);
  }
};

bool differ(const Part& a, const Part& b) {
  if (a.windows == 0 || b.windows == 0) return false;
  const double apart = a.share() - b.share();
  const double pooled = Part{.windows = a.windows + b.windows, .above = a.above + b.above}.share();
  const double variance =
      pooled * (1 - pooled) * (1 / static_cast<double>(a.windows) + 1 / static_cast<double>(b.windows));
  return apart * apart > kBandZ * kBandZ * variance;
}

/// Of the cells of one window that count; all of them share one weight.
template <class Cell, class Counts>
void add_window(Part& part, Cell first, Cell last, Score limit, Counts counts) {
  const auto size = static_cast<std::uint64_t>(
      std::count_if(first, last, [&](std::uint16_t cell) { return counts(Windows::cell(cell)); }));
  if (size == 0) return;
  ++part.windows;
  for (; first != last; ++first) {
    const AgedCell cell = Windows::cell(*first);
    part.above += counts(cell) && cell.score > limit ? kWindowWeight / size : 0;
  }
}

}  // namespace

/// One step less: polls come some milliseconds early or late.
Duration Learner::age_of(Score score) const {
  return score == 0 ? Duration{} : (score - 1) * unit_;
}

void Learner::update() {
  in_use_ = find_bands();
  splits_ = false;
  asked_[0] = asked_of(0);
  for (std::uint8_t band = 1; band < kBands; ++band) {
    if (!in_use_[band]) continue;
    asked_[band] = asked_of(band);
    splits_ = true;
  }
}

Demand Learner::demand_of_bucket(std::uint16_t draw) const {
  Demand slowest = asked_[0].of(draw);
  for (std::uint8_t band = 1; band < kBands; ++band) {
    if (in_use_[band]) slowest.moving_age = std::max(slowest.moving_age, asked_[band].of(draw).moving_age);
  }
  return slowest;
}

/// Enough windows have them, and they are told apart: to learn of few what all could tell costs latency.
std::array<bool, kBands> Learner::find_bands() const {
  std::array<bool, kBands> found{};
  if (!is_warm()) return found;
  std::array<std::size_t, kBands> windows{};
  std::vector<std::uint64_t> weights(std::size_t{kUnsettled} + 1);
  windows_.for_each([&](auto first, auto last) {
    const auto size = static_cast<std::uint64_t>(last - first);
    unsigned bands = 0;
    for (; first != last; ++first) {
      const AgedCell cell = Windows::cell(*first);
      bands |= 1U << cell.band;
      weights[cell.score] += kWindowWeight / size;
    }
    for (std::uint8_t band = 1; band < kBands; ++band) windows[band] += (bands >> band) & 1U;
  });
  std::uint64_t left = windows_.size() * kWindowWeight / kBandRank;
  Score limit = kUnsettled;
  while (limit > 0 && weights[limit] <= left) left -= weights[limit--];
  for (std::uint8_t band = 1; band < kBands; ++band) {
    if (windows[band] < enough_) continue;
    Part own;
    Part others;
    windows_.for_each([&](auto first, auto last) {
      add_window(own, first, last, limit, [band](AgedCell cell) { return cell.band == band; });
      add_window(others, first, last, limit, [band](AgedCell cell) { return cell.band != band; });
    });
    found[band] = differ(own, others);
  }
  return found;
}

Learner::Asked Learner::asked_of(std::uint8_t group) const {
  // Weight by score; a window counts as one.
  std::vector<std::uint64_t> weights(std::size_t{kUnsettled} + 1);
  std::uint64_t windows = 0;
  Score highest = 0;
  windows_.for_each([&](auto first, auto last) {
    const auto counts = [&](std::uint16_t cell) { return group == 0 || Windows::cell(cell).band == group; };
    const auto size = static_cast<std::uint64_t>(std::count_if(first, last, counts));
    if (size == 0) return;
    ++windows;
    for (; first != last; ++first) {
      if (!counts(*first)) continue;
      weights[Windows::cell(*first).score] += kWindowWeight / size;
      highest = std::max(highest, Windows::cell(*first).score);
    }
  });
  if (windows < enough_) return {.most = cold_demand(windows, highest)};
  const double allowed_windows = levels_[group] * static_cast<double>(windows + 1) - 1;
  const auto allowed = static_cast<std::uint64_t>(
      std::max(0.0, std::floor(allowed_windows * static_cast<double>(kWindowWeight) + 1e-6)));
  std::uint64_t above = 0;
  std::size_t score = kUnsettled;
  while (score > 0 && above + weights[score] <= allowed) above += weights[score--];
  if (score == kUnsettled) {
    const double share = static_cast<double>(weights[score]) /
                         (static_cast<double>(kWindowWeight) * static_cast<double>(windows));
    if (share > kUnsettledMost * target_) return {.most = {.polls = quiet_polls_}};
    // They settled somewhere in the last fifth of what was seen. Taken as spread evenly; the level learns how
    // they are, which it could not where nothing was ever final.
    const double right = static_cast<double>(allowed) / static_cast<double>(weights[score]);
    const Duration life = expected_life();
    const Duration early{static_cast<std::int64_t>(static_cast<double>((life / 5).count()) * right)};
    return {.most = {.polls = quiet_polls_, .moving_age = life - early}};
  }
  // `score` is the least that so few are above. What is allowed beyond that goes to those that wait for the
  // next one below only.
  std::size_t below = score;
  while (below > 0 && (below == score || weights[below] == 0)) --below;
  const std::uint64_t draws = score == 0 ? 0 : kDraws * (allowed - above) / weights[score];
  return {.most = {.polls = quiet_polls_, .moving_age = age_of(static_cast<Score>(score))},
          .sooner = age_of(static_cast<Score>(below)),
          .sooner_draws = static_cast<std::uint32_t>(draws)};
}

/// Too few windows: a part of the usual life that falls with each, or, where that is less, what the slowest
/// cell so far lets expect of the slowest of enough windows if their ages fall off as an exponential does.
Demand Learner::cold_demand(std::size_t windows, Score highest) const {
  const Duration life = expected_life();
  const auto missing = static_cast<std::int64_t>(enough_ - windows);
  const auto needed = static_cast<std::int64_t>(enough_);
  const Duration floor = life / 2 * missing / needed * missing / needed;
  if (windows == 0) return {.polls = kColdPolls, .moving_age = floor};
  if (highest == kUnsettled) return {.polls = kColdPolls, .moving_age = std::max(floor, life / 5 * 4)};
  const double factor =
      kColdFactor * std::log2(static_cast<double>(enough_ + 1)) / std::log2(static_cast<double>(windows + 1));
  const Duration slowest = std::max(highest, kColdScore) * unit_;
  const Duration expected{static_cast<std::int64_t>(static_cast<double>(slowest.count()) * factor)};
  return {.polls = kColdPolls, .moving_age = std::max(std::min(floor, expected), age_of(highest))};
}

}  // namespace settle::engine
