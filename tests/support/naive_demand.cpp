// What the naive model asks for under `learned`.
#include <algorithm>
#include <cmath>

#include "engine/finality/panel.hpp"
#include "tests/support/naive_engine.hpp"

namespace settle::test {

using engine::Learner;

namespace {

constexpr std::uint64_t kWhole = 840;  // the weight of a window
constexpr int kUnsettledScore = 4096;

}  // namespace

/// What of all windows is above a score; one window weighs kWhole.
std::uint64_t NaiveEngine::weight_above(int group, int than) const {
  std::uint64_t weight = 0;
  for (const auto& window : windows_) {
    std::uint64_t size = 0;
    std::uint64_t above = 0;
    for (const auto& [band, score] : window) {
      if (group != 0 && band != group) continue;
      ++size;
      above += score > than ? 1 : 0;
    }
    if (size > 0) weight += above * (kWhole / size);
  }
  return weight;
}

bool NaiveEngine::tells_apart(int band) const {
  std::vector<int> scores;
  for (const auto& window : windows_) {
    for (const auto& cell : window) scores.push_back(cell.second);
  }
  std::sort(scores.begin(), scores.end());
  int limit = 0;
  for (auto at = scores.rbegin(); at != scores.rend(); ++at) {
    limit = *at;
    if (weight_above(0, limit - 1) > windows_.size() * kWhole / 4) break;
  }
  std::uint64_t windows[2] = {};  // those that have such cells; of the others, of the band
  std::uint64_t above[2] = {};    // their weight
  for (const auto& window : windows_) {
    std::uint64_t size[2] = {};
    std::uint64_t greater[2] = {};
    for (const auto& [own, score] : window) {
      ++size[own == band];
      greater[own == band] += score > limit ? 1 : 0;
    }
    for (const int side : {0, 1}) {
      if (size[side] == 0) continue;
      ++windows[side];
      above[side] += greater[side] * (kWhole / size[side]);
    }
  }
  if (windows[0] == 0 || windows[1] < enough()) return false;
  const auto share = [](std::uint64_t weight, std::uint64_t count) {
    return static_cast<double>(weight) / static_cast<double>(count * kWhole);
  };
  const double apart = share(above[1], windows[1]) - share(above[0], windows[0]);
  const double all = share(above[1] + above[0], windows[1] + windows[0]);
  const double variance =
      all * (1 - all) * (1 / static_cast<double>(windows[1]) + 1 / static_cast<double>(windows[0]));
  return apart * apart > 25 * variance;
}

const NaiveEngine::Asked& NaiveEngine::asked_of(int group) {
  const auto found = asked_.find(group);
  return found != asked_.end() ? found->second : asked_[group] = work_out(group);
}

NaiveEngine::Asked NaiveEngine::work_out(int group) {
  std::vector<int> scores;
  std::uint64_t count = 0;
  for (const auto& window : windows_) {
    bool some = false;
    for (const auto& [band, score] : window) {
      if (group != 0 && band != group) continue;
      some = true;
      scores.push_back(score);
    }
    count += some ? 1 : 0;
  }
  std::sort(scores.begin(), scores.end());
  const Duration unit{(options_.watch.count() + 4095) / 4096};
  const auto age_of = [&](int score) { return score == 0 ? Duration{} : (score - 1) * unit; };
  if (count < enough()) {
    const Duration life = life_ == Duration{} ? options_.watch : life_;
    const auto missing = static_cast<std::int64_t>(enough() - count);
    const auto needed = static_cast<std::int64_t>(enough());
    const Duration floor = life / 2 * missing / needed * missing / needed;
    if (scores.empty()) return {.most = {.polls = 3, .moving_age = floor}};
    const int highest = scores.back();
    if (highest == kUnsettledScore)
      return {.most = {.polls = 3, .moving_age = std::max(floor, life / 5 * 4)}};
    const double factor =
        1.5 * std::log2(static_cast<double>(enough() + 1)) / std::log2(static_cast<double>(count + 1));
    const Duration slowest = std::max(highest, 64) * unit;
    const Duration expected{static_cast<std::int64_t>(static_cast<double>(slowest.count()) * factor)};
    return {.most = {.polls = 3, .moving_age = std::max(std::min(floor, expected), age_of(highest))}};
  }
  const double windows_allowed = level_of(group) * static_cast<double>(count + 1) - 1;
  const auto allowed =
      static_cast<std::uint64_t>(std::max(0.0, std::floor(windows_allowed * double{kWhole} + 1e-6)));
  const std::uint32_t polls = learned()->tolerance > 0 ? 1 : 2;
  int least = scores.back();
  for (auto at = scores.rbegin(); at != scores.rend() && weight_above(group, *at) <= allowed; ++at)
    least = *at;
  if (least == kUnsettledScore) {
    const auto unsettled = static_cast<double>(weight_above(group, kUnsettledScore - 1));
    const double windows = static_cast<double>(kWhole) * static_cast<double>(count);
    if (unsettled / windows > 4 * learned()->error_target)
      return {.most = {.polls = polls, .moving_age = Duration::max()}};
    const double right = static_cast<double>(allowed) / unsettled;
    const Duration life = life_ == Duration{} ? options_.watch : life_;
    const Duration early{static_cast<std::int64_t>(static_cast<double>((life / 5).count()) * right)};
    return {.most = {.polls = polls, .moving_age = life - early}};
  }
  if (least == 0) return {.most = {.polls = polls, .moving_age = Duration{}}};
  int below = 0;
  for (const int score : scores) below = score < least ? score : below;
  const std::uint64_t above = weight_above(group, least);
  const std::uint64_t here = weight_above(group, least - 1) - above;
  return {.most = {.polls = polls, .moving_age = age_of(least)},
          .sooner = age_of(below),
          .draws = 65'536 * (allowed - above) / here};
}

engine::Demand NaiveEngine::demand_of(int group, Time bucket) {
  const Asked& asked = asked_of(group);
  engine::Demand demand = asked.most;
  if (engine::bucket_draw(bucket) < asked.draws) demand.moving_age = asked.sooner;
  return demand;
}

engine::Demand NaiveEngine::demand(Time bucket, const SeriesKey& key) {
  if (learned() == nullptr) return {};
  return demand_of(group_of(Learner::band_of(series_.at(key).pace)), bucket);
}

engine::Demand NaiveEngine::demand_of_bucket(Time bucket) {
  if (learned() == nullptr) return {};
  engine::Demand slowest = demand_of(0, bucket);
  for (int band = 1; band <= 3; ++band) {
    if (group_of(band) != band) continue;
    slowest.moving_age = std::max(slowest.moving_age, demand_of(band, bucket).moving_age);
  }
  return slowest;
}

}  // namespace settle::test
