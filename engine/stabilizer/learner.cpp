#include "engine/stabilizer/learner.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>

namespace settle::engine {

namespace {

// A window's cells share its weight, whatever their number: 840 is divisible by 1 to 8.
constexpr std::uint64_t kWeight = 840;
constexpr std::uint16_t kFirstBit = 0x8000;
constexpr unsigned kBandShift = 13;
constexpr std::uint16_t kScoreBits = 0x1fff;

constexpr std::uint32_t kColdPolls = 3;
constexpr std::int64_t kAgedPercent = 75;
constexpr std::size_t kTellsApart = 32;  // windows on either side of a change
constexpr std::uint64_t kChangeZ = 5;    // standard errors: one false alarm in millions of windows
constexpr std::size_t kTellsJump = 8;    // newest windows that tell a source that got much slower
constexpr std::uint64_t kJumpZ = 8;      // of so few windows the tail is fatter
constexpr Score kColdScore = 64;  // watch / 64: the least that a cold stream takes for the slowest seen
constexpr double kColdFactor = 1.5;
// Targets: with more of its cells unsettled a stream is watched too briefly to say anything.
constexpr double kUnsettledMost = 4;

std::uint16_t pack(AgedCell cell, bool first) {
  return static_cast<std::uint16_t>((first ? kFirstBit : 0) | (cell.band << kBandShift) | cell.score);
}
AgedCell unpack(std::uint16_t cell) {
  return {.band = static_cast<std::uint8_t>((cell >> kBandShift) & 3U),
          .score = static_cast<Score>(cell & kScoreBits)};
}

/// Calls `take(first, last)` with the cells of each window.
template <class Take>
void for_each_window(const std::vector<std::uint16_t>& cells, Take take) {
  for (auto first = cells.begin(); first != cells.end();) {
    auto last = first + 1;
    while (last != cells.end() && (*last & kFirstBit) == 0) ++last;
    take(first, last);
    first = last;
  }
}

/// How many of the older and of the newer windows are above one of the older ones.
struct Shift {
  std::uint64_t older = 0;
  std::uint64_t newer = 0;
  std::uint64_t before = 0;
  std::uint64_t since = 0;

  [[nodiscard]] bool slower() const { return since * older > before * newer; }
  /// Whether the two shares are `z` standard errors (pooled) apart.
  [[nodiscard]] bool is_change(std::uint64_t z) const {
    const std::uint64_t apart = slower() ? since * older - before * newer : before * newer - since * older;
    const std::uint64_t total = before + since;
    const std::uint64_t all = older + newer;
    return apart > 0 && apart * apart * all >= z * z * newer * older * total * (all - total);
  }
};

/// Against the score of the `rank`th of the first `older` of `worst`, from the least, 0.
Shift shift_of(const std::vector<Score>& worst, std::size_t older, std::size_t rank) {
  const auto middle = worst.begin() + static_cast<std::ptrdiff_t>(older);
  std::vector<Score> sorted(worst.begin(), middle);
  const auto limit = sorted.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(sorted.begin(), limit, sorted.end());
  const auto above = [limit](Score score) { return score > *limit; };
  return {.older = older,
          .newer = worst.size() - older,
          .before = static_cast<std::uint64_t>(std::count_if(worst.begin(), middle, above)),
          .since = static_cast<std::uint64_t>(std::count_if(middle, worst.end(), above))};
}

}  // namespace

Learner::Learner(const Learned& policy, Duration watch, Duration granularity)
    : target_(policy.error_target), watch_(watch) {
  unit_ = Duration{(watch.count() + kScoreMax) / (kScoreMax + 1)};
  quiet_polls_ = policy.tolerance > 0 ? 1 : 2;
  enough_ = static_cast<std::size_t>(std::ceil(1 / target_ - 1e-9)) - 1;
  most_ = std::clamp<std::size_t>(10 * (enough_ + 1), 200, kWindowsMax);
  // What is decided now is judged when as many buckets more are sealed: the longer that takes, the smaller
  // the steps have to be.
  const auto delay = static_cast<double>(watch.count()) / static_cast<double>(granularity.count());
  gain_ = target_ / 10 * std::min(1.0, 64 / (delay + 1));
  levels_.fill(target_);
  update();
}

// ---- scores and paces

/// Up fast and down slowly: a source that stands still for a day is not a source that publishes rarely.
void Learner::note_life(Duration life) {
  if (life_ == Duration{}) {
    life_ = life;
  } else if (life > life_) {
    life_ += (life - life_ + Duration{3}) / 4;
  } else if (life > Duration{}) {
    life_ -= (life_ - life) / (is_warm() ? 512 : 16);
  }
}

bool Learner::is_aged(Duration life) const {
  return life > Duration{} && life >= life_ * kAgedPercent / 100;
}

Score Learner::score_of(Duration age, Duration life) const {
  if (age > life / 5 * 4) return kUnsettled;
  const auto steps = (std::max(age, Duration{}) + unit_ / 2) / unit_;
  return static_cast<Score>(std::min<std::int64_t>(steps, kScoreMax));
}

/// One step less: polls come some milliseconds early or late.
Duration Learner::age_of(Score score) const {
  return score == 0 ? Duration{} : (score - 1) * unit_;
}

std::uint8_t Learner::level_of(Score score) {
  const auto above = static_cast<std::uint32_t>(std::min(score, kScoreMax)) + 1;
  const auto octave = static_cast<std::uint32_t>(std::bit_width(above)) - 1;
  return static_cast<std::uint8_t>(octave * 16 + ((above * 16) >> octave) - 16);
}

Pace Learner::after(Pace pace, Score score) {
  const std::uint8_t level = level_of(score);
  if (pace.cells == 0) return {.cells = 1, .level = level};
  if (pace.cells < kPaceCells) ++pace.cells;
  // Seven steps up for one down: it rests where seven in eight are below.
  if (level > pace.level) {
    pace.level = std::min<std::uint8_t>(level, pace.level + 7);
  } else if (level < pace.level) {
    --pace.level;
  }
  return pace;
}

std::uint8_t Learner::band_of(Pace pace) {
  if (pace.cells < kPaceCells) return 0;
  constexpr std::uint8_t kFast = 7 * 16;    // watch / 32
  constexpr std::uint8_t kNormal = 9 * 16;  // watch / 8
  if (pace.level <= kFast) return 1;
  return pace.level <= kNormal ? 2 : 3;
}

// ---- windows

void Learner::append(const Window& window) {
  for (const AgedCell& cell : window) cells_.push_back(pack(cell, &cell == window.data()));
}

void Learner::learn(Window window) {
  if (!window.empty()) {
    append(window);
    logged_.push_back(0);
    if (logged_.size() > most_) forget(logged_.size() - most_);
    if (const std::size_t newest = find_change(); newest > 0) forget(logged_.size() - newest);
  }
  update();
}

void Learner::forget(std::size_t count) {
  std::size_t cells = 0;
  std::size_t windows = 0;
  for (; cells < cells_.size(); ++cells) {
    if ((cells_[cells] & kFirstBit) != 0 && windows++ == count) break;
  }
  cells_.erase(cells_.begin(), cells_.begin() + static_cast<std::ptrdiff_t>(cells));
  logged_.erase(logged_.begin(), logged_.begin() + static_cast<std::ptrdiff_t>(count));
  first_ += count;
}

Learner::Worst Learner::worst_scores() const {
  Worst out;
  out.reserve(logged_.size());
  for_each_window(cells_, [&](auto first, auto last) {
    Score worst = 0;
    for (; first != last; ++first) worst = std::max(worst, unpack(*first).score);
    out.push_back(worst);
  });
  return out;
}

std::size_t Learner::find_change() const {
  const std::size_t all = logged_.size();
  if (all < 2 * kTellsApart) return 0;
  const Worst worst = worst_scores();
  // A source that got much slower shows in few windows: they are among the worst that were ever seen. Until
  // it is noticed nearly everything is wrong.
  for (std::size_t newer = kTellsJump; newer < kTellsApart && newer + 2 * kTellsApart <= all; newer *= 2) {
    const std::size_t older = all - newer;
    const Shift shift = shift_of(worst, older, older - 1 - older / 10);
    if (shift.slower() && shift.is_change(kJumpZ)) return newer;
  }
  for (std::size_t newer = kTellsApart; newer + kTellsApart <= all; newer *= 2) {
    const std::size_t older = all - newer;
    const Shift shift = shift_of(worst, older, older / 2);
    // Where the source got faster nothing presses: forget only what is not needed.
    if (!shift.slower() && newer < enough_) continue;
    if (shift.is_change(kChangeZ)) return newer;
  }
  return 0;
}

double Learner::weight_from(Score score) const {
  if (logged_.empty()) return 0;
  std::uint64_t weight = 0;
  for_each_window(cells_, [&](auto first, auto last) {
    const auto size = static_cast<std::uint64_t>(last - first);
    for (; first != last; ++first) weight += unpack(*first).score >= score ? kWeight / size : 0;
  });
  return static_cast<double>(weight) / static_cast<double>(kWeight * logged_.size());
}

double Learner::share_above(Duration age) const {
  return weight_from(static_cast<Score>(std::clamp<std::int64_t>(age / unit_ + 1, 0, kScoreMax)));
}

double Learner::unsettled_share() const {
  return weight_from(kUnsettled);
}

Duration advise_watch(const WatchAdviceInputs& seen) {
  using namespace std::chrono_literals;
  const auto watch = static_cast<double>(seen.watch.count());
  double asked = 4 * watch;
  if (seen.middle_share > seen.late_share) {
    const double spans =
        std::log(seen.late_share / kLateShareMax) / std::log(seen.middle_share / seen.late_share);
    asked = 1.5 * static_cast<double>(seen.life.count()) * (0.8 + 0.4 * spans);
  }
  const Duration least{static_cast<std::int64_t>(std::ceil(std::clamp(asked, 1.25 * watch, 4 * watch)))};
  Duration step = 6h;
  for (const auto& [up_to, one] : {std::pair<Duration, Duration>{24h, 1h},
                                   {6h, 30min},
                                   {1h, 5min},
                                   {10min, 1min},
                                   {1min, 5s},
                                   {10s, 1s}}) {
    if (least <= up_to) step = one;
  }
  return (least + step - Duration{1}) / step * step;
}

std::size_t Learner::memory_bytes() const {
  return cells_.capacity() * sizeof(cells_[0]) + logged_.capacity() * sizeof(logged_[0]);
}

// ---- levels

void Learner::steer(std::uint8_t group, double error) {
  levels_[group] =
      std::clamp(levels_[group] + gain_ * (target_ - error), target_ / 8, std::min(target_ * 4, 0.5));
}

void Learner::judge(std::span<const JudgedCell> cells) {
  std::array<std::uint32_t, kBands> all{};
  std::array<std::uint32_t, kBands> wrong{};
  for (const JudgedCell& cell : cells) {
    ++all[group_of(cell.band)];
    wrong[group_of(cell.band)] += cell.wrong ? 1 : 0;
  }
  for (std::uint8_t group = 0; group < kBands; ++group) {
    if (all[group] > 0) steer(group, static_cast<double>(wrong[group]) / static_cast<double>(all[group]));
  }
}

/// The seal counted them as right already.
void Learner::judge_late(double wrong_share) {
  if (wrong_share <= 0) return;
  for (std::uint8_t group = 0; group < kBands; ++group) steer(group, target_ + wrong_share);
  update();
}

// ---- what follows

void Learner::update() {
  std::array<std::size_t, kBands> windows{};
  for_each_window(cells_, [&](auto first, auto last) {
    unsigned bands = 0;
    for (; first != last; ++first) bands |= 1U << unpack(*first).band;
    for (std::uint8_t band = 1; band < kBands; ++band) windows[band] += (bands >> band) & 1U;
  });
  demands_[0] = demand_of(0);
  slowest_ = demands_[0];
  splits_ = false;
  for (std::uint8_t band = 1; band < kBands; ++band) {
    in_use_[band] = is_warm() && windows[band] >= enough_;
    if (!in_use_[band]) continue;
    demands_[band] = demand_of(band);
    splits_ = true;
    slowest_.moving_age = std::max(slowest_.moving_age, demands_[band].moving_age);
  }
}

Demand Learner::demand_of(std::uint8_t group) const {
  // Weight by score; a window counts as one.
  std::vector<std::uint64_t> weights(std::size_t{kUnsettled} + 1);
  std::uint64_t windows = 0;
  Score highest = 0;
  for_each_window(cells_, [&](auto first, auto last) {
    const auto counts = [&](std::uint16_t cell) { return group == 0 || unpack(cell).band == group; };
    const auto size = static_cast<std::uint64_t>(std::count_if(first, last, counts));
    if (size == 0) return;
    ++windows;
    for (; first != last; ++first) {
      if (!counts(*first)) continue;
      weights[unpack(*first).score] += kWeight / size;
      highest = std::max(highest, unpack(*first).score);
    }
  });
  if (windows < enough_) return cold_demand(windows, highest);
  const double allowed_windows = levels_[group] * static_cast<double>(windows + 1) - 1;
  const auto allowed = static_cast<std::uint64_t>(
      std::max(0.0, std::floor(allowed_windows * static_cast<double>(kWeight) + 1e-6)));
  std::uint64_t above = 0;
  std::size_t score = kUnsettled;
  while (score > 0 && above + weights[score] <= allowed) above += weights[score--];
  if (score == kUnsettled) {
    const double share =
        static_cast<double>(weights[score]) / (static_cast<double>(kWeight) * static_cast<double>(windows));
    if (share > kUnsettledMost * target_) return {.polls = quiet_polls_, .moving_age = Duration::max()};
    // They settled somewhere in the last fifth of what was seen. Taken as spread evenly; the level learns how
    // they are, which it could not where nothing was ever final.
    const double right = static_cast<double>(allowed) / static_cast<double>(weights[score]);
    const Duration life = expected_life();
    const Duration early{static_cast<std::int64_t>(static_cast<double>((life / 5).count()) * right)};
    return {.polls = quiet_polls_, .moving_age = life - early};
  }
  // `score` is the least that so few are above. Part of the way to the next one below, as far as what is
  // allowed goes beyond that: a step would leave too much unused where windows are few.
  std::size_t below = score;
  while (below > 0 && (below == score || weights[below] == 0)) --below;
  const std::uint64_t way = weights[score] == 0 ? 0 : (score - below) * (allowed - above) / weights[score];
  return {.polls = quiet_polls_, .moving_age = age_of(static_cast<Score>(score - way))};
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

// ---- saving

std::vector<std::pair<std::uint64_t, Window>> Learner::take_unsaved(std::uint32_t record) {
  std::vector<std::pair<std::uint64_t, Window>> out;
  std::size_t at = 0;
  for_each_window(cells_, [&](auto first, auto last) {
    if (logged_[at] == 0) {
      Window window;
      std::transform(first, last, std::back_inserter(window), unpack);
      out.emplace_back(first_ + at, std::move(window));
      logged_[at] = record;
    }
    ++at;
  });
  return out;
}

void Learner::renew(std::uint64_t window, std::uint32_t record) {
  if (window < first_ || window - first_ >= logged_.size()) return;
  auto& logged = logged_[window - first_];
  if (logged == record) logged = 0;
}

void Learner::load(std::uint64_t first, std::size_t count, Duration life, const Levels& levels) {
  first_ = first;
  life_ = life;
  levels_ = levels;
  cells_.clear();
  logged_.assign(count, 0);
  loading_.assign(count, Window{});
}

void Learner::load_window(std::uint64_t number, Window window, std::uint32_t record) {
  if (number < first_ || number - first_ >= loading_.size()) return;
  loading_[number - first_] = std::move(window);
  logged_[number - first_] = record;
}

bool Learner::finish_load() {
  const std::vector<Window> given = std::exchange(loading_, {});
  for (const Window& window : given) {
    if (window.empty()) return false;
    append(window);
  }
  update();
  return true;
}

}  // namespace settle::engine
