// engine/sketch/accumulator.hpp: a sketch of whatever family: what blobs are merged into.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "engine/result.hpp"
#include "engine/sketch/count_min.hpp"
#include "engine/sketch/count_sketch.hpp"
#include "engine/sketch/ddsketch.hpp"
#include "engine/sketch/frequent_items.hpp"
#include "engine/sketch/hll.hpp"
#include "engine/sketch/stats.hpp"

namespace settle::sketch {

/// std::monostate: nothing yet; it becomes what is merged into it first.
using Accumulator = std::variant<std::monostate, DDSketch, Hll, CountMin, CountSketch, FrequentItems, Stats>;

[[nodiscard]] std::string_view family_text(
    const Accumulator& accumulator);  // for errors: "a Count-Min sketch"

/// merge(Family&) -> Result<void> on what `into` holds, or on a fresh one that it then becomes. An error that
/// names both if it holds another family; after an error it is as it was.
template <class Family, class Merge>
[[nodiscard]] engine::Result<void> merge_family(Accumulator& into, Merge merge) {
  if (Family* held = std::get_if<Family>(&into)) return merge(*held);
  Family fresh;
  if (!std::holds_alternative<std::monostate>(into)) {
    return engine::refused("sketches of different kinds: " + std::string{family_text(into)} + " against " +
                           std::string{family_text(fresh)});
  }
  if (auto merged = merge(fresh); !merged) return merged;
  into = std::move(fresh);
  return {};
}

/// What the two are of: buckets of one series, or several series of one bucket. Only statistics tell them
/// apart.
enum class Along : std::uint8_t { time, series };
/// After an error `into` is as it was.
[[nodiscard]] engine::Result<void> merge(Accumulator& into, const Accumulator& from,
                                         Along along = Along::time);

/// Equal for equal content, in whatever encoding and order it came: the fingerprint of a cell.
[[nodiscard]] std::uint64_t canonical_hash(const Accumulator& accumulator);

}  // namespace settle::sketch
