// The MessagePack reader and writer, against the examples of the specification and against each other.

#include "engine/codec/msgpack.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace {

using settle::codec::MsgpackReader;
using settle::codec::MsgpackWriter;
using Type = MsgpackReader::Type;

std::string written(std::int64_t value) {
  MsgpackWriter out;
  out.i64(value);
  return std::move(out).take();
}

TEST(Msgpack, WritesIntegersAtTheirLeastWidth) {
  EXPECT_EQ(written(0), std::string("\x00", 1));
  EXPECT_EQ(written(127), "\x7f");
  EXPECT_EQ(written(128), "\xcc\x80");
  EXPECT_EQ(written(300), std::string("\xcd\x01\x2c", 3));
  EXPECT_EQ(written(65536), std::string("\xce\x00\x01\x00\x00", 5));
  EXPECT_EQ(written(-1), "\xff");
  EXPECT_EQ(written(-32), "\xe0");
  EXPECT_EQ(written(-33), "\xd0\xdf");
  EXPECT_EQ(written(-32768), std::string("\xd1\x80\x00", 3));
  EXPECT_EQ(written(-2147483648LL), std::string("\xd2\x80\x00\x00\x00", 5));
}

RC_GTEST_PROP(Msgpack, ReadsWhatWasWritten, (std::int64_t integer, std::uint64_t natural, double real)) {
  const auto text = *rc::gen::resize(400, rc::gen::arbitrary<std::string>());
  MsgpackWriter out;
  out.array(7);
  out.i64(integer);
  out.u64(natural);
  out.f64(real);
  out.text(text);
  out.binary(text);
  out.boolean(true);
  out.nil();
  const std::string bytes = std::move(out).take();
  MsgpackReader in{bytes};
  RC_ASSERT(in.array() == 7U);
  RC_ASSERT(in.i64() == integer);
  RC_ASSERT(in.u64() == natural);
  RC_ASSERT(in.f64() == real);
  RC_ASSERT(in.text() == text);
  RC_ASSERT(in.peek() == Type::binary);
  RC_ASSERT(in.binary() == text);
  RC_ASSERT(in.boolean());
  in.nil();
  RC_ASSERT(in.done());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    MsgpackReader cut{std::string_view{bytes}.substr(0, size)};
    (void)cut.array();
    (void)cut.i64();
    (void)cut.u64();
    (void)cut.f64();
    (void)cut.text();
    (void)cut.binary();
    (void)cut.boolean();
    cut.nil();
    RC_ASSERT(cut.failed());
  }
}

TEST(Msgpack, BelievesNoLengthThatTheBytesDoNotHold) {
  for (const char* bytes :
       {"\xdd\xff\xff\xff\xff", "\xdf\x7f\xff\xff\xff", "\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff"}) {
    const std::string_view five{bytes, 5};
    MsgpackReader array{five};
    EXPECT_EQ(array.array(), 0U);
    MsgpackReader map{five};
    EXPECT_EQ(map.map(), 0U);
    MsgpackReader text{five};
    EXPECT_EQ(text.text(), "");
    MsgpackReader binary{five};
    EXPECT_EQ(binary.binary(), "");
    EXPECT_TRUE(array.failed() && map.failed() && text.failed() && binary.failed());
  }
}

TEST(Msgpack, RefusesNumbersOutOfRange) {
  MsgpackWriter out;
  out.u64(std::numeric_limits<std::uint64_t>::max());
  out.i64(-1);
  const std::string bytes = std::move(out).take();
  MsgpackReader as_signed{bytes};
  EXPECT_EQ(as_signed.i64(), 0);
  EXPECT_TRUE(as_signed.failed());
  MsgpackReader as_unsigned{bytes};
  EXPECT_EQ(as_unsigned.u64(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(as_unsigned.u64(), 0U);
  EXPECT_TRUE(as_unsigned.failed());
}

}  // namespace
