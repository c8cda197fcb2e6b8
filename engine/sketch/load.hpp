// engine/sketch/load.hpp: numbers out of bytes that lie anywhere, little-endian as all encodings have them.
#pragma once

#include <bit>
#include <cstring>

namespace settle::sketch {

static_assert(std::endian::native == std::endian::little, "numbers are read as they lie");

template <class T>
[[nodiscard]] inline T load(const char* from) {
  T value{};
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace settle::sketch
