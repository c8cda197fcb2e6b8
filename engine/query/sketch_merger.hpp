// engine/query/sketch_merger.hpp: what WindowMerge and merge_across need to know of sketches.
#pragma once

#include <string_view>
#include <variant>

#include "engine/codec/codec.hpp"
#include "engine/result.hpp"
#include "engine/sketch/accumulator.hpp"

namespace settle::query {

/// Of cells that are accumulators, as a group's are.
struct AccumulatorMerger {
  using Partial = sketch::Accumulator;

  engine::Result<void> add(Partial& into, const Partial& cell) const { return sketch::merge(into, cell); }
  engine::Result<void> join(Partial& into, const Partial& later) const { return sketch::merge(into, later); }
  engine::Result<void> add_across(Partial& into, const Partial& cell) const {
    return sketch::merge(into, cell, sketch::Along::series);
  }
};

/// Of cells that are blobs of one source.
struct BlobMerger {
  using Partial = sketch::Accumulator;
  codec::Settings settings;

  engine::Result<void> add(Partial& into, std::string_view blob) const {
    return codec::merge(into, blob, settings);
  }
  engine::Result<void> join(Partial& into, const Partial& later) const { return sketch::merge(into, later); }
  engine::Result<void> add_across(Partial& into, std::string_view blob) const {
    // Only statistics differ by what they are merged along, and those the codec merges in time.
    if (!std::holds_alternative<sketch::Stats>(into)) return codec::merge(into, blob, settings);
    Partial cell;
    if (auto read = codec::merge(cell, blob, settings); !read) return read;
    return sketch::merge(into, cell, sketch::Along::series);
  }
};

}  // namespace settle::query
