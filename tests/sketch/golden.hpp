// tests/sketch/golden.hpp: blobs of other implementations.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace settle::test {

inline std::string golden(const std::string& name) {
  const std::filesystem::path path = std::string{SETTLE_TEST_DATA "/golden/"} + name;
  std::ifstream in{path, std::ios::binary};
  EXPECT_TRUE(in.good()) << path;
  return std::string{std::istreambuf_iterator<char>{in}, {}};
}

inline boost::json::value golden_json(const std::string& name) {
  return boost::json::parse(golden(name));
}

/// Of files that hold hexadecimal digits.
inline std::string golden_hex(const std::string& name) {
  std::string out;
  std::string digits;
  for (const char c : golden(name)) {
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) continue;
    digits.push_back(c);
    if (digits.size() == 2) {
      out.push_back(static_cast<char>(std::stoi(digits, nullptr, 16)));
      digits.clear();
    }
  }
  return out;
}

}  // namespace settle::test
