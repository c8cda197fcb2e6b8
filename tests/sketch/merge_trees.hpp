// tests/sketch/merge_trees.hpp: sketches that are merged in random trees, and travel as blobs on their way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "engine/codec/cell/frame.hpp"
#include "engine/codec/codec.hpp"

namespace settle::test {

using Random = std::mt19937_64;

/// What a blob of a format holds; a failure, and an empty sketch, if it cannot be read.
template <class Sketch>
Sketch read_blob(std::string_view blob, codec::Format format) {
  sketch::Accumulator read;
  const auto merged = codec::merge(read, blob, {.format = format});
  EXPECT_TRUE(merged.has_value()) << (merged ? "" : merged.error().detail);
  const Sketch* held = std::get_if<Sketch>(&read);
  EXPECT_NE(held, nullptr);
  return held == nullptr ? Sketch{} : *held;
}

template <class Sketch>
Sketch by_cell_frame(const Sketch& sketch) {
  return read_blob<Sketch>(codec::encode_cell(sketch::Accumulator{sketch}), codec::Format::cell);
}

/// Two of them at a time become one, until one is left. travel(sketch) is what arrives of a sketch.
template <class Sketch, class Travel>
Sketch merged_in_a_tree(std::vector<Sketch> parts, Random& random, Travel travel) {
  while (parts.size() > 1) {
    std::swap(parts[random() % parts.size()], parts.back());
    const Sketch arrived = travel(parts.back());
    parts.pop_back();
    const auto merged = parts[random() % parts.size()].merge(arrived);
    EXPECT_TRUE(merged.has_value()) << (merged ? "" : merged.error().detail);
  }
  return std::move(parts.front());
}

}  // namespace settle::test
