// tests/sketch/hll_rig.hpp: the golden HLL blobs, and registers as the tests compare them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <zlib.h>

namespace settle::tests {

inline const std::filesystem::path kGolden{SETTLE_TEST_DATA "/golden"};

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

inline std::string read_gz(const std::filesystem::path& path) {
  std::string bytes;
  const gzFile in = gzopen(path.c_str(), "rb");
  char part[1 << 16];
  for (int got = 0; (got = gzread(in, part, sizeof part)) > 0;)
    bytes.append(part, static_cast<std::size_t>(got));
  gzclose(in);
  return bytes;
}

inline std::string read_hex(const std::filesystem::path& path) {
  std::string bytes;
  const std::string text = read_bytes(path);
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

inline boost::json::array expected_cases(std::string_view folder) {
  const std::string text = read_bytes(kGolden / folder / "expected.json");
  return boost::json::parse(text).at("cases").as_array();
}

inline std::string text_of(const boost::json::value& value, std::string_view name) {
  return std::string{value.at(name).as_string()};
}

inline std::string fnv1a64_golden(const std::vector<std::uint8_t>& bytes) {
  std::uint64_t hash =
      1469598103934665603U;  // the start that the golden values were made with; FNV has one digit more
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3U;
  char text[17];
  (void)std::snprintf(text, sizeof text, "%016lx", static_cast<unsigned long>(hash));
  return text;
}

}  // namespace settle::tests
