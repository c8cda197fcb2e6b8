// Runs a fuzz target over its corpus; linked with one target each.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

TEST(Corpus, IsReadWithoutAFault) {
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator{SETTLE_CORPUS}) {
    std::ifstream in{file.path(), std::ios::binary};
    const std::string bytes{std::istreambuf_iterator<char>{in}, {}};
    // Also every prefix: what was cut short must not be a fault either.
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), size);
    }
    ++files;
  }
  EXPECT_GT(files, 0U);
}
