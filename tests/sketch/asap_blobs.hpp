// tests/sketch/asap_blobs.hpp: blobs of ASAP's formats: those that other implementations wrote, and, of which
// none were at hand, as the specifications have them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <zlib.h>

#include "engine/codec/asap_envelope.hpp"
#include "engine/codec/msgpack.hpp"
#include "engine/codec/wire.hpp"
#include "engine/sketch/accumulator.hpp"
#include "engine/sketch/matrix.hpp"
#include "tests/sketch/golden_files.hpp"

namespace settle::test {

using codec::MsgpackWriter;
using codec::WireWriter;

/// A golden envelope, merged.
inline sketch::Accumulator envelope(const std::string& file) {
  sketch::Accumulator into;
  const auto merged = codec::merge_asap_envelope(into, golden_hex("asap/" + file), {});
  EXPECT_TRUE(merged) << merged.error().detail;
  return into;
}

inline std::string space_saving(std::uint64_t capacity, std::uint64_t discarded) {
  MsgpackWriter metadata;
  metadata.map(8);
  metadata.text("metadata_version");
  metadata.u64(1);
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"hash_profile_id", "projectasap.xxh3.seedlist.v1"},
                                                        {"hash_algorithm", "xxh3_64_128"},
                                                        {"seed_derivation", "seed_list_index_wrap"},
                                                        {"input_encoding", "projectasap.input.v1"}}) {
    metadata.text(key);
    metadata.text(value);
  }
  metadata.text("seed_list");
  metadata.array(20);
  for (const std::uint64_t seed : sketch::kAsapSeeds) metadata.u64(seed);
  metadata.text("capacity");
  metadata.u64(capacity);
  metadata.text("key_type");
  metadata.text("i32");
  MsgpackWriter payload;
  payload.array(5);
  payload.array(2);
  payload.i64(-7);
  payload.i64(70000);
  payload.array(2);
  payload.u64(90);
  payload.u64(20);
  payload.array(2);
  payload.u64(4);
  payload.u64(0);
  payload.u64(130);
  payload.u64(discarded);
  const std::string head = std::move(metadata).take();
  const std::string body = std::move(payload).take();
  std::string blob{"ASAPv1\x01\x02\x18\x00", 10};
  for (const std::size_t size : {head.size(), body.size()}) {
    for (int shift = 24; shift >= 0; shift -= 8) blob.push_back(static_cast<char>(size >> shift));
  }
  return blob + head + body;
}

inline std::string matrix_delta(std::uint64_t row, std::uint64_t col, std::int64_t add) {
  WireWriter rows;
  WireWriter cols;
  WireWriter adds;
  rows.raw_varint(0);
  rows.raw_varint(row);
  cols.raw_varint(0);
  cols.raw_varint(col);
  adds.raw_varint(codec::to_zigzag(2));
  adds.raw_varint(codec::to_zigzag(add));
  WireWriter out;
  out.varint(1, 2);
  out.varint(2, 8);
  out.bytes(6, "heavy");
  out.bytes(9, rows.view());
  out.bytes(10, cols.view());
  out.bytes(11, adds.view());
  return std::move(out).take();
}

inline std::string hex_of_gzip(const std::string& bytes) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string zipped(deflateBound(&stream, static_cast<uLong>(bytes.size())) + 64, '\0');
  std::string copy = bytes;
  stream.next_in = reinterpret_cast<Bytef*>(copy.data());
  stream.avail_in = static_cast<uInt>(copy.size());
  stream.next_out = reinterpret_cast<Bytef*>(zipped.data());
  stream.avail_out = static_cast<uInt>(zipped.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  zipped.resize(zipped.size() - stream.avail_out);
  deflateEnd(&stream);
  std::string hex;
  for (const char c : zipped) {
    hex.push_back("0123456789abcdef"[static_cast<unsigned char>(c) >> 4]);
    hex.push_back("0123456789ABCDEF"[static_cast<unsigned char>(c) & 15]);
  }
  return hex;
}

inline std::string stream_count_min(bool heap, double cell) {
  MsgpackWriter out;
  if (heap) out.array(3);
  out.array(3);
  out.array(3);
  for (int row = 0; row < 3; ++row) {
    out.array(4);
    for (int i = 0; i < 4; ++i) out.f64(i == row ? cell : i);
  }
  out.u64(3);
  out.u64(4);
  if (heap) {
    out.array(1);
    out.array(2);
    out.text("a;b");
    out.f64(7);
    out.u64(20);
  }
  return std::move(out).take();
}

}  // namespace settle::test
