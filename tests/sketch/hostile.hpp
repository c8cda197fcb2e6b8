// tests/sketch/hostile.hpp: blobs that were damaged.
#pragma once

#include <cstddef>
#include <string>

namespace settle::test {

/// f(bytes) for the blob cut short at every byte, and with every byte changed in several ways. Of a blob of
/// more than `most` bytes, bytes evenly spread.
template <class F>
void for_each_damage(const std::string& blob, F f, std::size_t most = 600) {
  const std::size_t step = blob.size() / most + 1;
  for (std::size_t size = 0; size < blob.size(); size += size < 200 ? 1 : step) f(blob.substr(0, size));
  for (std::size_t i = 0; i < blob.size(); i += i < 200 ? 1 : step) {
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff, blob[i] ^ 0x01, blob[i] ^ 0x10, blob[i] + 1}) {
      std::string changed = blob;
      changed[i] = static_cast<char>(value);
      f(changed);
    }
  }
  f(blob + blob);
  f(blob + '\0');
}

}  // namespace settle::test
