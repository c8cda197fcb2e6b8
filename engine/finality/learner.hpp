// engine/finality/learner.hpp: what the past of a stream says about the age at which cells stop changing.
//
// Conformal risk control (Angelopoulos et al. 2022) over the newest fully aged buckets, whose allowed error
// adaptive conformal inference steers (Gibbs & Candes 2021). A value type; docs/stabilizer.md has the rules.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/finality/finality.hpp"
#include "engine/stabilizer/windows.hpp"

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
  void learn(const Window& window);
  /// Takes in what came of the decisions about a sealed bucket.
  void judge(std::span<const JudgedCell> cells);
  /// Takes in that a share of the cells of a bucket changed long after they were sealed.
  void judge_late(double wrong_share);

  /// What is asked of the cells of a bucket; `draw` is the bucket's: see Asked.
  [[nodiscard]] Demand demand(std::uint8_t band, std::uint16_t draw) const {
    return asked_[group_of(band)].of(draw);
  }
  /// For "no further series will appear": what the slowest asks for.
  [[nodiscard]] Demand demand_of_bucket(std::uint16_t draw) const;
  /// The most that is asked of any bucket.
  [[nodiscard]] const Demand& demand(std::uint8_t band) const { return asked_[group_of(band)].most; }
  /// Whether cells of different bands become final at different ages.
  [[nodiscard]] bool splits() const { return splits_; }
  /// Which of the levels counts for a band.
  [[nodiscard]] std::uint8_t group_of(std::uint8_t band) const { return in_use_[band] ? band : 0; }

  [[nodiscard]] bool is_warm() const { return windows() >= enough_; }
  [[nodiscard]] std::size_t windows() const { return windows_.size(); }
  [[nodiscard]] double level(std::uint8_t group) const { return levels_[group]; }
  /// Share of the cells that settled at a greater age, or were not seen to.
  [[nodiscard]] double share_above(Duration age) const;
  /// Share of the cells whose settling was not seen.
  [[nodiscard]] double unsettled_share() const;
  [[nodiscard]] std::size_t memory_bytes() const { return windows_.memory_bytes(); }

  // Saving, as Windows has it.
  using Levels = std::array<double, kBands>;
  [[nodiscard]] std::uint64_t first_window() const { return windows_.first(); }
  [[nodiscard]] const Levels& levels() const { return levels_; }
  [[nodiscard]] auto take_unsaved(std::uint32_t record) { return windows_.take_unsaved(record); }
  void renew(std::uint64_t window, std::uint32_t record) { windows_.renew(window, record); }
  void load(std::uint64_t first, std::size_t count, Duration life, const Levels& levels);
  void load_window(std::uint64_t number, Window window, std::uint32_t record) {
    windows_.load_window(number, std::move(window), record);
  }
  [[nodiscard]] bool finish_load();

 private:
  /// Of a group. Ages come in steps, and what is allowed mostly lies between two of them: as many buckets as
  /// it takes, the same ones each time, have to wait for the lower one only.
  struct Asked {
    Demand most;
    Duration sooner = Duration::max();
    std::uint32_t sooner_draws = 0;  // of the 65,536 draws
    [[nodiscard]] Demand of(std::uint16_t draw) const {
      return {.polls = most.polls, .moving_age = draw < sooner_draws ? sooner : most.moving_age};
    }
  };

  /// How many of the newest windows are of another kind than those before; 0: all are alike.
  [[nodiscard]] std::size_t find_change() const;
  void steer(std::uint8_t group, double error);
  void update();
  /// The bands whose cells settle at other ages than all others do.
  [[nodiscard]] std::array<bool, kBands> find_bands() const;
  [[nodiscard]] Asked asked_of(std::uint8_t group) const;
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
  Windows windows_;
  Levels levels_{};
  // What follows from all that.
  std::array<Asked, kBands> asked_{};
  std::array<bool, kBands> in_use_{};
  bool splits_ = false;
};

}  // namespace settle::engine
