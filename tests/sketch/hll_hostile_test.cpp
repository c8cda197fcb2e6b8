// Blobs that are cut short, flipped, or lie about lengths: an error or a number, never a crash, and what was
// merged into is as it was after an error.

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/codec/asap_hll.hpp"
#include "engine/codec/datasketches_hll.hpp"
#include "engine/codec/postgresql_hll.hpp"
#include "engine/codec/redis_hll.hpp"
#include "engine/codec/wire.hpp"
#include "tests/sketch/golden_files.hpp"
#include "tests/sketch/hostile.hpp"

namespace settle::test {
namespace {

using sketch::Hll;
using Merge = engine::Result<void> (*)(Hll&, std::string_view);

engine::Result<void> merge_datasketches(Hll& into, std::string_view blob) {
  return codec::merge_datasketches_hll(into, blob);
}
engine::Result<void> merge_redis(Hll& into, std::string_view blob) {
  return codec::merge_redis_hll(into, blob);
}
engine::Result<void> merge_postgresql(Hll& into, std::string_view blob) {
  return codec::merge_postgresql_hll(into, blob);
}
engine::Result<void> merge_state(Hll& into, std::string_view blob) {
  return codec::merge_asap_hll_state(into, blob);
}
engine::Result<void> merge_delta(Hll& into, std::string_view blob) {
  return codec::merge_asap_hll_delta(into, blob, 12);
}

/// Merges into nothing, and what is refused there into what the whole blob made.
void attempt(Merge merge, const Hll& whole, std::string_view blob) {
  Hll fresh;
  const bool taken = merge(fresh, blob).has_value();
  if (taken) {
    const auto answer = fresh.answer();
    EXPECT_TRUE(std::isfinite(answer.estimate) && answer.low <= answer.estimate &&
                answer.estimate <= answer.high);
    EXPECT_GE(answer.low, 0);
  } else {
    EXPECT_FALSE(fresh.has_kind());
    Hll again = whole;
    EXPECT_FALSE(merge(again, blob));
    EXPECT_EQ(canonical_hash(again), canonical_hash(whole));
  }
}

void torment(Merge merge, const std::string& blob) {
  Hll whole;
  ASSERT_TRUE(merge(whole, blob));
  for_each_damage(
      blob, [&](std::string_view bytes) { attempt(merge, whole, bytes); }, 2000);
}

TEST(HostileHll, DataSketchesBlobs) {
  for (const char* name :
       {"lgk04_hll4_n10", "lgk04_hll8_n1000", "lgk12_hll4_n1", "lgk12_hll4_n10", "u1_result_hll4",
        "lgk12_hll6_n1000", "u5_result_maxlgk8_single", "u3_result_hll8", "lgk21_hll4_n0"}) {
    for (const char* kind : {".compact.bin", ".updatable.bin"}) {
      SCOPED_TRACE(std::string{name} + kind);
      const std::string blob = golden_bytes(std::string{"datasketches-hll/"} + name + kind);
      torment(merge_datasketches, blob);
      // The length is in the preamble: nothing shorter or longer is whole.
      for (std::size_t size = 1; size < blob.size(); ++size) {
        Hll hll;
        ASSERT_FALSE(merge_datasketches(hll, std::string_view{blob}.substr(0, size))) << size;
      }
      Hll hll;
      ASSERT_FALSE(merge_datasketches(hll, blob + '\0'));
    }
  }
}

TEST(HostileHll, RedisBlobs) {
  for (const char* name : {"01_empty_sparse.bin", "n10.bin", "n1000.bin", "n2000.bin"}) {
    SCOPED_TRACE(name);
    torment(merge_redis, golden_bytes(std::string{"redis-hll/"} + name));
  }
  Hll hll;
  const std::string header{"HYLL\1\0\0\0\0\0\0\0\0\0\0\0", 16};
  EXPECT_FALSE(merge_redis(hll, header));
  EXPECT_FALSE(merge_redis(hll, header + "\x7f"));
  EXPECT_TRUE(merge_redis(hll, header + "\x7f\xff"));
  EXPECT_FALSE(merge_redis(hll, header + std::string{"\x7f\xff\x00", 3}));
  EXPECT_FALSE(merge_redis(hll, header + "\x7f\xfe"));
}

TEST(HostileHll, PostgresqlBlobs) {
  for (const char* name :
       {"empty.bin", "explicit_n1.bin", "explicit_n100.bin", "sparse_n200.bin", "text_n3000.bin"}) {
    SCOPED_TRACE(name);
    torment(merge_postgresql, golden_bytes(std::string{"postgresql-hll/"} + name));
  }
  Hll hll;
  EXPECT_FALSE(
      merge_postgresql(hll, std::string_view{"\x12\x8b\x7f\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 19}));  // twice
  EXPECT_FALSE(merge_postgresql(hll, std::string_view{"\x13\x9f\x7f", 3}));  // log2m 31
  EXPECT_FALSE(merge_postgresql(hll, std::string_view{"\x10\x8b\x7f", 3}));  // undefined
}

TEST(HostileHll, AsapStatesAndDeltas) {
  const std::string pairs{"\x00\x05\x80\x01\x07\xff\x1e\x2a", 8};  // 0: 5, 128: 7, 4095 - 128 - 1 + ...: 42
  codec::WireWriter sparse;
  sparse.varint(1, 3);
  sparse.bytes(2, pairs);
  codec::WireWriter state;
  state.varint(1, 3);
  state.varint(2, 12);
  state.f64(6, 4.5);
  state.bytes(7, sparse.view());
  torment(merge_state, std::string{state.view()});
  codec::WireWriter delta;
  delta.bytes(1, pairs);
  torment(merge_delta, std::string{delta.view()});

  Hll full;
  ASSERT_TRUE(merge_state(full, state.view()));
  EXPECT_EQ(full.answer().estimate, 4.5);
  std::vector<std::uint8_t> registers(4096);
  registers[0] = 5, registers[128] = 7, registers[128 + 3967] = 42;
  EXPECT_EQ(full.registers(), registers);
  Hll raised;
  ASSERT_TRUE(merge_delta(raised, delta.view()));
  EXPECT_EQ(raised.registers(), registers);
  ASSERT_TRUE(merge_delta(full, delta.view()));
  EXPECT_EQ(full.registers(), registers);
  EXPECT_FALSE(full.hip());
  EXPECT_EQ(full.kind().variant, 3);
  Hll nothing;
  EXPECT_FALSE(codec::merge_asap_hll_delta(nothing, delta.view()));   // of what precision?
  EXPECT_FALSE(codec::merge_asap_hll_delta(full, delta.view(), 11));  // of another
  EXPECT_TRUE(codec::merge_asap_hll_delta(full, delta.view()));
  for (const double estimate : {-1.0, std::nan(""), HUGE_VAL}) {
    EXPECT_FALSE(
        codec::merge_asap_hll(nothing, {.variant = 3, .precision = 12, .registers = {}, .hip = estimate}));
  }
  for (const std::uint64_t precision : {0U, 3U, 19U, 64U, 268U}) {
    EXPECT_FALSE(
        codec::merge_asap_hll(nothing, {.variant = 2, .precision = precision, .registers = {}, .hip = {}}));
  }
  EXPECT_FALSE(
      codec::merge_asap_hll(nothing, {.variant = 2, .precision = 12, .registers = "short", .hip = {}}));
  EXPECT_FALSE(codec::merge_asap_hll(nothing, {.variant = 4, .precision = 12, .registers = {}, .hip = {}}));
  EXPECT_FALSE(
      codec::merge_asap_hll(nothing, {.variant = 2, .precision = 12, .registers = {}, .hip = {}}, 0));
  EXPECT_FALSE(nothing.has_kind());
}

TEST(HostileHll, ZeroBytesAreAnEmptySketch) {
  for (const Merge merge : {merge_datasketches, merge_redis, merge_postgresql, merge_state, merge_delta}) {
    Hll hll;
    EXPECT_TRUE(merge(hll, {}));
    EXPECT_FALSE(hll.has_kind());
    EXPECT_EQ(hll.answer().estimate, 0);
  }
}

TEST(HostileHll, SketchesOfAnotherKindAreRefusedByName) {
  Hll hll;
  ASSERT_TRUE(merge_redis(hll, golden_bytes("redis-hll/n10.bin")));
  const auto merged = merge_datasketches(hll, golden_bytes("datasketches-hll/lgk12_hll4_n10.compact.bin"));
  ASSERT_FALSE(merged);
  EXPECT_NE(merged.error().detail.find("Redis HLL against DataSketches HLL"), std::string::npos);
  EXPECT_FALSE(codec::encode_datasketches_hll(hll));
  EXPECT_FALSE(codec::encode_asap_hll_state(hll));
}

}  // namespace
}  // namespace settle::test
