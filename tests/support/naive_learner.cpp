#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "engine/finality/panel.hpp"
#include "engine/stabilizer/series_table.hpp"
#include "tests/support/naive_engine.hpp"

namespace settle::test {

using engine::Learner;

namespace {

constexpr std::size_t kPanel = 8;
constexpr std::uint64_t kWhole = 840;  // the weight of a window
constexpr int kUnsettledScore = 4096;

}  // namespace

const engine::Learned* NaiveEngine::learned() const {
  return std::get_if<engine::Learned>(&options_.finality);
}

std::size_t NaiveEngine::enough() const {
  return static_cast<std::size_t>(std::ceil(1 / learned()->error_target - 1e-9)) - 1;
}

// ---- while a bucket is live

/// Rule 3 and 4: what is kept of the way of a cell that is reported for the first time.
void NaiveEngine::follow(const SeriesKey& key, Cell& cell) {
  if (learned() == nullptr || cell.reported) return;
  cell.reported = true;
  cell.band = Learner::band_of(series_[key].pace);
  if (!cell.settled) return;  // else it was a zero made from absence
  if (cell.own_reason != engine::Reason::ttl) cell.first_final = cell.settled;
  if (learned()->tolerance > 0)
    engine::add_step(cell.way, Duration{}, cell.value.as_double(), learned()->tolerance);
}

void NaiveEngine::age_changes(const std::map<EntryKey, Entry>& before) {
  for (const CellKey& key : moved_) {
    if (learned() == nullptr) break;
    Cell& cell = cells_[key];
    const EntryKey entry_key{key.first, cell.scope};
    const auto earlier = before.find(entry_key);
    const Duration moving_before = earlier == before.end() ? Duration{} : earlier->second.moving;
    const Duration moving = entries_[entry_key].moving;
    cell.settled_at = moving > moving_before ? moving : moving + Duration{1} + options_.watch / 4096;
    if (learned()->tolerance > 0)
      engine::add_step(cell.way, cell.settled_at, cell.value.as_double(), learned()->tolerance);
  }
  moved_.clear();
}

bool NaiveEngine::close(const Value& value, const Value& last) const {
  if (learned() == nullptr) return false;
  if (value == last) return true;
  const double allowed = learned()->tolerance * std::abs(last.as_double());
  return learned()->tolerance > 0 && std::abs(value.as_double() - last.as_double()) <= allowed;
}

// ---- sealing

int NaiveEngine::score_of(const Cell& cell, Duration life) const {
  Duration age = cell.settled_at;
  for (std::size_t at = cell.way.size(); at > 0; --at) {
    const engine::PanelStep& step = cell.way[at - 1];
    const double last = cell.value.as_double();
    const double allowed = learned()->tolerance * std::abs(last);
    if (std::abs(step.least - last) > allowed || std::abs(step.most - last) > allowed) break;
    age = step.age;
  }
  if (age > life / 5 * 4) return kUnsettledScore;
  const Duration unit{(options_.watch.count() + 4095) / 4096};
  return static_cast<int>(std::min<std::int64_t>((age + unit / 2) / unit, 4095));
}

void NaiveEngine::learn_from(Time bucket) {
  if (learned() == nullptr) return;
  std::vector<std::tuple<std::uint64_t, SeriesKey, const Cell*>> panel;
  Duration longest{};
  for (const auto& [key, entry] : entries_) {
    if (key.first == bucket) longest = std::max(longest, entry.moving);
  }
  for (const auto& [key, cell] : cells_) {
    if (key.first != bucket || !cell.reported) continue;
    const auto hash = engine::SeriesTable::hash(key.second.text);
    panel.emplace_back(engine::panel_rank(hash, bucket), key.second, &cell);
  }
  std::sort(panel.begin(), panel.end());
  if (panel.size() > kPanel) panel.resize(kPanel);

  if (life_ == Duration{}) {
    life_ = longest;
  } else if (longest > life_) {
    life_ += (longest - life_ + Duration{3}) / 4;
  } else if (longest > Duration{}) {
    life_ -= (life_ - longest) / (windows_.size() >= enough() ? 512 : 16);
  }
  std::vector<std::pair<int, int>> window;
  std::vector<std::pair<int, bool>> judged;
  std::map<std::string, Value> sampled;
  for (const auto& [rank, key, cell] : panel) {
    if (cell->first_final) judged.emplace_back(cell->band, !close(*cell->first_final, cell->value));
    if (!cell->absent) sampled[key.text] = cell->value;
    const Duration life = entries_[{bucket, cell->scope}].moving;
    if (entries_[{bucket, cell->scope}].unwatched) continue;
    if (life <= Duration{} || life < life_ * 75 / 100) continue;
    const int score = score_of(*cell, life);
    window.emplace_back(cell->band, score);
    auto& pace = series_.at(key).pace;
    pace = Learner::after(pace, static_cast<engine::Score>(score));
  }
  const auto reach = static_cast<std::uint64_t>(20 * (options_.watch / options_.granularity + 1));
  if (engine::panel_rank(0, bucket) % std::max<std::uint64_t>(16, reach / 64) == 0 && !sampled.empty()) {
    samples_[bucket] = {.cells = sampled, .times = 0};
  }
  steer(judged);
  asked_.clear();
  apart_.clear();
  if (window.empty()) return;
  windows_.push_back(window);
  const std::size_t most = std::clamp<std::size_t>(10 * (enough() + 1), 200, 1000);
  if (windows_.size() > most) windows_.erase(windows_.begin());
  forget_other_kind();
}

/// Groups of cells: those of a band that has its own age, and all others (0).
int NaiveEngine::group_of(int band) {
  if (band == 0 || windows_.size() < enough()) return 0;
  const auto found = apart_.find(band);
  const bool apart = found != apart_.end() ? found->second : (apart_[band] = tells_apart(band));
  return apart ? band : 0;
}

double& NaiveEngine::level_of(int group) {
  return levels_.try_emplace(group, learned()->error_target).first->second;
}

void NaiveEngine::steer(const std::vector<std::pair<int, bool>>& judged) {
  std::map<int, std::pair<int, int>> by_group;  // all, wrong
  for (const auto& [band, wrong] : judged) {
    auto& [all, bad] = by_group[group_of(band)];
    ++all;
    bad += wrong ? 1 : 0;
    ++judged_;
    wrong_ += wrong ? 1 : 0;
  }
  for (const auto& [group, counts] : by_group) {
    move_level(group, static_cast<double>(counts.second) / static_cast<double>(counts.first));
  }
}

void NaiveEngine::move_level(int group, double error) {
  const double target = learned()->error_target;
  const double buckets =
      static_cast<double>(options_.watch.count()) / static_cast<double>(options_.granularity.count());
  const double gain = target / 10 * std::min(1.0, 64 / (buckets + 1));
  level_of(group) =
      std::clamp(level_of(group) + gain * (target - error), target / 8, std::min(target * 4, 0.5));
}

void NaiveEngine::forget_other_kind() {
  std::vector<int> worst;
  for (const auto& window : windows_) {
    int highest = 0;
    for (const auto& [band, score] : window) highest = std::max(highest, score);
    worst.push_back(highest);
  }
  for (std::size_t newer = 8; newer + 32 <= worst.size(); newer *= 2) {
    const bool few = newer < 32;
    const std::size_t older = worst.size() - newer;
    if (worst.size() < 64 || (few && older < 64)) continue;
    std::vector<int> sorted(worst.begin(), worst.begin() + static_cast<std::ptrdiff_t>(older));
    std::sort(sorted.begin(), sorted.end());
    const int limit = few ? sorted[older - 1 - older / 10] : sorted[older / 2];
    const std::uint64_t errors = few ? 8 : 5;
    std::uint64_t before = 0;
    std::uint64_t since = 0;
    for (std::size_t at = 0; at < worst.size(); ++at) {
      if (worst[at] > limit) ++(at < older ? before : since);
    }
    const auto slower = since * older > before * newer;
    if (!slower && (few || newer < enough())) continue;
    const std::uint64_t apart =
        std::max(since * older, before * newer) - std::min(since * older, before * newer);
    const std::uint64_t all = before + since;
    if (apart == 0 ||
        apart * apart * worst.size() < errors * errors * newer * older * all * (worst.size() - all))
      continue;
    windows_.erase(windows_.begin(), windows_.begin() + static_cast<std::ptrdiff_t>(older));
    return;
  }
}

// ---- what was sealed, read again

std::optional<Time> NaiveEngine::recheck_due(Time now) const {
  for (const auto& [bucket, sample] : samples_) {
    if (is_due(bucket, sample, std::max(now, now_))) return bucket;
  }
  return std::nullopt;
}

bool NaiveEngine::is_due(Time bucket, const Sealed& sample, Time now) const {
  const Duration age = now - end_of(bucket);
  if (age > 20 * options_.watch) return false;
  return (sample.times == 0 && age >= 2 * options_.watch) ||
         (sample.times == 1 && age >= 10 * options_.watch);
}

void NaiveEngine::recheck(const engine::Answer& answer, Time now) {
  if (learned() == nullptr) return;
  asked_.clear();
  now_ = std::max(now_, now);
  for (auto& [bucket, sample] : samples_) {
    bool covered = false;
    std::map<std::string, Value> said;
    for (const auto& part : answer.scopes) {
      covered = covered || (part.covered.from <= bucket && part.covered.to >= end_of(bucket));
      for (const auto& row : part.rows) {
        if (row.bucket != bucket || row.value.is_nan() || !is_countable(row.value)) continue;
        const auto [at, first] = said.try_emplace(std::string{row.series}, row.value);
        if (!first && row.value > at->second) at->second = row.value;
      }
    }
    if (!covered || !is_due(bucket, sample, now_)) continue;
    std::uint64_t read = 0;
    std::uint64_t wrong = 0;
    for (auto& [text, value] : sample.cells) {
      const auto found = said.find(text);
      const std::string& name = text;  // a structured binding cannot be captured by clang 14
      const bool known = std::any_of(series_.begin(), series_.end(),
                                     [&](const auto& one) { return one.first.text == name; });
      if (found == said.end() || !known) continue;
      ++read;
      if (close(value, found->second)) continue;
      ++wrong;
      value = found->second;
    }
    rechecked_ += read;
    rechecked_wrong_ += wrong;
    sample.times = sample.times == 0 && now_ - end_of(bucket) < 10 * options_.watch ? 1 : 2;
    if (wrong == 0) continue;
    const double share = static_cast<double>(wrong) / static_cast<double>(read);
    for (int group = 0; group <= 3; ++group) move_level(group, learned()->error_target + share);
  }
}

engine::FinalityView NaiveEngine::finality_view() {
  engine::FinalityView view;
  if (learned() == nullptr) return view;
  const engine::Demand asked = asked_of(0).most;
  if (windows_.size() >= enough() && asked.moving_age != Duration::max())
    view.settling_age = asked.moving_age;
  view.windows = windows_.size();
  view.error_level = level_of(0);
  view.judged = judged_;
  view.wrong = wrong_;
  view.rechecked = rechecked_;
  view.rechecked_wrong = rechecked_wrong_;
  if (!windows_.empty()) {
    view.late_share = static_cast<double>(weight_above(0, kUnsettledScore - 1)) /
                      static_cast<double>(kWhole * windows_.size());
  }
  if (view.late_share > 0.01) {
    const Duration unit{(options_.watch.count() + 4095) / 4096};
    const int middle = static_cast<int>(std::min<std::int64_t>(life_ * 2 / 5 / unit, 4094));
    view.advised_watch = engine::advise_watch({.watch = options_.watch,
                                               .life = life_,
                                               .middle_share = static_cast<double>(weight_above(0, middle)) /
                                                               static_cast<double>(kWhole * windows_.size()),
                                               .late_share = view.late_share});
  }
  return view;
}

}  // namespace settle::test
