// engine/stabilizer/windows.hpp: the scores of the newest sealed buckets, in a few bytes each; what a Learner
// learns from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace settle::engine {

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

/// A window's cells share its weight, whatever their number: 840 is divisible by 1 to 8.
inline constexpr std::uint64_t kWindowWeight = 840;

/// Numbered in the order they came, from 1. A value type.
class Windows {
 public:
  [[nodiscard]] std::size_t size() const { return logged_.size(); }
  [[nodiscard]] bool empty() const { return logged_.empty(); }
  /// Number of the oldest one.
  [[nodiscard]] std::uint64_t first() const { return first_; }
  [[nodiscard]] std::size_t memory_bytes() const;

  void add(const Window& window);
  /// The oldest ones.
  void forget(std::size_t count);

  /// Calls `take(first, last)` with the cells of each window, in order; cell() tells what they are.
  template <class Take>
  void for_each(Take take) const {
    for (auto first = cells_.begin(); first != cells_.end();) {
      auto last = first + 1;
      while (last != cells_.end() && (*last & kFirstBit) == 0) ++last;
      take(first, last);
      first = last;
    }
  }
  [[nodiscard]] static AgedCell cell(std::uint16_t packed) {
    return {.band = static_cast<std::uint8_t>((packed >> kBandShift) & 3U),
            .score = static_cast<Score>(packed & kScoreBits)};
  }
  /// The greatest score of each window.
  [[nodiscard]] std::vector<Score> worst_scores() const;
  /// Share of the cells with at least that score; a window counts as one.
  [[nodiscard]] double share_from(Score score) const;

  /// The windows that no record holds, with their numbers; `record` does from now on.
  [[nodiscard]] std::vector<std::pair<std::uint64_t, Window>> take_unsaved(std::uint32_t record);
  /// The record is about to be deleted: if it alone holds the window, that is unsaved again.
  void renew(std::uint64_t window, std::uint32_t record);
  /// Starts with windows [first, first + count), all still to be given to load_window().
  void load(std::uint64_t first, std::size_t count);
  /// Of windows that are gone nothing is kept.
  void load_window(std::uint64_t number, Window window, std::uint32_t record);
  /// False where a window is missing.
  [[nodiscard]] bool finish_load();

 private:
  static constexpr std::uint16_t kFirstBit = 0x8000;
  static constexpr unsigned kBandShift = 13;
  static constexpr std::uint16_t kScoreBits = 0x1fff;

  void append(const Window& window);

  std::uint64_t first_ = 1;
  std::vector<std::uint16_t> cells_;   // of all windows: first of its window, band, score
  std::vector<std::uint32_t> logged_;  // of each window: number of the last record that holds it; 0: none
  std::vector<Window> loading_;
};

}  // namespace settle::engine
