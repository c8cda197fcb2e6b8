// engine/stabilizer/record_wire.hpp: the constants of docs/formats/log.md. Never renumber, never reuse.
#pragma once

#include <array>
#include <cstdint>

#include "engine/stabilizer/cell.hpp"
#include "engine/stabilizer/engine.hpp"

namespace settle::engine::wire {

inline constexpr std::uint8_t kVersion = 3;
inline constexpr std::uint8_t kCounter = 0x1;  // of the shape byte
inline constexpr std::uint8_t kLearned = 0x2;

/// Up to it whole numbers of steps are written as varints.
inline constexpr std::int64_t kWholeMax = std::int64_t{1} << 53;

[[nodiscard]] inline std::uint8_t shape_byte(bool counter, bool learned) {
  return static_cast<std::uint8_t>((counter ? kCounter : 0) | (learned ? kLearned : 0));
}

/// In this order.
inline constexpr std::array kStats{
    &EngineStats::observations,
    &EngineStats::changes,
    &EngineStats::conflicts,
    &EngineStats::rows_refused,
    &EngineStats::rows_uncountable,
    &EngineStats::rows_late,
    &EngineStats::rows_over_limit,
    &EngineStats::vanished,
    &EngineStats::scope_moves,
    &EngineStats::answers_truncated,
    &EngineStats::answers_unmoved,
    &EngineStats::settled,
    &EngineStats::ttl,
    &EngineStats::corrections,
    &EngineStats::flushed,
    &EngineStats::zeros,
    &EngineStats::changed_after_final,
    &EngineStats::held_back,
    &EngineStats::sealed,
    &EngineStats::given_up,
};

enum ScopeFlag : std::uint8_t {
  kKnown = 0x1,
  kFrontier = 0x2,
  kLastComplete = 0x4,
  kPending = 0x8,
  kLastMoved = 0x10,  // another instant than that of the last complete answer
};
enum EntryFlag : std::uint8_t {
  kFinal = 0x1,
  kByExpiry = 0x2,
  kLimited = 0x4,
  kCovered = 0x8,
  kUnwatched = 0x10,
  kAlive = 0x20,  // more than `moving`
};
enum SeriesFlag : std::uint8_t { kOverflowed = 0x1, kLastValued = 0x2, kEmittedThrough = 0x4, kPace = 0x8 };
enum PanelFlag : std::uint8_t {
  kBand = 0x3,  // mask
  kJudged = 0x4,
  kFirstIsSettled = 0x8,
  kFirstIsCount = 0x10,
  kSteps = 0x20,
  kAllPanelFlags = 0x3f,
};
enum StepFlag : std::uint8_t { kLeastWhole = 0x1, kMostIsLeast = 0x2, kMostWhole = 0x4, kAllStepFlags = 0x7 };

/// The common ones come first: most cells need one byte.
enum CellFlag : std::uint32_t {
  kCount = 0x1,
  kHasSettled = 0x2,
  kQuiet = 0x4,
  kSame = 0x8,         // `settled` is `value`
  kOtherScope = 0x10,  // than the cell before in the group; of the first: than scope 0
  kLate = 0x20,
  kAbsent = 0x40,
  kGone = 0x80,
  kSettledOther = 0x100,  // `settled` is a double where `value` is a count, or the other way round
  kHeld = 0x200,
  kByTtl = 0x400,
  kByFlush = 0x800,
  kPanel = 0x1000,
  kAllCellFlags = 0x1fff,
};

struct FlagPair {
  std::uint32_t cell;
  std::uint32_t written;
};
inline constexpr std::array<FlagPair, 10> kFlagPairs{{{Cell::kCount, kCount},
                                                      {Cell::kHasSettled, kHasSettled},
                                                      {Cell::kQuiet, kQuiet},
                                                      {Cell::kLate, kLate},
                                                      {Cell::kAbsent, kAbsent},
                                                      {Cell::kGone, kGone},
                                                      {Cell::kHeld, kHeld},
                                                      {Cell::kByTtl, kByTtl},
                                                      {Cell::kByFlush, kByFlush},
                                                      {Cell::kPanel, kPanel}}};

[[nodiscard]] inline std::uint32_t to_wire(std::uint32_t flags) {
  std::uint32_t out = 0;
  for (const FlagPair& pair : kFlagPairs) out |= (flags & pair.cell) != 0 ? pair.written : 0;
  const bool other = ((flags & Cell::kCount) != 0) != ((flags & Cell::kSettledCount) != 0);
  return (flags & Cell::kHasSettled) != 0 && other ? out | kSettledOther : out;
}
[[nodiscard]] inline std::uint32_t from_wire(std::uint32_t written) {
  std::uint32_t out = 0;
  for (const FlagPair& pair : kFlagPairs) out |= (written & pair.written) != 0 ? pair.cell : 0;
  const bool settled_count = ((written & kCount) != 0) != ((written & kSettledOther) != 0);
  return (written & kHasSettled) != 0 && settled_count ? out | Cell::kSettledCount : out;
}

}  // namespace settle::engine::wire
