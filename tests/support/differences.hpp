// tests/support/differences.hpp: what differs between two outputs, in words.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/naive_engine.hpp"

namespace settle::test {

[[nodiscard]] std::string describe(const NaiveSample& sample);
[[nodiscard]] std::string describe(const NaiveCellView& cell);
[[nodiscard]] std::string describe(const NaiveGap& gap);
/// Every field that differs, one per line; "" when equal.
[[nodiscard]] std::string difference(const engine::FinalityView& got, const engine::FinalityView& expected);
[[nodiscard]] std::string difference(const engine::EngineStats& got, const engine::EngineStats& expected);

/// The first place where two lists differ; "" when they are equal.
template <class T>
std::string difference(const std::vector<T>& got, const std::vector<T>& expected) {
  for (std::size_t i = 0; i < std::max(got.size(), expected.size()); ++i) {
    if (i < got.size() && i < expected.size() && got[i] == expected[i]) continue;
    return "no. " + std::to_string(i) + ": got " + (i < got.size() ? describe(got[i]) : "nothing") +
           ", expected " + (i < expected.size() ? describe(expected[i]) : "nothing");
  }
  return "";
}

}  // namespace settle::test
