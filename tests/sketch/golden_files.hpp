// tests/sketch/golden_files.hpp: blobs of other implementations, and what they say is in them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <boost/json.hpp>

namespace settle::test {

inline std::string golden_bytes(std::string_view path) {
  std::ifstream in{std::string{SETTLE_TEST_DATA "/golden/"}.append(path), std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

inline std::string unhex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  }
  return bytes;
}

inline std::string golden_hex(std::string_view path) {
  std::string hex = golden_bytes(path);
  hex.erase(std::remove_if(hex.begin(), hex.end(), [](char c) { return c == '\n' || c == ' '; }), hex.end());
  return unhex(hex);
}

inline boost::json::value golden_expected(std::string_view folder) {
  return boost::json::parse(golden_bytes(std::string{folder} + "/expected.json"));
}

inline double number(const boost::json::value& value) {
  return value.to_number<double>();
}

}  // namespace settle::test
