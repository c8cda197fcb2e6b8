#include "engine/codec/wire.hpp"

#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <rapidcheck.h>

#include "engine/codec/format.hpp"

namespace settle::codec {
namespace {

std::string bytes(std::initializer_list<int> list) {
  std::string out;
  for (const int byte : list) out.push_back(static_cast<char>(byte));
  return out;
}

TEST(WireReader, ReadsEveryTypeInAnyOrder) {
  std::string message;
  protozero::pbf_writer writer{message};
  writer.add_double(4, 2.5);
  writer.add_uint64(1, std::numeric_limits<std::uint64_t>::max());
  writer.add_sint64(2, std::numeric_limits<std::int64_t>::min());
  writer.add_fixed32(9, 7);
  writer.add_string(3, "text");
  writer.add_sint32(2, -1);

  WireReader reader{message};
  ASSERT_TRUE(reader.next());
  EXPECT_EQ(reader.field(), 4U);
  EXPECT_TRUE(reader.is(WireType::fixed64));
  EXPECT_EQ(reader.f64(), 2.5);
  EXPECT_EQ(reader.varint(), 0U);
  ASSERT_TRUE(reader.next());
  EXPECT_EQ(reader.varint(), std::numeric_limits<std::uint64_t>::max());
  ASSERT_TRUE(reader.next());
  EXPECT_EQ(reader.zigzag(), std::numeric_limits<std::int64_t>::min());
  ASSERT_TRUE(reader.next());
  EXPECT_TRUE(reader.is(WireType::fixed32));
  ASSERT_TRUE(reader.next());
  EXPECT_EQ(reader.bytes(), "text");
  ASSERT_TRUE(reader.next());
  EXPECT_EQ(reader.zigzag(), -1);
  EXPECT_TRUE(reader.bytes().empty());
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.failed());
}

TEST(WireReader, RefusesWhatIsCutShortOrMalformed) {
  const std::vector<std::string> broken{
      bytes({0x08}),                                                              // no value
      bytes({0x08, 0x80}),                                                        // varint without end
      bytes({0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}),  // 65 bits
      bytes({0x09, 0, 0, 0, 0, 0, 0, 0}),                                         // 7 of 8 bytes
      bytes({0x0d, 0, 0, 0}),                                                     // 3 of 4
      bytes({0x0a, 0x02, 0x61}),                                                  // 1 of 2
      bytes({0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}),  // 2^64 - 1 bytes
      bytes({0x00, 0x00}),                                                        // field 0
      bytes({0x0c}),             // end of a group that none began
      bytes({0x0e, 0x00}),       // type 6
      bytes({0x0b, 0x14}),       // group 1 ended as 2
      bytes({0x0b}),             // group without end
      std::string(100, '\x0b'),  // groups in groups
  };
  for (const auto& message : broken) {
    WireReader reader{message};
    while (reader.next()) {
    }
    EXPECT_TRUE(reader.failed()) << testing::PrintToString(message);
    EXPECT_FALSE(reader.next());
  }
}

TEST(WireReader, SkipsGroups) {
  const std::string message = bytes({0x0b, 0x10, 0x05, 0x1b, 0x1c, 0x0c, 0x20, 0x07});
  WireReader reader{message};
  ASSERT_TRUE(reader.next());
  EXPECT_EQ(reader.field(), 4U);
  EXPECT_EQ(reader.varint(), 7U);
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.failed());
}

TEST(WireReader, IsStoppedByItsUser) {
  const std::string message = bytes({0x08, 0x01, 0x08, 0x02});
  WireReader reader{message};
  ASSERT_TRUE(reader.next());
  reader.fail();
  EXPECT_FALSE(reader.next());
}

TEST(WireReader, NeverLeavesTheBytes) {
  EXPECT_TRUE(rc::check([](const std::string& noise) {
    WireReader reader{noise};
    std::size_t fields = 0;
    while (reader.next()) ++fields;
    RC_ASSERT(fields <= noise.size());
  }));
}

TEST(WireWriter, IsReadByAnotherImplementation) {
  EXPECT_TRUE(rc::check([](std::uint64_t number, std::int64_t with_sign, double real, const std::string& text,
                           const std::vector<double>& packed) {
    WireWriter writer;
    writer.varint(1, number);
    writer.zigzag(2, with_sign);
    writer.f64(3, real);
    writer.bytes(300, text);
    writer.doubles(5, packed.data(), packed.size());
    const std::string message = std::move(writer).take();

    protozero::pbf_reader reader{message};
    RC_ASSERT(reader.next(1));
    RC_ASSERT(reader.get_uint64() == number);
    RC_ASSERT(reader.next(2));
    RC_ASSERT(reader.get_sint64() == with_sign);
    RC_ASSERT(reader.next(3));
    RC_ASSERT(std::bit_cast<std::uint64_t>(reader.get_double()) == std::bit_cast<std::uint64_t>(real));
    RC_ASSERT(reader.next(300));
    RC_ASSERT(reader.get_string() == text);
    RC_ASSERT(reader.next(5));
    std::vector<double> read;
    for (const double value : reader.get_packed_double()) read.push_back(value);
    RC_ASSERT(read == packed);
    RC_ASSERT(!reader.next());
  }));
}

TEST(PackedVarints, ReadsUntilTheEndOrTheFault) {
  std::string packed;
  WireWriter writer;
  for (const std::uint64_t value : {0ULL, 127ULL, 128ULL, ~0ULL}) writer.raw_varint(value);
  packed = std::move(writer).take();
  std::vector<std::uint64_t> read;
  std::uint64_t value = 0;
  PackedVarints whole{packed};
  while (whole.next(value)) read.push_back(value);
  EXPECT_EQ(read, (std::vector<std::uint64_t>{0, 127, 128, ~0ULL}));
  EXPECT_FALSE(whole.failed());
  packed.pop_back();
  PackedVarints cut{packed};
  while (cut.next(value)) {
  }
  EXPECT_TRUE(cut.failed());
}

TEST(VarintSize, IsThatOfWhatIsWritten) {
  EXPECT_TRUE(rc::check([](std::uint64_t bits, std::uint8_t shift) {
    const std::uint64_t value = bits >> (shift % 64);
    WireWriter writer;
    writer.raw_varint(value);
    RC_ASSERT(writer.view().size() == varint_size(value));
  }));
}

TEST(Format, HasANameThatReadsBack) {
  for (int number = 1; number <= 13; ++number) {
    const auto format = static_cast<Format>(number);
    EXPECT_NE(format_text(format), "unknown");
    EXPECT_EQ(parse_format(format_text(format)), format);
  }
  EXPECT_EQ(parse_format("unknown"), std::nullopt);
  EXPECT_EQ(format_text(static_cast<Format>(0)), "unknown");
}

}  // namespace
}  // namespace settle::codec
