#include "engine/finality/learner.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace settle::engine {

namespace {

constexpr std::int64_t kAgedPercent = 75;
constexpr std::size_t kTellsApart = 32;  // windows on either side of a change
constexpr std::uint64_t kChangeZ = 5;    // standard errors: one false alarm in millions of windows
constexpr std::size_t kTellsJump = 8;    // newest windows that tell a source that got much slower
constexpr std::uint64_t kJumpZ = 8;      // of so few windows the tail is fatter

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

void Learner::learn(const Window& window) {
  if (!window.empty()) {
    windows_.add(window);
    if (windows_.size() > most_) windows_.forget(windows_.size() - most_);
    if (const std::size_t newest = find_change(); newest > 0) windows_.forget(windows_.size() - newest);
  }
  update();
}

std::size_t Learner::find_change() const {
  const std::size_t all = windows_.size();
  if (all < 2 * kTellsApart) return 0;
  const std::vector<Score> worst = windows_.worst_scores();
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

double Learner::share_above(Duration age) const {
  return windows_.share_from(static_cast<Score>(std::clamp<std::int64_t>(age / unit_ + 1, 0, kScoreMax)));
}

double Learner::unsettled_share() const {
  return windows_.share_from(kUnsettled);
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

void Learner::load(std::uint64_t first, std::size_t count, Duration life, const Levels& levels) {
  windows_.load(first, count);
  life_ = life;
  levels_ = levels;
}

bool Learner::finish_load() {
  const bool complete = windows_.finish_load();
  if (complete) update();
  return complete;
}

}  // namespace settle::engine
