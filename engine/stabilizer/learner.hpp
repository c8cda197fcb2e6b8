// engine/stabilizer/learner.hpp: what the past of a stream says about the age at which cells stop changing.
//
// Conformal risk control (Angelopoulos et al. 2022) over the newest fully aged buckets, whose allowed error
// adaptive conformal inference steers (Gibbs & Candes 2021). A value type; docs/stabilizer.md has the rules.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/stabilizer/finality.hpp"

namespace settle::engine {

/// Series are told apart by how fast theirs settled so far; 0: not known, and all of the stream.
inline constexpr std::size_t kBands = 4;
/// Aged cells after which a series' pace is known.
inline constexpr std::uint8_t kPaceCells = 32;

/// How fast the cells of a series settled so far.
struct Pace {
  std::uint8_t cells = 0;  // that were seen, at most kPaceCells
  std::uint8_t level = 0;  // about the upper eighth of their scores, as level_of() gives them
  bool operator==(const Pace&) const = default;
};

/// The age at which a cell stopped changing, in steps of watch / 4096; or that this was not seen.
using Score = std::uint16_t;
inline constexpr Score kScoreMax = 4095;
inline constexpr Score kUnsettled = 4096;

/// Windows that are kept, at most.
inline constexpr std::size_t kWindowsMax = 1000;

/// A cell of a sealed bucket.
struct AgedCell {
  std::uint8_t band = 0;
  Score score = 0;
  bool operator==(const AgedCell&) const = default;
};
using Window = std::vector<AgedCell>;  // of one bucket, 1 to kPanelMax cells

/// Share of the cells that may still change in the last fifth of `watch` before a longer one is advised.
inline constexpr double kLateShareMax = 0.01;

struct WatchAdviceInputs {
  Duration watch{};
  Duration life{};          // usual
  double middle_share = 0;  // of the cells, settled after 2/5 of life
  double late_share = 0;    // after 4/5; above kLateShareMax
};
/// 1.5 x the age at which 99 % would have settled if the shares went on to fall as they do between the two;
/// from 1.25 to 4 x watch, rounded up to a duration that people write.
[[nodiscard]] Duration advise_watch(const WatchAdviceInputs& seen);

struct JudgedCell {
  std::uint8_t band = 0;
  bool wrong = false;  // its first final value was not the last one
};

class Learner {
 public:
  Learner(const Learned& policy, Duration watch, Duration granularity);

  // A sealed bucket, in this order: note_life, judge, learn.
  /// Takes in the moving age with which it was sealed.
  void note_life(Duration life);
  /// The moving age with which buckets usually are sealed: of a source that publishes now and then less than
  /// `watch`.
  [[nodiscard]] Duration usual_life() const { return life_; }
  /// Whether a bucket of that moving age at its seal was watched long enough to learn from it. Where the
  /// source stood still it was not.
  [[nodiscard]] bool is_aged(Duration life) const;
  /// Of a cell of a bucket that was sealed with a moving age of `life`.
  [[nodiscard]] Score score_of(Duration age, Duration life) const;
  /// 0 to 192: the logarithm of a score.
  [[nodiscard]] static std::uint8_t level_of(Score score);
  [[nodiscard]] static Pace after(Pace pace, Score score);
  [[nodiscard]] static std::uint8_t band_of(Pace pace);

  /// Takes in its panel, of cells that were watched long enough (else none). Forgets older windows when the
  /// source is not what it was.
  void learn(Window window);
  /// Takes in what came of the decisions about a sealed bucket.
  void judge(std::span<const JudgedCell> cells);
  /// Takes in that a share of the cells of a bucket changed long after they were sealed.
  void judge_late(double wrong_share);

  [[nodiscard]] const Demand& demand(std::uint8_t band) const { return demands_[group_of(band)]; }
  /// For "no further series will appear": what the slowest asks for.
  [[nodiscard]] const Demand& demand_of_bucket() const { return slowest_; }
  /// Whether cells of different bands become final at different ages.
  [[nodiscard]] bool splits() const { return splits_; }
  /// Which of the levels counts for a band.
  [[nodiscard]] std::uint8_t group_of(std::uint8_t band) const { return in_use_[band] ? band : 0; }

  [[nodiscard]] bool is_warm() const { return windows() >= enough_; }
  [[nodiscard]] std::size_t windows() const { return logged_.size(); }
  [[nodiscard]] double level(std::uint8_t group) const { return levels_[group]; }
  /// Share of the cells that settled at a greater age, or were not seen to.
  [[nodiscard]] double share_above(Duration age) const;
  /// Share of the cells whose settling was not seen.
  [[nodiscard]] double unsettled_share() const;
  [[nodiscard]] std::size_t memory_bytes() const;

  // Saving: windows are numbered in the order they came, from 1.
  using Levels = std::array<double, kBands>;
  [[nodiscard]] std::uint64_t first_window() const { return first_; }
  [[nodiscard]] const Levels& levels() const { return levels_; }
  /// The windows that no record holds, with their numbers; `record` does from now on.
  [[nodiscard]] std::vector<std::pair<std::uint64_t, Window>> take_unsaved(std::uint32_t record);
  /// The record is about to be deleted: if it alone holds the window, that is unsaved again.
  void renew(std::uint64_t window, std::uint32_t record);
  /// Starts with windows [first, first + count), all still to be given to load_window().
  void load(std::uint64_t first, std::size_t count, Duration life, const Levels& levels);
  /// Of windows that are gone nothing is kept.
  void load_window(std::uint64_t number, Window window, std::uint32_t record);
  /// False where a window is missing.
  [[nodiscard]] bool finish_load();

 private:
  using Worst = std::vector<Score>;
  /// Appends the greatest score of each window.
  [[nodiscard]] Worst worst_scores() const;
  /// Share of the cells with at least that score; a window counts as one.
  [[nodiscard]] double weight_from(Score score) const;
  void append(const Window& window);
  void forget(std::size_t count);
  /// How many of the newest windows are of another kind than those before; 0: all are alike.
  [[nodiscard]] std::size_t find_change() const;
  void steer(std::uint8_t group, double error);
  void update();
  [[nodiscard]] Demand demand_of(std::uint8_t group) const;
  [[nodiscard]] Duration expected_life() const { return life_ == Duration{} ? watch_ : life_; }
  [[nodiscard]] Demand cold_demand(std::size_t windows, Score highest) const;
  [[nodiscard]] Duration age_of(Score score) const;

  double target_ = 0;
  double gain_ = 0;
  Duration watch_{};
  Duration unit_{};
  Duration life_{};  // 0: no bucket was sealed yet
  std::uint32_t quiet_polls_ = 0;
  std::size_t enough_ = 0;  // windows from which the target can be met
  std::size_t most_ = 0;    // windows kept
  std::uint64_t first_ = 1;
  std::vector<std::uint16_t> cells_;   // of all windows: first of its window, band, score
  std::vector<std::uint32_t> logged_;  // of each window: number of the last record that holds it; 0: none
  std::vector<Window> loading_;
  Levels levels_{};
  // What follows from all that.
  std::array<Demand, kBands> demands_{};
  std::array<bool, kBands> in_use_{};
  Demand slowest_{};
  bool splits_ = false;
};

}  // namespace settle::engine
