// tests/sketch/hostile.hpp: blobs that were damaged.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace settle::test {

/// f(bytes) for the blob cut short at every byte, with every byte changed in several ways, and with more
/// behind it. Of a blob of more than `most` bytes, bytes evenly spread behind the first 200. The bytes lie in
/// exactly as much memory, so that a sanitizer sees what is read beyond them.
template <class F>
void for_each_damage(std::string_view blob, F f, std::size_t most = 600) {
  const auto give = [&f](std::string_view bytes) {
    const std::vector<char> exactly(bytes.begin(), bytes.end());
    f(std::string_view{exactly.data(), exactly.size()});
  };
  const std::size_t step = (blob.size() + most - 1) / most;
  for (std::size_t size = 0; size < blob.size(); size += size < 200 ? 1 : step) give(blob.substr(0, size));
  std::vector<char> changed(blob.begin(), blob.end());
  for (std::size_t i = 0; i < blob.size(); i += i < 200 ? 1 : step) {
    const char was = blob[i];
    for (const int now : {0x00, 0x7f, 0xff, was ^ 0x01, was ^ 0x08, was ^ 0x40, was ^ 0x80, was + 1}) {
      changed[i] = static_cast<char>(now);
      if (changed[i] != was) f(std::string_view{changed.data(), changed.size()});
    }
    changed[i] = was;
  }
  changed.push_back('\0');
  give({changed.data(), changed.size()});
  changed.pop_back();
  changed.insert(changed.end(), blob.begin(), blob.end());
  give({changed.data(), changed.size()});
}

}  // namespace settle::test
