#include "engine/codec/asapquery.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include <zlib.h>

#include "engine/codec/msgpack.hpp"
#include "engine/sketch/matrix_kernels.hpp"

namespace settle::codec {

namespace {

using sketch::CountMin;
using sketch::FrequentItems;
using sketch::MatrixShape;
using Type = MsgpackReader::Type;

engine::Error wrong(std::string_view what) {
  return engine::refused("not a precompute of ASAPQuery: " + std::string{what});
}

/// False if it is no hex.
bool unhex(std::string_view hex, std::string& bytes) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  if (hex.size() % 2 != 0) return false;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = digit(hex[i]);
    const int low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return false;
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return true;
}

bool is_weight(double value) {
  return value >= 0 && value <= sketch::kCellMax;
}

struct Parts {
  MatrixShape shape;
  MsgpackReader cells;  // at the first row
  MsgpackReader keys;   // at the first entry
  std::size_t key_count = 0;
  std::size_t key_bytes = 0;
};

/// Whether the array that comes next holds a whole Count-Min: then its first element is an array of arrays.
bool has_heap(MsgpackReader in) {
  (void)in.array();
  (void)in.array();
  return in.peek() == Type::array && in.array() != 0 && in.peek() == Type::array;
}

void read_matrix(MsgpackReader& in, Parts& parts) {
  if (in.array() != 3) in.fail();
  const std::size_t rows = in.array();
  parts.cells = in;
  std::size_t cols = 0;
  for (std::size_t row = 0; row < rows && !in.failed(); ++row) {
    const std::size_t cells = in.array();
    if (row != 0 && cells != cols) in.fail();
    cols = cells;
    for (std::size_t i = 0; i < cells && !in.failed(); ++i) {
      if (!is_weight(in.number())) in.fail();
    }
  }
  if (in.u64() != rows || in.u64() != cols) in.fail();
  parts.shape.rows = static_cast<std::uint32_t>(std::min<std::size_t>(rows, UINT32_MAX));
  parts.shape.cols = static_cast<std::uint32_t>(std::min<std::size_t>(cols, UINT32_MAX));
}

void read_heap(MsgpackReader& in, Parts& parts) {
  parts.key_count = in.array();
  parts.keys = in;
  for (std::size_t i = 0; i < parts.key_count && !in.failed(); ++i) {
    if (in.array() != 2) in.fail();
    parts.key_bytes += in.text().size();
    (void)in.number();
  }
  (void)in.u64();
}

engine::Result<void> merge_count_min(CountMin& into, std::string_view bytes, Settings::Hashing hashing) {
  MsgpackReader in{bytes};
  Parts parts{.shape = {}, .cells = in, .keys = in};
  if (has_heap(in)) {
    if (in.array() != 3) in.fail();
    read_matrix(in, parts);
    read_heap(in, parts);
  } else {
    read_matrix(in, parts);
  }
  if (!in.done()) return wrong("it is no Count-Min sketch, or a cell is negative or no number");
  parts.shape.rule =
      hashing == Settings::Hashing::asap ? MatrixShape::Rule::asap_regular : MatrixShape::Rule::xxh32;
  if (auto fine = parts.shape.check(); !fine) return fine;
  if (auto fits = into.matrix().fits(parts.shape); !fits) return fits;
  if (auto room = into.items().room_for(parts.key_count, parts.key_bytes); !room) return room;

  into.matrix().take_shape(parts.shape);
  const double factor = into.matrix().join_sample_p(1);
  double* cell = into.matrix().cells().data();
  for (std::uint32_t row = 0; row < parts.shape.rows; ++row) {
    (void)parts.cells.array();
    for (std::uint32_t i = 0; i < parts.shape.cols; ++i) *cell++ += factor * parts.cells.number();
  }
  for (std::size_t i = 0; i < parts.key_count; ++i) {
    (void)parts.keys.array();
    into.items().name({parts.keys.text()});
    (void)parts.keys.number();
  }
  into.items().add_absent(std::numeric_limits<double>::infinity());
  return {};
}

engine::Result<void> merge_sums(FrequentItems& into, std::string_view bytes) {
  MsgpackReader in{bytes};
  const std::size_t items = in.map();
  MsgpackReader again = in;
  std::size_t key_bytes = 0;
  double total = 0;
  for (std::size_t i = 0; i < items && !in.failed(); ++i) {
    key_bytes += in.text().size();
    const double weight = in.number();
    if (!is_weight(weight)) in.fail();
    total += weight;
  }
  if (!in.done() || total > sketch::kCellMax)
    return wrong("it is no map of sums, or a sum is negative or no number");
  if (auto room = into.items().room_for(items, key_bytes); !room) return room;
  for (std::size_t i = 0; i < items; ++i) {
    const std::string_view key = again.text();
    into.items().at({key}) += again.number();
  }
  into.add_source(total, 0);
  return {};
}

}  // namespace

engine::Result<std::string> inflate_gzip(std::string_view bytes) {
  z_stream stream{};
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  if (bytes.size() > kInflatedMax || inflateInit2(&stream, kGzipOnly) != Z_OK)
    return wrong("it is too large");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  int status = Z_OK;
  while (status == Z_OK && out.size() < kInflatedMax) {
    const std::size_t done = out.size();
    out.resize(std::min(kInflatedMax, std::max<std::size_t>(4096, done * 2)));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + done);
    stream.avail_out = static_cast<uInt>(out.size() - done);
    status = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    // Nothing more came of what there is: it was cut off.
    if (status == Z_OK && stream.avail_in == 0 && stream.avail_out != 0) break;
  }
  inflateEnd(&stream);
  if (status == Z_STREAM_END && stream.avail_in == 0) return out;
  if (status == Z_OK && out.size() == kInflatedMax) {
    return wrong("it inflates to more than " + std::to_string(kInflatedMax) + " bytes");
  }
  return wrong("it is no gzip, or cut off");
}

engine::Result<void> merge_asapquery(sketch::Accumulator& into, std::string_view blob,
                                     const Settings& settings) {
  if (blob.empty()) return {};
  std::string zipped;
  if (!unhex(blob, zipped)) return wrong("it is no hex");
  const auto message = inflate_gzip(zipped);
  if (!message) return message.error();
  return merge_asapquery_message(into, *message, settings);
}

engine::Result<void> merge_asapquery_message(sketch::Accumulator& into, std::string_view message,
                                             const Settings& settings) {
  switch (settings.kind.value_or(Kind::count_min)) {
    case Kind::count_min:
      return merge_family<CountMin>(
          into, [&](CountMin& held) { return merge_count_min(held, message, settings.hashing); });
    case Kind::frequent_items:
      return merge_family<FrequentItems>(into,
                                         [&](FrequentItems& held) { return merge_sums(held, message); });
    default:
      return engine::refused("ASAPQuery's precomputes are read as count-min or frequent-items");
  }
}

}  // namespace settle::codec
